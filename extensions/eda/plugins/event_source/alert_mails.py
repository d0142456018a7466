# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Event source: mails that arrive in a maildir."""

from __future__ import annotations

import asyncio
import os
import runpy
from pathlib import Path
from typing import Any

DOCUMENTATION = r"""
short_description: Mails that arrive in a maildir
description:
  - Looks into the folder C(new) of a maildir (https://cr.yp.to/proto/maildir.html). Each mail is an event with C(path), where it lies now, with
    C(content), its text as far as it is UTF-8, and with C(fleetcast_alert), the mail as it is on the wire, for the option
    O(fleetcast.core.error_alert#module:event) of M(fleetcast.core.error_alert).
  - In the values, C({{) and the like become C({ {). Ansible evaluates templates in events; what comes from outside must not be one.
  - A mail that became an event is moved to the folder C(cur), as any mail program does. One that is there when the rulebook is killed may
    become an event twice, which counts once.
options:
  path:
    description: The maildir.
    type: str
    required: true
  interval:
    description: How often to look, in seconds.
    type: float
    default: 5.0
"""

EXAMPLES = r"""
- fleetcast.core.alert_mails:
    path: /var/mail/alerts
"""


_shared = runpy.run_path(str(Path(__file__).with_name("_event.py")))


async def main(queue: asyncio.Queue[Any], args: dict[str, Any]) -> None:
    """Put an event into the queue for each mail, for ever."""
    maildir = Path(str(args.get("path") or ""))
    for folder in ("new", "cur"):
        if not args.get("path") or not (maildir / folder).is_dir():
            raise ValueError(f"alert_mails: the option path must name a maildir, with the folders new and cur: there is no {maildir / folder}")
    while True:
        for file in sorted((maildir / "new").iterdir()):
            kept = maildir / "cur" / f"{file.name}:2,S"
            # In both folders until the event is in the queue: killed in between, it is an event once more, and never none.
            if not kept.exists():
                os.link(file, kept)
            content = kept.read_bytes()
            await queue.put(_shared["event"]("mail", content, {"path": str(kept), "content": content.decode("utf-8", "replace")}))
            file.unlink()
        await asyncio.sleep(float(args.get("interval", 5.0)))
