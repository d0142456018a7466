# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of ansible-playbook: who holds the leases, and how another run finds out that it is gone.

The callback begins a run in the process of ansible-playbook; the worker processes of Ansible are forked from it and see the same
object. So an action that finds no run knows that the callback is not enabled.
"""

from __future__ import annotations

import os
import pwd
import socket
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Run:
    """A run of ansible-playbook.

    `token` fences: an attempt may be changed only by the run that holds it. `boot_id` and `pid_namespace` (None where the system
    has no /proc) say where `pid` means anything, `process_started` (clock ticks since boot, proc(5) field 22 of stat) tells the
    process from a later one with the same number.
    """

    id: str
    token: str
    hostname: str
    user: str
    pid: int
    process_started: int | None
    boot_id: str | None
    pid_namespace: str | None
    started_at: datetime


current: Run | None = None


def begin() -> Run:
    """Begin a run in this process and make it the current one."""
    global current
    pid = os.getpid()
    current = Run(
        id=str(uuid.uuid4()),
        token=str(uuid.uuid4()),
        hostname=socket.gethostname(),
        user=user_name(),
        pid=pid,
        process_started=process_started(pid),
        boot_id=boot_id(),
        pid_namespace=pid_namespace(),
        started_at=datetime.now(UTC),
    )
    return current


def end() -> None:
    """There is no current run any more."""
    global current
    current = None


def user_name() -> str:
    """Name of the effective user, or its number where it has no name (a container without a passwd entry)."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def boot_id() -> str | None:
    """Identifier of the running kernel's boot (random(4)); None where there is none to read."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return None


def pid_namespace() -> str | None:
    """The PID namespace of this process (pid_namespaces(7)): containers on one machine share its boot, not its process numbers."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return None


def process_started(pid: int) -> int | None:
    """Clock ticks after boot at which the process started; None when there is no such process, or it is a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The second field is the command's name in parentheses and may itself hold spaces and parentheses.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def described(row: Mapping[Any, Any]) -> str:
    """A recorded run, for people; `hostname` is None when the table does not know it."""
    if row["hostname"] is None:
        return "a play that is not known any more"
    return f"the play of {row['user_name']} on {row['hostname']} (process {row['pid']}, begun {row['started_at']:%Y-%m-%d %H:%M:%S} UTC)"


def is_dead(row: Mapping[Any, Any]) -> bool:
    """Whether the process of a recorded run is known to be gone. False when it lives or cannot be seen from here."""
    if row["process_started"] is None or row["boot_id"] is None or row["boot_id"] != boot_id() or row["pid_namespace"] != pid_namespace():
        return False
    return process_started(int(row["pid"])) != int(row["process_started"])
