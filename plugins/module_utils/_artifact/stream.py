# Copyright (c) 2026 The fleetcast authors
# SPDX-License-Identifier: BSD-2-Clause
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
"""The source side of an artifact: a list of files read as one byte stream."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections import OrderedDict
from typing import NamedTuple, Sequence

#: Files kept open. A row of small files reaches over many of them, but reads go forward, so few are ever asked for again.
_OPEN_FILES = 16


class StreamError(Exception):
    """The source cannot be read; the message names the file."""


class SourceChanged(StreamError):
    """A file is not what it was when the session began. ``path`` names it."""

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        super().__init__(f"{path} changed while it was being sent: {reason}")


class SourceFile(NamedTuple):
    """One file of the stream. ``mtime_ns``: what an earlier step saw; None takes what is there when the reader begins."""

    path: str
    size: int
    mtime_ns: int | None = None


class _Identity(NamedTuple):
    size: int
    mtime_ns: int
    device: int
    inode: int


class StreamReader:
    """Reads any part of the stream that ``files`` make, one after the other.

    :param files: :class:`SourceFile` or (path, size) in the stream's order; sizes in bytes.
    :raises SourceChanged: a file's size or time differs from what is given here.
    :raises StreamError: a file cannot be read.
    """

    def __init__(self, files: Sequence[SourceFile | tuple[str, int]]) -> None:
        self._files: list[SourceFile] = []
        self._begins: list[int] = []
        self._identities: list[_Identity] = []
        self._open: OrderedDict[int, int] = OrderedDict()
        self.size = 0
        for entry in files:
            source = SourceFile(*entry)
            if source.size == 0:
                continue
            self._files.append(source)
            self._begins.append(self.size)
            self._identities.append(_identify(source))
            self.size += source.size

    def read_into(self, offset: int, view: memoryview) -> None:
        """Fill ``view`` (bytes, writable) with the stream from ``offset``.

        :raises SourceChanged: a file was written, replaced or cut since the reader began.
        """
        if offset < 0 or offset + len(view) > self.size:
            raise StreamError(f"bytes {offset} to {offset + len(view)} are outside a stream of {self.size}")
        index = bisect_right(self._begins, offset) - 1
        while view:
            within = offset - self._begins[index]
            length = min(len(view), self._files[index].size - within)
            self._read_file(index, within, view[:length])
            view = view[length:]
            offset += length
            index += 1

    def _read_file(self, index: int, offset: int, view: memoryview) -> None:
        path = self._files[index].path
        try:
            fd = self._descriptor(index)
            while view:
                count = os.preadv(fd, [view], offset)
                if count == 0:
                    raise SourceChanged(path, f"it ends at byte {offset} of {self._files[index].size}")
                view = view[count:]
                offset += count
            # After the read: a change before it is seen now, a change after it does not touch what was read.
            self._check(index, os.fstat(fd))
        except OSError as error:
            raise StreamError(f"cannot read {path}: {error.strerror}") from error

    def _descriptor(self, index: int) -> int:
        fd = self._open.get(index)
        if fd is not None:
            self._open.move_to_end(index)
            return fd
        while len(self._open) >= _OPEN_FILES:
            os.close(self._open.popitem(last=False)[1])
        # Whether it is still the same file is checked after every read. Not blocking: a FIFO in its place must not hang us.
        fd = self._open[index] = os.open(self._files[index].path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        return fd

    def _check(self, index: int, found: os.stat_result) -> None:
        expected = self._identities[index]
        now = _identity(found)
        if now != expected:
            names = [name for name, new, old in zip(_Identity._fields, now, expected) if new != old]
            raise SourceChanged(self._files[index].path, ", ".join(names))

    def close(self) -> None:
        for fd in self._open.values():
            os.close(fd)
        self._open.clear()

    def __enter__(self) -> StreamReader:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()


def _identity(found: os.stat_result) -> _Identity:
    return _Identity(found.st_size, found.st_mtime_ns, found.st_dev, found.st_ino)


def _identify(source: SourceFile) -> _Identity:
    try:
        # A Path would cost more than the call, and there may be a hundred thousand.
        found = _identity(os.stat(source.path))  # noqa: PTH116
    except OSError as error:
        raise StreamError(f"cannot read {source.path}: {error.strerror}") from error
    for name, now, wanted in (("size", found.size, source.size), ("mtime_ns", found.mtime_ns, source.mtime_ns)):
        if wanted is not None and now != wanted:
            raise SourceChanged(source.path, f"its {name} is {now}, expected {wanted}")
    return found
