# Copyright (c) 2026 The fleetcast authors
# SPDX-License-Identifier: BSD-2-Clause
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# Names of files are bytes here, which pathlib does not take.
"""Sections of an artifact that an older version of it, at the destination, contains already.

Only the same place in the stream is looked at: a section is reused when the old files have, where the artifact's files have it, bytes with its
digest. The old files are read once and never written. Bytes go from the buffer in which they were digested into the spool, so a file that
changes meanwhile cannot bring anything wrong into it; sections do not begin where blocks of a disk do, so the kernel could not share them anyway.
"""

from __future__ import annotations

import hashlib
import os
import stat
from bisect import bisect_right
from typing import Iterable, Iterator, NamedTuple

from .manifest import FILE, Manifest
from .plan import entry_paths
from .spool import Spool

#: Largest section that is looked for, in bytes: one is held in memory. At the usual symbol size a section has 4 MB.
SECTION_MAX = 32 * 1024 * 1024


class _OldFile(NamedTuple):
    """``begin``: where the artifact's file of this name begins in the stream; ``held``: how many of its bytes the old file can have."""

    path: bytes
    begin: int
    held: int


class OlderContent:
    """What is at the destination under the names of the artifact's files, as if it were the stream.

    :param root: final path of the file, or of the directory that the tree's paths are relative to.
    """

    def __init__(self, manifest: Manifest, root: bytes) -> None:
        self._manifest = manifest
        self._files: list[_OldFile] = []
        self._open: tuple[bytes, int] | None = None
        offset = 0
        for entry, path in entry_paths(manifest, root):
            if entry.type == FILE and entry.size:
                self._files.append(_OldFile(path, offset, min(entry.size, _regular_size(path))))
                offset += entry.size
        self._begins = [file.begin for file in self._files]
        usable = manifest.layout.section_bytes <= SECTION_MAX
        #: Bytes of the old files that may be parts of the artifact.
        self.size = sum(file.held for file in self._files) if usable else 0

    def matching(self, sections: Iterable[int]) -> Iterator[tuple[int, memoryview]]:
        """Those of the sections that the old files have, with their bytes, which are good until the next one is asked for."""
        layout = self._manifest.layout
        buffer = memoryview(bytearray(min(layout.section_bytes, layout.size) if self.size else 0))
        try:
            for section in sections if self.size else ():
                view = buffer[: layout.section_length(section)]
                if self._read(layout.section_offset(section), view) and hashlib.sha256(view).digest() == self._manifest.section_digests[section]:
                    yield section, view
        finally:
            self._close()

    def _read(self, offset: int, view: memoryview) -> bool:
        """Fill the view from the old files; False when they do not reach that far, or cannot be read."""
        first = bisect_right(self._begins, offset) - 1
        end = offset + len(view)
        pieces = []
        for index in range(first, len(self._files)):
            file = self._files[index]
            if file.begin >= end:
                break
            stop = min(end, self._begins[index + 1] if index + 1 < len(self._files) else self._manifest.size)
            within = max(offset, file.begin) - file.begin
            if file.begin + file.held < stop:
                return False
            pieces.append((file.path, within, stop - file.begin - within))
        at = 0
        for path, within, length in pieces:
            if not self._read_file(path, within, view[at : at + length]):
                return False
            at += length
        return True

    def _read_file(self, path: bytes, offset: int, view: memoryview) -> bool:
        try:
            fd = self._descriptor(path)
            while view:
                count = os.preadv(fd, [view], offset)
                if count == 0:
                    return False
                view = view[count:]
                offset += count
        except OSError:
            # What this user cannot read is received like everything else.
            return False
        return True

    def _descriptor(self, path: bytes) -> int:
        """The file, kept open until another one is read: sections of a large file come one after the other."""
        if self._open is not None and self._open[0] == path:
            return self._open[1]
        self._close()
        # Not blocking: a FIFO that took the file's place must not hang us.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        self._open = (path, fd)
        return fd

    def _close(self) -> None:
        if self._open is not None:
            os.close(self._open[1])
            self._open = None


def take_over(older: OlderContent, spool: Spool) -> int:
    """Copy into the spool what it lacks and the old files have; returns the bytes. Done once in a spool's life: what did not match then will not later."""
    if spool.searched:
        return 0
    layout = spool.layout
    taken = 0
    for section, view in older.matching(number for number in range(layout.sections) if not spool.is_verified(number)):
        spool.hold_section(section, view)
        taken += len(view)
    spool.set_searched()
    return taken


def _regular_size(path: bytes) -> int:
    try:
        status = os.lstat(path)
    except OSError:
        # Absent, or behind what this user may not enter: then there is nothing to reuse.
        return 0
    return status.st_size if stat.S_ISREG(status.st_mode) else 0
