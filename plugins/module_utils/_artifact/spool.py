# Copyright (c) 2026 The fleetcast authors
# SPDX-License-Identifier: BSD-2-Clause
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
"""What a host holds of an artifact's stream while it is not finished: the bytes, and a map of which of them are there.

Two files. ``part`` is the stream itself, preallocated. ``map`` is a header, one byte per section (verified or not) and one byte per symbol
(written or not). The map is a shared mapping, so its content belongs to the kernel and survives ``kill -9`` of the process that writes it.
"""

from __future__ import annotations

import errno
import hashlib
import mmap
import os
import struct
from pathlib import Path
from typing import Iterator, Sequence, Union

from .errors import DiskFull, SpoolError
from .layout import Layout, stream_identity
from .lock import open_locked, open_regular

Buffer = Union[bytes, bytearray, memoryview]

#: magic, version, identity of the artifact (SHA-256 over geometry and section digests), boot that last wrote the map
_HEADER = struct.Struct("!8sI32s16s")
_HEADER_BYTES = 64
#: Byte of the map that tells whether the destination's older content was searched for sections of this stream.
_SEARCHED_AT = _HEADER.size
_MAGIC = b"fc-spool"
_VERSION = 1
#: Bytes hashed at a time: stays in the processor's second-level cache between the read and the hash.
_VERIFY_CHUNK = 256 * 1024
_FULL_ERRNOS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Spool:
    """The partial stream of one artifact on this host, held exclusively until :meth:`close` or :meth:`discard`.

    A spool that is there already is continued when it belongs to the same stream (same geometry, same section digests), else it is begun anew.
    After a reboot everything in it is verified again, because after a power cut the map may be ahead of the data.

    :param part: path of the stream's bytes.
    :param map: path of the map; both belong on the file system of the destination.
    :param section_digests: SHA-256 of every section, 32 bytes each.
    :param patience: seconds to wait for another process that holds the spool, see :func:`lock.open_locked`.
    :raises DiskFull: the stream does not fit; nothing new is left behind.
    :raises SpoolBusy: another process holds this spool.
    :raises SpoolError: the files cannot be created, opened or read.
    """

    def __init__(self, part: str, map: str, layout: Layout, section_digests: Sequence[bytes], patience: float = 0.0) -> None:
        if len(section_digests) != layout.sections:
            raise SpoolError(f"{part}: {len(section_digests)} section digests for {layout.sections} sections")
        self.part = part
        self.map = map
        self.layout = layout
        self._digests = section_digests
        self.identity = stream_identity(layout, section_digests)
        self._flags_at = _HEADER_BYTES
        self._marks_at = _HEADER_BYTES + layout.sections
        self._map_bytes = self._marks_at + layout.symbols
        self._part_fd = -1
        self._map_fd = open_locked(map, patience)
        try:
            resumed = self._open_part()
            self._bits = mmap.mmap(self._map_fd, self._map_bytes)
        except OSError as error:
            self._close_files()
            raise SpoolError(f"cannot use the spool {error.filename or part}: {error.strerror}") from error
        except SpoolError:
            self._close_files()
            raise
        #: True when an earlier session's spool is continued.
        self.resumed = resumed
        if resumed:
            self._mend_map()
            if self._bits[: _HEADER.size] != self._header():
                self.recover()
            else:
                self._verify_full_sections()

    # -- opening

    def _mend_map(self) -> None:
        """A flag that is not 1 was never set by us, and a mark that is not 0 was. Only damage makes others of them."""
        for begin, end, other in ((self._flags_at, self._marks_at, 0), (self._marks_at, self._map_bytes, 1)):
            values = self._bits[begin:end]
            if values.count(0) + values.count(1) != len(values):
                self._bits[begin:end] = values.translate(b"\0\1" + bytes((other,)) * 254)

    def _header(self) -> bytes:
        return _HEADER.pack(_MAGIC, _VERSION, self.identity, _boot_id())

    def _open_part(self) -> bool:
        """Open the stream's file, preallocated, and the map to match it; tell whether they were there already."""
        head = os.pread(self._map_fd, _HEADER_BYTES, 0)
        known = (
            len(head) == _HEADER_BYTES
            and _HEADER.unpack_from(head)[:3] == (_MAGIC, _VERSION, self.identity)
            and os.fstat(self._map_fd).st_size == self._map_bytes
        )
        if known:
            try:
                self._part_fd = open_regular(self.part, os.O_RDWR)
            except FileNotFoundError:
                known = False
            else:
                known = os.fstat(self._part_fd).st_size == self.layout.size
        if not known:
            self._begin()
        return known

    def _begin(self) -> None:
        try:
            os.ftruncate(self._map_fd, 0)
            if self._part_fd < 0:
                self._part_fd = open_regular(self.part, os.O_RDWR | os.O_CREAT)
            os.ftruncate(self._part_fd, 0)
            # The map is preallocated too: a hole in a mapping on a full disk would be a SIGBUS.
            _preallocate(self._part_fd, self.layout.size)
            _preallocate(self._map_fd, self._map_bytes)
            os.pwrite(self._map_fd, self._header(), 0)
        except (OSError, SpoolError) as error:
            # Whatever stood in the way is not ours to remove; what we began is.
            if self._part_fd >= 0:
                Path(self.part).unlink()
            Path(self.map).unlink()
            if isinstance(error, OSError) and error.errno in _FULL_ERRNOS:
                raise DiskFull(self.part, self.layout.size + self._map_bytes, str(error.strerror)) from error
            raise

    # -- bytes

    def write(self, offset: int, buffers: Sequence[Buffer]) -> None:
        """Write ``buffers`` one after the other at ``offset`` of the stream. :raises DiskFull, SpoolError: the write failed."""
        if offset < 0 or offset + sum(len(buffer) for buffer in buffers) > self.layout.size:
            raise SpoolError(f"{self.part}: the stream has {self.layout.size} bytes; what is to be written at {offset} reaches beyond that")
        for buffer in buffers:
            self.write_row(offset, buffer)
            offset += len(buffer)

    def write_row(self, offset: int, row: Buffer) -> None:
        """:meth:`write` for a caller that knows the bounds already: one buffer of bytes, one system call."""
        try:
            written = os.pwrite(self._part_fd, row, offset)
            # A short write is a disk that is nearly full.
            while written < len(row):
                written += os.pwrite(self._part_fd, memoryview(row)[written:], offset + written)
        except OSError as error:
            if error.errno in _FULL_ERRNOS:
                raise DiskFull(self.part, len(row), str(error.strerror)) from error
            raise SpoolError(f"cannot write {self.part}: {error.strerror}") from error

    def read(self, offset: int, length: int) -> bytes:
        """Bytes of the stream as they are on disk, whether verified or not."""
        data = bytearray(length)
        self.read_into(offset, memoryview(data))
        return bytes(data)

    def read_into(self, offset: int, view: memoryview) -> None:
        """:meth:`read` into memory that is there already: as many bytes as ``view`` has."""
        try:
            while view:
                count = os.preadv(self._part_fd, [view], offset)
                if not count:
                    raise SpoolError(f"{self.part} ends before byte {offset + len(view)}")
                view = view[count:]
                offset += count
        except OSError as error:
            raise SpoolError(f"cannot read {self.part}: {error.strerror}") from error

    # -- map

    def mark(self, first_symbol: int, count: int) -> int:
        """Note that ``count`` symbols from ``first_symbol`` (numbered in the whole stream) are written; return how many of them are new."""
        if first_symbol < 0 or count < 0 or first_symbol + count > self.layout.symbols:
            raise SpoolError(f"{self.map}: symbols {first_symbol} to {first_symbol + count} of {self.layout.symbols}")
        begin = self._marks_at + first_symbol
        new = self._bits[begin : begin + count].count(0)
        if new:
            self._bits[begin : begin + count] = b"\1" * count
        return new

    def unmarked(self, first_symbol: int, count: int) -> int:
        """How many of these symbols are not written yet."""
        begin = self._marks_at + first_symbol
        return self._bits[begin : begin + count].count(0)

    def is_marked(self, symbol: int) -> bool:
        return self._bits[self._marks_at + symbol] != 0

    def marks(self, section: int) -> bytes:
        """One byte per symbol of the section: zero where it is not written."""
        begin = self._marks_at + self.layout.section_first_symbol(section)
        return self._bits[begin : begin + self.layout.symbols_in(section)]

    def clear_section(self, section: int) -> None:
        """Forget all of a section: nothing in it counts as written or verified."""
        self._bits[self._flags_at + section] = 0
        begin = self._marks_at + self.layout.section_first_symbol(section)
        count = self.layout.symbols_in(section)
        self._bits[begin : begin + count] = bytes(count)

    def verify_section(self, section: int, digest: hashlib._Hash | None = None, hashed: int = 0) -> bool:
        """Compare the section's bytes with its digest: set its flag, or clear its symbols when they do not match.

        :param digest: has taken in the section's first ``hashed`` bytes as they were written, and takes in the others from the disk.
        """
        digest = digest or hashlib.sha256()
        offset = self.layout.section_offset(section) + hashed
        left = self.layout.section_length(section) - hashed
        buffer = memoryview(bytearray(min(left, _VERIFY_CHUNK)))
        while left > 0:
            chunk = buffer[: min(left, len(buffer))]
            self.read_into(offset, chunk)
            digest.update(chunk)
            offset += len(chunk)
            left -= len(chunk)
        if digest.digest() != self._digests[section]:
            self.clear_section(section)
            return False
        self._bits[self._flags_at + section] = 1
        return True

    def hold_section(self, section: int, data: Buffer) -> None:
        """Take over a whole section of which the caller has seen that it matches its digest. :raises DiskFull, SpoolError: the write failed."""
        self.write(self.layout.section_offset(section), [data])
        self.mark(self.layout.section_first_symbol(section), self.layout.symbols_in(section))
        self._bits[self._flags_at + section] = 1

    @property
    def searched(self) -> bool:
        """Whether the destination's older content has been searched for sections of this stream; said by `set_searched`."""
        return self._bits[_SEARCHED_AT] == 1

    def set_searched(self) -> None:
        self._bits[_SEARCHED_AT] = 1

    @property
    def verified(self) -> bytes:
        """One byte per section: 1 when its digest has been seen to hold."""
        return self._bits[self._flags_at : self._marks_at]

    def is_verified(self, section: int) -> bool:
        return self._bits[self._flags_at + section] == 1

    @property
    def complete(self) -> bool:
        return self.verified.count(1) == self.layout.sections

    def missing_ranges(self) -> list[tuple[int, int]]:
        """What is not written yet: (offset, length) in bytes of the stream, ascending, merged where they touch.

        A section that has all its symbols but is not verified is missing as a whole.
        """
        merged: list[tuple[int, int]] = []
        for offset, length in self._missing_pieces():
            if merged and merged[-1][0] + merged[-1][1] == offset:
                merged[-1] = (merged[-1][0], merged[-1][1] + length)
            else:
                merged.append((offset, length))
        return merged

    @property
    def missing_bytes(self) -> int:
        return sum(length for _offset, length in self._missing_pieces())

    def _missing_pieces(self) -> Iterator[tuple[int, int]]:
        size, symbol_size = self.layout.size, self.layout.symbol_size
        for section, flag in enumerate(self.verified):
            if flag == 1:
                continue
            marks = self.marks(section)
            base = self.layout.section_offset(section)
            begin = marks.find(0)
            if begin < 0:
                yield base, self.layout.section_length(section)
            while begin >= 0:
                end = marks.find(1, begin)
                end = len(marks) if end < 0 else end
                offset = base + begin * symbol_size
                yield offset, min(base + end * symbol_size, size) - offset
                begin = marks.find(0, end)

    def recover(self) -> None:
        """Verify again every section that is flagged as verified or has all its symbols. Cost: one read of what is held."""
        for section, flag in enumerate(self.verified):
            if flag or 0 not in self.marks(section):
                self.verify_section(section)
        self._bits[: _HEADER.size] = self._header()

    def _verify_full_sections(self) -> None:
        for section, flag in enumerate(self.verified):
            if not flag and 0 not in self.marks(section):
                self.verify_section(section)

    # -- end

    def sync(self) -> None:
        """Bring bytes and map to the disk, in that order."""
        os.fsync(self._part_fd)
        self._bits.flush()

    def close(self) -> None:
        """Let go of the spool; what it holds stays."""
        if self._map_fd >= 0:
            self._bits.close()
        self._close_files()

    def discard(self) -> None:
        """Remove both files, and let go."""
        for path in (self.part, self.map):
            Path(path).unlink(missing_ok=True)
        self.close()

    def _close_files(self) -> None:
        for fd in (self._part_fd, self._map_fd):
            if fd >= 0:
                os.close(fd)
        self._part_fd = self._map_fd = -1

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()


def _preallocate(fd: int, size: int) -> None:
    if size:
        os.posix_fallocate(fd, 0, size)


def _boot_id() -> bytes:
    try:
        text = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
        return bytes.fromhex(text.strip().replace("-", ""))
    except (OSError, ValueError):
        # Without one every reopening looks like a new boot, which only costs a verification.
        return os.urandom(16)
