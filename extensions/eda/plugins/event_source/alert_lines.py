# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Event source: the lines of JSON that a program appends to a file."""

from __future__ import annotations

import asyncio
import json
import os
import runpy
from pathlib import Path
from typing import Any, BinaryIO

DOCUMENTATION = r"""
short_description: Lines of JSON that a program appends to a file
description:
  - Follows a file as it grows, also when it is replaced by a new one (as log rotation does). Each line is an event with the line's values,
    and with C(fleetcast_alert), the line as it is, for the option O(fleetcast.core.error_alert#module:event) of M(fleetcast.core.error_alert).
  - In the values, C({{) and the like become C({ {). Ansible evaluates templates in events; what comes from outside must not be one.
  - A line that is no JSON object becomes an event with C(unreadable), so that a rule can complain about it.
options:
  path:
    description: The file. It need not be there yet.
    type: str
    required: true
  from_start:
    description: Whether the lines that are there at the start are events too.
    type: bool
    default: false
  interval:
    description: How often to look, in seconds.
    type: float
    default: 1.0
"""

EXAMPLES = r"""
- fleetcast.core.alert_lines:
    path: /var/log/alerts.json
"""


_shared = runpy.run_path(str(Path(__file__).with_name("_event.py")))


async def main(queue: asyncio.Queue[Any], args: dict[str, Any]) -> None:
    """Put an event into the queue for each line, for ever."""
    if not args.get("path"):
        raise ValueError("alert_lines: the option path is missing: the file to follow")
    path, interval = Path(str(args["path"])), float(args.get("interval", 1.0))
    file = _opened(path)
    rest = b""
    if file is not None and not args.get("from_start", False):
        file.seek(0, os.SEEK_END)
    while True:
        if file is not None:
            *lines, rest = (rest + file.read()).split(b"\n")
            for line in lines:
                await _put(queue, line)
        if file is not None and not _is_another(file, path):
            await asyncio.sleep(interval)
            continue
        # Only what was read to its end is let go for the file that has its name now. Its last line may have no line end.
        fresh = _opened(path)
        if fresh is None:
            await asyncio.sleep(interval)
            continue
        if file is not None:
            await _put(queue, rest + file.read())
            file.close()
        file, rest = fresh, b""


def _opened(path: Path) -> BinaryIO | None:
    """The file, if there is one now."""
    try:
        return path.open("rb")
    except FileNotFoundError:
        return None


def _is_another(file: BinaryIO, path: Path) -> bool:
    """Whether the name leads to another file than this one, to none, or to this one cut short."""
    try:
        now = path.stat()
    except FileNotFoundError:
        return True
    then = os.fstat(file.fileno())
    return (now.st_dev, now.st_ino) != (then.st_dev, then.st_ino) or now.st_size < file.tell()


async def _put(queue: asyncio.Queue[Any], lines: bytes) -> None:
    for line in lines.split(b"\n"):
        if line.strip():
            await queue.put(_event(line))


def _event(line: bytes) -> dict[str, Any]:
    text = line.decode("utf-8", "replace")
    try:
        event = json.loads(text)
    except ValueError:
        event = None
    made: dict[str, Any] = _shared["event"]("json", line, event) if isinstance(event, dict) else _shared["harmless"]({"unreadable": text})
    return made
