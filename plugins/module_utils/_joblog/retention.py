# Copyright (c) 2026 The fleetcast authors
# SPDX-License-Identifier: BSD-2-Clause
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# ruff: noqa: PTH104, PTH106, PTH108, PTH112, PTH114, PTH118, PTH120, PTH202, PTH208
"""Which job logs are not needed any more, and removing them with the packages that nobody else needs."""

from __future__ import annotations

import os
import re
import shutil
from datetime import datetime, timezone
from typing import Iterable, NamedTuple

from .errors import JobLogError
from .files import UNFINISHED, sync_folder
from .log import LOG_NAME, TIME_FORMAT, JobLog, JobLogs

#: Where a distribution server keeps the packages that live and die with their job logs.
DEFAULT_STORE = "/var/lib/fleetcast/packages"
_REMOVED = ".removed-"
_AGE = re.compile(r"(\d+)([smhdw])\Z")
_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def seconds(age: str) -> int:
    """An age such as ``90d`` in seconds."""
    matched = _AGE.match(age)
    if matched is None:
        raise JobLogError(f"{age!r} is no age: give a number with s, m, h, d or w, as in 90d")
    return int(matched[1]) * _UNIT_SECONDS[matched[2]]


class Pruned(NamedTuple):
    """What a pruning came to.

    ``removed``, ``kept``: identifiers; ``kept`` says why. ``packages``: paths that went with their last log. ``bytes_left``: of logs and packages.
    """

    removed: list[str]
    kept: dict[str, str]
    packages: list[str]
    bytes_left: int


class _Candidate(NamedTuple):
    log: JobLog
    age_seconds: float
    #: Of the log's directory; packages are counted once for all logs that name them.
    size: int


def prune(logs: JobLogs, store: str, max_age_seconds: float | None, max_bytes: int | None, write: bool = True) -> Pruned:
    """Remove what is older than the age, then the oldest until all takes no more than the bytes; never a log with open failures.

    :param store: directory of packages that live and die with the logs; a package elsewhere is never touched.
    """
    with logs.locked(write):
        if write:
            _sweep(logs)
        readable, unreadable = _read_all(logs)
        kept = dict(unreadable)
        open_failures = {log.distribution: _open_failures(log, readable) for log in readable}
        kept.update({name: f"{len(hosts)} recipients do not have it: {', '.join(hosts[:5])}" for name, hosts in open_failures.items() if hosts})
        oldest_first = sorted((_candidate(logs, log) for log in readable), key=lambda one: (-one.age_seconds, one.log.distribution))
        staying = {one.log.distribution: one for one in oldest_first}
        removed: list[str] = []
        for one in oldest_first:
            name = one.log.distribution
            if open_failures[name]:
                continue
            too_old = max_age_seconds is not None and one.age_seconds > max_age_seconds
            too_much = max_bytes is not None and _bytes(staying.values(), store) > max_bytes
            if too_old or too_much:
                removed.append(name)
                del staying[name]
            else:
                kept[name] = "neither old enough nor in the way"
        needed = {package["path"] for one in staying.values() for package in one.log.job["packages"]}
        named = {package["path"] for one in oldest_first if one.log.distribution in removed for package in one.log.job["packages"]}
        # A log that cannot be read may name any package.
        packages = [] if unreadable else sorted(path for path in named - needed if _below(path, store))
        if write:
            for name in removed:
                os.rename(logs.folder(name), os.path.join(logs.path, _REMOVED + name))
            if removed:
                sync_folder(logs.path)
            for path in packages:
                _remove(path)
                _remove_folder_if_empty(os.path.dirname(path.rstrip("/")), store)
            _sweep(logs)
        return Pruned(removed, kept, packages, _bytes(staying.values(), store))


def _read_all(logs: JobLogs) -> tuple[list[JobLog], dict[str, str]]:
    """The logs, and why others cannot be read."""
    readable: list[JobLog] = []
    unreadable: dict[str, str] = {}
    for name in logs.distributions():
        try:
            readable.append(logs.read(name))
        except JobLogError as error:
            unreadable[name] = str(error)
    return readable, unreadable


def _open_failures(log: JobLog, others: list[JobLog]) -> list[str]:
    """Failures that no newer job of the same name has taken over."""
    newer = [other for other in others if other.job["name"] == log.job["name"] and (other.opened_at, other.distribution) > (log.opened_at, log.distribution)]
    taken_over = {recipient for other in newer for recipient in other.recipients}
    return [host for host in log.failures if host not in taken_over]


def _candidate(logs: JobLogs, log: JobLog) -> _Candidate:
    changed = datetime.strptime(log.changed_at, TIME_FORMAT).replace(tzinfo=timezone.utc)
    return _Candidate(log, (datetime.now(timezone.utc) - changed).total_seconds(), _size(logs.folder(log.distribution)))


def _bytes(candidates: Iterable[_Candidate], store: str) -> int:
    sizes: dict[str, int] = {package["path"]: package["size"] for one in candidates for package in one.log.job["packages"] if _below(package["path"], store)}
    return sum(one.size for one in candidates) + sum(sizes.values())


def _size(path: str) -> int:
    return sum(os.path.getsize(os.path.join(folder, name)) for folder, _folders, names in os.walk(path) for name in names)


def _below(path: str, store: str) -> bool:
    return os.path.normpath(path).startswith(os.path.normpath(store) + "/")


def _remove(path: str) -> None:
    path = path.rstrip("/")
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def _remove_folder_if_empty(path: str, store: str) -> None:
    if _below(path, store) and os.path.isdir(path) and not os.listdir(path):
        os.rmdir(path)


def _sweep(logs: JobLogs) -> None:
    """Finish removals, and remove directories of openings, of processes that were killed in the middle."""
    for name in os.listdir(logs.path):
        folder = os.path.join(logs.path, name)
        never_opened = os.path.isdir(folder) and set(os.listdir(folder)) <= {LOG_NAME + UNFINISHED}
        if name.startswith(_REMOVED) or never_opened:
            shutil.rmtree(folder)
