# Copyright (c) 2026 The fleetcast authors
# SPDX-License-Identifier: BSD-2-Clause
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
"""A patch: some ranges of an artifact's stream in a file, on its way to one host.

A magic string, the length of a JSON header as 32 bits in network byte order, the header (the artifact's digest, the ranges), and the bytes of the
ranges one after the other. The bytes need no digest of their own: the sections that they complete have one in the manifest.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from typing import BinaryIO, Iterator, Protocol

from .errors import PatchError, SourceError
from .manifest import Manifest
from .ranges import Ranges, checked
from .spool import Spool
from .stream import StreamReader

_MAGIC = b"fc-patch-1\n"
_HEADER_LENGTH = struct.Struct("!I")
#: Largest header in bytes: some two million ranges.
_HEADER_MAX = 64 * 1024 * 1024
#: Bytes handled at a time.
_CHUNK = 1024 * 1024


class Writable(Protocol):
    def write(self, data: bytes | memoryview) -> int: ...


def write_patch(patch: Writable, manifest: Manifest, ranges: Ranges, stream: StreamReader) -> None:
    """Cut `ranges` out of the source. Every section that they touch is read as a whole and compared with its digest.

    :raises SourceError: the source is not, or no longer, what the manifest says.
    """
    header = json.dumps({"artifact": manifest.digest, "ranges": ranges}).encode("ascii")
    patch.write(_MAGIC + _HEADER_LENGTH.pack(len(header)) + header)
    layout = manifest.layout
    held = -1
    view = memoryview(b"")
    for begin, length in ranges:
        end = begin + length
        while begin < end:
            section = begin // layout.section_bytes
            if section != held:
                view = _section(manifest, section, stream)
                held = section
            within = begin - layout.section_offset(section)
            piece = view[within : within + end - begin]
            patch.write(piece)
            begin += len(piece)


def _section(manifest: Manifest, section: int, stream: StreamReader) -> memoryview:
    layout = manifest.layout
    view = memoryview(bytearray(layout.section_length(section)))
    offset = layout.section_offset(section)
    stream.read_into(offset, view)
    if hashlib.sha256(view).digest() != manifest.section_digests[section]:
        raise SourceError(
            f"the source is not what was distributed: its bytes {offset} to {offset + len(view)} have changed. "
            "Restore it, or distribute what is there now as a new artifact"
        )
    return view


def apply_patch(patch: BinaryIO, manifest: Manifest, spool: Spool) -> int:
    """Write the patch into the spool and verify every section that it completes; returns the bytes written.

    Bytes that turn out wrong are missing again in the spool afterwards.

    :raises PatchError: damaged, or of another artifact.
    """
    layout = manifest.layout
    ranges = _read_header(patch, manifest)
    written = 0
    touched: dict[int, None] = {}
    for begin, length in ranges:
        offset = begin
        for chunk in _chunks(patch, length):
            spool.write(offset, [chunk])
            offset += len(chunk)
            written += len(chunk)
        whole = -(-begin // layout.symbol_size)
        beyond = layout.symbols if offset == layout.size else offset // layout.symbol_size
        spool.mark(whole, max(beyond - whole, 0))
        touched.update(dict.fromkeys(range(begin // layout.section_bytes, (offset - 1) // layout.section_bytes + 1)))
    for section in touched:
        if 0 not in spool.marks(section):
            spool.verify_section(section)
    return written


def _read_header(patch: BinaryIO, manifest: Manifest) -> Ranges:
    """The ranges of the patch, after checking that it is one of this artifact and has all its bytes."""
    head = patch.read(len(_MAGIC) + _HEADER_LENGTH.size)
    if len(head) < len(_MAGIC) + _HEADER_LENGTH.size or not head.startswith(_MAGIC):
        raise PatchError("src is no patch. Pass a file that artifact_extract wrote")
    (length,) = _HEADER_LENGTH.unpack(head[len(_MAGIC) :])
    if length > _HEADER_MAX:
        raise PatchError(f"src is a damaged patch: its header would have {length} bytes")
    try:
        header = json.loads(patch.read(length).decode("ascii"))
        digest, pairs = str(header["artifact"]), list(header["ranges"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise PatchError(f"src is a damaged patch: {error}") from error
    if digest != manifest.digest:
        raise PatchError(f"src is a patch of the artifact {digest[:12]}, the manifest is of {manifest.digest[:12]}")
    ranges = checked(pairs, manifest.size)
    if [list(pair) for pair in ranges] != pairs:
        raise PatchError("src is a damaged patch: its ranges are not ascending and apart")
    expected = patch.tell() + sum(length for _offset, length in ranges)
    size = os.fstat(patch.fileno()).st_size
    if size != expected:
        raise PatchError(f"src is a damaged patch: it has {size} bytes instead of {expected}")
    return ranges


def _chunks(patch: BinaryIO, length: int) -> Iterator[bytes]:
    while length > 0:
        chunk = patch.read(min(length, _CHUNK))
        if not chunk:
            raise PatchError("src became shorter while it was read")
        yield chunk
        length -= len(chunk)
