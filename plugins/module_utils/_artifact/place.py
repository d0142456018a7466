# Copyright (c) 2026 The fleetcast authors
# SPDX-License-Identifier: BSD-2-Clause
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# Names of files are bytes here, which pathlib does not take.
# ruff: noqa: PTH102, PTH104, PTH108, PTH112, PTH118, PTH119, PTH120, PTH208, PTH211
"""From a complete spool to the destination.

Everything gets its content, mode, owner and time under an unfinished name in its final directory, is brought to the disk, and only then
renamed. So a name at the destination is always the old thing or the whole new thing, whenever the process or the machine dies. One file is its
own spool, renamed; a tree is unpacked and needs its size twice for a while. Its files are brought to the disk and renamed in batches, because
waiting for the disk once per file would take longer than everything else.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import re
from contextlib import contextmanager
from typing import Iterable, Iterator, Protocol

from .errors import DiskFull, PlacingError, SpoolBusy
from .lock import open_locked
from .manifest import DIRECTORY, FILE, SYMLINK, Entry, Manifest
from .paths import MAP_SUFFIX, PART_SUFFIX, STAGING_SUFFIX, printable, to_bytes, to_text, unfinished_name
from .plan import REPLACE, TOUCH, Plan, SpoolPaths, Step, entry_paths, spool_paths
from .spool import Spool

_LIBC = ctypes.CDLL(None, use_errno=True)
_CHUNK = 1024 * 1024
#: Files, and bytes in them, that are brought to the disk together.
_BATCH_FILES = 1000
_BATCH_BYTES = 64 * 1024 * 1024


class Host(Protocol):
    """What placing leaves to its caller, who knows users, SELinux and backups. Every method may raise what it likes; the step is then undone."""

    def make_folder(self, path: bytes) -> None:
        """Create a directory above the artifact."""

    def dress(self, staged: bytes, step: Step) -> None:
        """Give a staged file its mode, owner, group and context before it gets its final name ``step.path``."""

    def before_replace(self, path: bytes) -> None:
        """Called with the final name of a file that is about to be replaced (backup)."""


def place(manifest: Manifest, plan: Plan, spool: Spool | None, host: Host) -> None:
    """Carry out the plan.

    :param spool: complete; None when the plan needs no bytes. Gone afterwards when the artifact is one file; for `finish` to remove when it is a tree.
    :raises DiskFull: there is no room.
    :raises PlacingError: a name cannot be written, or the stream is not what the manifest says.
    """
    if plan.needs_bytes if spool is None else not spool.complete:
        raise PlacingError(f"{printable(to_text(plan.root))} cannot be placed: the artifact is not complete on this host")
    batch = _Batch(manifest, spool, host)
    folders: dict[bytes, None] = {}
    for folder in plan.folders:
        with _naming(folder):
            host.make_folder(folder)
        folders[os.path.dirname(folder)] = None
    try:
        for step in plan.steps:
            with _naming(step.path, step.entry.size):
                if step.entry.type == DIRECTORY:
                    # Its mode comes later: one without w would keep us from filling it.
                    os.mkdir(step.path, 0o700)
                elif step.action == TOUCH:
                    _set_mtime(step.path, step.entry)
                elif manifest.kind == FILE and spool is not None:
                    _place_spool(step, spool, host)
                else:
                    batch.add(step)
            folders[os.path.dirname(step.path)] = None
        batch.publish()
    finally:
        batch.drop()
    _settle_directories(manifest, plan, folders)


def finish(manifest: Manifest, root: bytes) -> None:
    """Remove this artifact's spool, and those of other versions at the same name that no process holds: what is placed supersedes them."""
    paths = spool_paths(manifest, root)
    _remove_spool(paths)
    folder = os.path.dirname(os.fsencode(paths.part))
    start, end = (re.escape(piece) for piece in to_bytes(unfinished_name(to_text(os.path.basename(root)), "?" * 12, PART_SUFFIX)).split(b"?" * 12))
    pattern = re.compile(start + b"[0-9a-f]{12}" + end + b"\\Z")
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        if pattern.match(name):
            part = os.path.join(folder, name)
            _remove_spool(SpoolPaths(os.fsdecode(part), os.fsdecode(part[: -len(PART_SUFFIX)]) + MAP_SUFFIX))


def _remove_spool(paths: SpoolPaths) -> None:
    if not os.path.lexists(paths.part) and not os.path.lexists(paths.map):
        return
    try:
        lock = open_locked(paths.map)
    except SpoolBusy:
        return
    for path in paths:
        if os.path.lexists(path):
            os.unlink(path)
    os.close(lock)


def _place_spool(step: Step, spool: Spool, host: Host) -> None:
    """The spool of one file is the file."""
    spool.sync()
    part = os.fsencode(spool.part)
    os.utime(part)
    _rename(part, step, host)
    spool.discard()


class _Batch:
    """Files and links that have their content under an unfinished name, waiting to be brought to the disk and renamed together."""

    def __init__(self, manifest: Manifest, spool: Spool | None, host: Host) -> None:
        self._digest = manifest.digest
        self._spool = spool
        self._host = host
        self._offsets: dict[str, int] = {}
        self._staged: list[tuple[bytes, Step]] = []
        self._bytes = 0
        offset = 0
        for entry in manifest.files:
            self._offsets[entry.path] = offset
            offset += entry.size

    def add(self, step: Step) -> None:
        folder, name = os.path.split(step.path)
        staged = os.path.join(folder, to_bytes(unfinished_name(to_text(name), self._digest, STAGING_SUFFIX)))
        self._staged.append((staged, step))
        try:
            self._make(step.entry, staged)
        except FileExistsError:
            # Left by an attempt that died; the spool's lock makes us the only one now.
            os.unlink(staged)
            self._make(step.entry, staged)
        _set_mtime(staged, step.entry)
        self._bytes += step.entry.size
        if len(self._staged) >= _BATCH_FILES or self._bytes >= _BATCH_BYTES:
            self.publish()

    def _make(self, entry: Entry, staged: bytes) -> None:
        if entry.type == SYMLINK:
            os.symlink(to_bytes(entry.target or ""), staged)
        else:
            _unpack(entry, staged, self._spool, self._offsets[entry.path])

    def publish(self) -> None:
        """Give everything its final name."""
        _bring_to_disk(os.path.dirname(staged) for staged, _step in self._staged)
        while self._staged:
            staged, step = self._staged[0]
            with _naming(step.path):
                _rename(staged, step, self._host)
            del self._staged[0]
        self._bytes = 0

    def drop(self) -> None:
        """Remove what did not get its final name."""
        for staged, _step in self._staged:
            if os.path.lexists(staged):
                os.unlink(staged)


def _unpack(entry: Entry, staged: bytes, spool: Spool | None, offset: int) -> None:
    fd = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        digest = hashlib.sha256()
        end = offset + entry.size
        while spool is not None and offset < end:
            chunk = spool.read(offset, min(_CHUNK, end - offset))
            digest.update(chunk)
            offset += len(chunk)
            written = os.write(fd, chunk)
            while written < len(chunk):
                written += os.write(fd, memoryview(chunk)[written:])
        if digest.hexdigest() != entry.sha256:
            raise PlacingError(f"{printable(entry.path)}: its sha256 is not the one in the manifest, though the stream is complete: make the manifest anew")
    finally:
        os.close(fd)


def _rename(staged: bytes, step: Step, host: Host) -> None:
    host.dress(staged, step)
    if step.action == REPLACE:
        host.before_replace(step.path)
    os.rename(staged, step.path)


def _set_mtime(path: bytes, entry: Entry) -> None:
    if entry.mtime is not None:
        os.utime(path, ns=(entry.mtime, entry.mtime), follow_symlinks=False)


def _settle_directories(manifest: Manifest, plan: Plan, folders: dict[bytes, None]) -> None:
    """Give the directories in which something was placed the times of the source, and bring the names in them to the disk."""
    folders.update((step.path, None) for step in plan.steps if step.entry.type == DIRECTORY)
    times = {path: entry for entry, path in entry_paths(manifest, plan.root) if entry.type == DIRECTORY}
    for folder in folders:
        with _naming(folder), _opened(folder) as fd:
            if folder in times:
                _set_mtime(folder, times[folder])
            # The first one makes the file system write its journal, the others find little left to do.
            os.fsync(fd)


def _bring_to_disk(folders: Iterable[bytes]) -> None:
    """Wait until the file systems of these directories have written everything (syncfs(2), for which Python has no name)."""
    done = set()
    for folder in folders:
        with _naming(folder), _opened(folder) as fd:
            device = os.fstat(fd).st_dev
            if device not in done:
                done.add(device)
                if _LIBC.syncfs(fd) != 0:
                    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@contextmanager
def _opened(folder: bytes) -> Iterator[int]:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def _naming(path: bytes, needed: int = 0) -> Iterator[None]:
    """Turn an operating system's error into one that names the destination and the way out."""
    try:
        yield
    except OSError as error:
        name = printable(to_text(path))
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise DiskFull(os.fsdecode(path), needed, f"{error.strerror}; what has arrived is kept") from error
        raise PlacingError(f"cannot place {name}: {error.strerror}") from error
