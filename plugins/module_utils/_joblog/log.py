# Copyright (c) 2026 The fleetcast authors
# SPDX-License-Identifier: BSD-2-Clause
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# Descriptors and locks are what this is about; pathlib has neither.
# ruff: noqa: PTH118, PTH123, PTH208
"""A job log on disk: ``<path>/<distribution>/log``, made whole by a rename, grown by appended and synced records."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Iterator, Mapping

from . import records
from .errors import JobBusyError, JobConflictError, JobDamagedError, JobLogError, JobMissingError
from .files import make_private, sync_folder, write_all, write_whole
from .job import DONE, FORMAT, checked_job, checked_results, digest_of, identifier
from .records import Record

#: Where the logs are, unless somebody wants them elsewhere.
DEFAULT_PATH = "/var/lib/fleetcast/jobs"
LOG_NAME = "log"
#: How a record says when it was made: UTC.
TIME_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"
#: Seconds to wait for another process that writes to the logs; it needs milliseconds.
LOCK_SECONDS = 30
OPENED, RECORDED, CLOSED = "opened", "recorded", "closed"


@dataclass
class JobLog:
    """What a log says. Times are UTC, ISO 8601 with Z. ``dropped``: bytes of a record that a power cut tore, which counts as never written."""

    distribution: str
    job: dict[str, Any]
    opened_at: str
    changed_at: str
    size: int
    closed_at: str | None = None
    dropped: int = 0
    #: recipient -> its last result.
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)

    @property
    def failures(self) -> list[str]:
        """Recipients, in the job's order, that are not known to have the artifact."""
        return [name for name in self.recipients if self.results.get(name, {}).get("status") not in DONE]

    @property
    def recipients(self) -> list[str]:
        return [recipient["name"] for recipient in self.job["recipients"]]


class JobLogs:
    """All job logs of a distribution server, below one directory that only root can enter."""

    def __init__(self, path: str = DEFAULT_PATH) -> None:
        self.path = path

    def folder(self, distribution: str) -> str:
        return os.path.join(self.path, identifier(distribution))

    def distributions(self) -> list[str]:
        """Identifiers of the jobs that have a directory here, whether their logs can be read or not."""
        try:
            return sorted(name for name in os.listdir(self.path) if not name.startswith("."))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise JobLogError(f"cannot read the job logs in {self.path}: {error.strerror}; only root may (become)") from error

    def read(self, distribution: str) -> JobLog:
        """
        :raises JobMissingError: no log of it is here.
        :raises JobDamagedError: a record is lost; the message names it.
        """
        path = os.path.join(self.folder(distribution), LOG_NAME)
        try:
            with open(path, "rb") as file:
                content = file.read()
        except FileNotFoundError as error:
            raise JobMissingError(f"there is no job log {path} on this server") from error
        except OSError as error:
            raise JobLogError(f"cannot read the job log {path}: {error.strerror}; only root may (become)") from error
        return _understood(distribution, path, records.decode(content, path))

    def open(self, distribution: str, job: Mapping[str, Any], write: bool = True) -> bool:
        """Begin the log of a job, before anything is sent. Returns whether it was not there before.

        :raises JobConflictError: another job has this identifier.
        """
        wanted = checked_job(job)
        with self.locked(write):
            try:
                known = self.read(distribution).job
            except JobMissingError:
                known = None
            if known is not None:
                other = sorted(key for key in wanted if wanted[key] != known[key])
                if other:
                    what = ", ".join(other)
                    raise JobConflictError(f"the job log of {distribution} in {self.path} is another job's: {what} differ. A log is never rewritten")
                return False
            if write:
                self._create(distribution, Record(1, _now(), OPENED, {"format": FORMAT, "digest": digest_of(wanted), "job": wanted}))
            return True

    def record(self, distribution: str, results: Mapping[str, Any], write: bool = True) -> list[str]:
        """Append results; returns the recipients whose result is news."""
        wanted = checked_results(results)
        with self.locked(write):
            log = self.read(distribution)
            strangers = sorted(set(wanted) - set(log.recipients))
            if strangers:
                raise JobLogError(f"{', '.join(strangers)}: not in the distribution list of job {distribution}")
            news = {host: result for host, result in wanted.items() if log.results.get(host) != result}
            if news and write:
                self._append(log, RECORDED, {"results": news})
            return sorted(news)

    def close(self, distribution: str, write: bool = True) -> bool:
        """Note that the play that did this job came to its end. Later results, as of a redistribution, still have their place."""
        with self.locked(write):
            log = self.read(distribution)
            if log.closed_at is not None:
                return False
            if write:
                self._append(log, CLOSED, {"failures": log.failures})
            return True

    def note(self, distribution: str, kind: str, data: Mapping[str, Any]) -> None:
        """Append what was planned or decided about this job."""
        with self.locked(True):
            self._append(self.read(distribution), kind, data)

    def keep(self, distribution: str, name: str, content: bytes) -> str:
        """Put a file beside the log, whole or not at all; returns its path."""
        path = os.path.join(self.folder(distribution), name)
        with self.locked(True):
            write_whole(path, content)
        return path

    def _create(self, distribution: str, record: Record) -> None:
        folder = self.folder(distribution)
        make_private(folder)
        sync_folder(self.path)
        write_whole(os.path.join(folder, LOG_NAME), records.encode(record))

    def _append(self, log: JobLog, kind: str, data: Mapping[str, Any]) -> None:
        path = os.path.join(self.folder(log.distribution), LOG_NAME)
        line = records.encode(Record(len(log.records) + 1, _now(), kind, dict(data)))
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            # What a power cut tore goes first; a disk that is full now must not leave a torn record either.
            if log.dropped:
                os.ftruncate(fd, log.size)
                os.fsync(fd)
            try:
                write_all(fd, line, log.size)
                os.fsync(fd)
            except OSError:
                os.ftruncate(fd, log.size)
                raise
        except OSError as error:
            raise JobLogError(f"cannot write the job log {path}: {error.strerror}. It is as it was before") from error
        finally:
            os.close(fd)

    @contextmanager
    def locked(self, write: bool) -> Iterator[None]:
        """One writer at a time. A reader needs no lock: what it sees is whole records, and at most a torn one that is being written."""
        if not write:
            yield
            return
        make_private(self.path)
        fd = os.open(os.path.join(self.path, ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _wait_for(fd, self.path)
            yield
        finally:
            os.close(fd)


def _understood(distribution: str, path: str, contents: records.Contents) -> JobLog:
    first = contents.records[0]
    if first.type != OPENED or first.data.get("format") != FORMAT:
        raise JobDamagedError(f"the job log {path} has format {first.data.get('format')!r}, this host's code knows {FORMAT}: use the same release everywhere")
    job = first.data.get("job")
    if not isinstance(job, dict) or digest_of(job) != first.data.get("digest"):
        raise JobDamagedError(f"the job log {path} holds another job than the one it was opened with")
    log = JobLog(distribution, job, first.at, contents.records[-1].at, contents.size, dropped=contents.dropped, records=contents.records)
    for record in contents.records[1:]:
        if record.type == RECORDED:
            results = record.data.get("results")
            if not isinstance(results, dict):
                raise JobDamagedError(f"the job log {path} is damaged: record {record.number} ({record.at}) has no results")
            log.results.update(results)
        elif record.type == CLOSED:
            log.closed_at = record.at
    return log


def _wait_for(fd: int, path: str) -> None:
    give_up = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise JobLogError(f"cannot lock the job logs in {path}: {error.strerror}") from error
            if time.monotonic() >= give_up:
                raise JobBusyError(f"another process has held the job logs in {path} for {LOCK_SECONDS} seconds") from error
            time.sleep(0.05)
        else:
            return


def _now() -> str:
    return datetime.now(timezone.utc).strftime(TIME_FORMAT)
