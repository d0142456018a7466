# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where alerts stand before the database has them: one file per run, written at once and without waiting for anybody.

A line is in the system's page cache when the write returns, so it survives `kill -9` of its writer. The writer holds a lock
(flock(2)) on its file while it lives; a file that can be locked is left over from a dead run, and the next run takes it in.
Processes that the writer forks let go of the file, or a worker of Ansible that outlives a killed play would keep it from everybody.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .alert import Alert
from .errors import AlertError, TicketError

_SUFFIX = ".alerts"
_UNNAMED = ".new"
_PROBLEMS = "problems.log"
#: A file that has not got its name yet is of a run that was killed in that moment, when it is older than this.
_NAMED_WITHIN_SECONDS = 3600
#: Own failures that are kept; older ones go.
_PROBLEMS_KEPT = 200
#: Files of dead runs that are held at once: a process may often have no more than 1024 open.
_FILES_AT_ONCE = 200


class JournalError(TicketError):
    """The journal's directory or file cannot be written or read."""


@dataclass(frozen=True)
class Passed:
    """Devices on which a playbook ran through: what failed on them in this playbook before is over, and they can be reached."""

    playbook: str
    devices: tuple[str, ...]
    at: datetime


@dataclass
class Batch:
    """What a journal holds. `unreadable` are lines that are neither of the two.

    :param problems: files of dead runs that cannot be opened, and why.
    :param more: there are further files of dead runs, for another call.
    """

    alerts: list[Alert] = field(default_factory=list)
    passed: list[Passed] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    more: bool = False

    def __bool__(self) -> bool:
        return bool(self.alerts or self.passed or self.unreadable)


class Journal:
    """The journal of one run; the file is made with its first line. What cannot be written is kept in memory, until the end of the run at least."""

    def __init__(self, directory: Path, run_id: str) -> None:
        self._path = directory / f"{run_id}{_SUFFIX}"
        self._descriptor: int | None = None
        self._unwritten: list[Alert] = []
        os.register_at_fork(after_in_child=_letting_go(weakref.ref(self)))

    def add(self, alert: Alert) -> None:
        """Write an alert.

        :raises JournalError: when that is not possible; :meth:`read` has it all the same.
        """
        try:
            self._write(f'{{"alert":{alert.to_json()}}}')
        except JournalError as error:
            self._unwritten.append(alert)
            raise JournalError(f"the alert cannot be kept in its file, only in memory until the playbook ends: {error}") from error

    @property
    def unwritten(self) -> int:
        """How many alerts end with this process, unless the database gets them before."""
        return len(self._unwritten)

    def add_passed(self, passed: Passed) -> None:
        """Write which devices a playbook ran through on."""
        self._write(json.dumps({"passed": {"playbook": passed.playbook, "devices": passed.devices, "at": passed.at.isoformat()}}))

    def _write(self, line: str) -> None:
        data = line.encode("utf-8", "replace") + b"\n"
        try:
            if self._descriptor is None:
                self._descriptor = _locked_new_file(self._path)
            end = os.fstat(self._descriptor).st_size
            if os.write(self._descriptor, data) != len(data):
                # Or the next line would be joined to this piece, and neither could be read.
                os.ftruncate(self._descriptor, end)
                raise OSError("the line was written in part only: the disk is full")
        except OSError as error:
            raise JournalError(f"{self._path} cannot be written: {error}") from error

    def read(self) -> Batch:
        """Everything written and not yet dropped."""
        batch = Batch() if self._descriptor is None else _parsed(self._path.read_bytes())
        batch.alerts += self._unwritten
        return batch

    def drop(self) -> None:
        """Forget everything: the database has it."""
        self._unwritten.clear()
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)

    def close(self) -> None:
        """Remove the file if it is empty, and let go of it; what it still holds is for the next run."""
        if self._descriptor is not None:
            if os.fstat(self._descriptor).st_size == 0:
                self._path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None

    def let_go(self) -> None:
        """Close the file and leave it as it is."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _letting_go(reference: weakref.ref[Journal]) -> Callable[[], None]:
    """What a forked process does, without keeping the journal alive for it."""

    def let_go() -> None:
        own = reference()
        if own is not None:
            own.let_go()

    return let_go


@contextlib.contextmanager
def left_over(directory: Path) -> Iterator[Batch]:
    """What dead runs left, taken away when the block ends without an exception. Several processes may do this at once.

    :raises JournalError: when the directory cannot be read.
    """
    with contextlib.ExitStack() as held:
        whole = Batch()
        taken: list[Path] = []
        try:
            _remove_unnamed(directory)
            for path in sorted(directory.glob(f"*{_SUFFIX}")):
                if len(taken) == _FILES_AT_ONCE:
                    whole.more = True
                    break
                try:
                    batch = _locked(path, held)
                except OSError as error:
                    # Another user's, perhaps. It keeps nobody from what is in the others.
                    whole.problems.append(f"the alerts that an earlier run kept in {path} cannot be read: {error.strerror or error}")
                    continue
                if batch is not None:
                    taken.append(path)
                    _join(whole, batch)
        except OSError as error:
            raise JournalError(f"what earlier runs kept in {directory} cannot be read: {error}") from error
        yield whole
        for path in taken:
            path.unlink(missing_ok=True)


def _remove_unnamed(directory: Path) -> None:
    """Remove the files of runs that were killed before their file had its name."""
    for path in directory.glob(f"*{_UNNAMED}"):
        # Another run may be giving the file its name in this moment.
        with contextlib.suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > _NAMED_WITHIN_SECONDS:
                path.unlink()


def _locked_new_file(path: Path) -> int:
    """A descriptor of the new file, which gets its name only when it is locked: nobody ever takes it for a dead run's."""
    make_directory(path.parent)
    unnamed = path.with_suffix(_UNNAMED)
    descriptor = os.open(unnamed, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    unnamed.replace(path)
    return descriptor


def _locked(path: Path, held: contextlib.ExitStack) -> Batch | None:
    """The file's content, while we hold it; None when its run is alive or another process takes it in."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return None
    held.callback(os.close, descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    return _parsed(path.read_bytes()) if path.exists() else None


def _join(whole: Batch, batch: Batch) -> None:
    whole.alerts += batch.alerts
    whole.passed += batch.passed
    whole.unreadable += batch.unreadable


def _parsed(data: bytes) -> Batch:
    batch = Batch()
    for line in data.decode("utf-8", "replace").split("\n"):
        if not line:
            continue
        try:
            entry: dict[str, Any] = json.loads(line)
            if "alert" in entry:
                batch.alerts.append(Alert.from_data(entry["alert"]))
            else:
                values = entry["passed"]
                batch.passed.append(Passed(str(values["playbook"]), tuple(values["devices"]), datetime.fromisoformat(values["at"])))
        except (AlertError, KeyError, TypeError, ValueError):
            batch.unreadable.append(line)
    return batch


def make_directory(directory: Path) -> None:
    """Make the directory, for its owner only: it holds error messages of every host."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)


def keep_problem(directory: Path, message: str) -> None:
    """Keep a failure of our own, so that it is found after the play's output is gone.

    :raises JournalError: when that is not possible.
    """
    path = directory / _PROBLEMS
    try:
        make_directory(directory)
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[-_PROBLEMS_KEPT + 1 :] if path.exists() else []
        lines.append(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC {' '.join(message.split())}")
        fresh = path.with_suffix(f".{os.getpid()}")
        fresh.write_text("\n".join(lines) + "\n", encoding="utf-8", errors="backslashreplace")
        fresh.replace(path)
    except OSError as error:
        raise JournalError(f"the problem cannot be kept in {path}: {error}") from error


def problems(directory: Path) -> list[str]:
    """The failures kept, oldest first."""
    path = directory / _PROBLEMS
    return path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
