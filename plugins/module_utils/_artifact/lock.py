# Copyright (c) 2026 The fleetcast authors
# SPDX-License-Identifier: BSD-2-Clause
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
"""One process at a time writes a spool. Whoever comes second may ask the first to give way."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import stat
import time
from pathlib import Path

from .errors import SpoolBusy, SpoolError

#: Asks the holder of a spool to give way. By default it is ignored (signal(7)), so that only those who know what it means follow.
GIVE_WAY = signal.SIGURG
#: Seconds between two tries to get what another one holds.
_AGAIN = 0.5


def open_regular(path: str, flags: int) -> int:
    """Open without following a link that somebody may have planted in a shared directory."""
    fd = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise SpoolError(f"{path} is there already and is not a regular file")
    return fd


def open_locked(path: str, patience: float = 0.0) -> int:
    """Open the map of a spool and take its lock; it is the map that stands for the whole spool.

    :param patience: seconds for which the holder is asked to give way, and waited for.
    :raises SpoolBusy: another process holds it, and goes on.
    :raises SpoolError: it cannot be created, or is no regular file.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            fd = open_regular(path, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise SpoolError(f"cannot create the spool {path}: {error.strerror}") from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(fd)
            if error.errno not in (errno.EWOULDBLOCK, errno.EAGAIN):
                raise SpoolError(f"cannot lock the spool {path}: {error.strerror}") from error
            if time.monotonic() >= deadline:
                raise SpoolBusy(f"another process writes the spool {path}: wait for its end") from error
            for holder in _holders(path):
                _ask(holder)
            time.sleep(_AGAIN)
            continue
        # The holder before us may have discarded the file between our open and our lock.
        if os.fstat(fd).st_nlink:
            return fd
        os.close(fd)


def _holders(path: str) -> list[int]:
    """The other processes that have the file open, as far as this user may see them (proc_pid_fd(5))."""
    found = []
    wanted = os.path.realpath(path)
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(os.path.realpath(descriptor) == wanted for descriptor in (process / "fd").iterdir()) and int(process.name) != os.getpid():
                found.append(int(process.name))
        except OSError:
            continue  # It has ended, or is another user's.
    return found


def _ask(process: int) -> None:
    try:
        os.kill(process, GIVE_WAY)
    except ProcessLookupError:
        return
