# Copyright (c) 2026 The fleetcast authors
# SPDX-License-Identifier: BSD-2-Clause
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
"""The manifest of an artifact: what it consists of, and the digests by which every byte of it is judged.

Its canonical form is JSON with sorted keys, no spaces and ASCII only; the SHA-256 of that is the artifact's digest. It travels as a module
option: the JSON compressed with zlib, in base64. What arrives is checked before anything is done with it, because the paths in it become
paths on the host.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from .errors import ManifestError
from .layout import Layout
from .paths import NAME_MAX, printable, to_bytes

#: Version of the canonical form.
VERSION = 1
#: Largest canonical form in bytes: some 400,000 files, or 4 TB in one file. More does not fit a module option in any sensible way.
DOCUMENT_MAX = 64 * 1024 * 1024
#: Largest size of an artifact in bytes, what the kernel's file offsets reach.
SIZE_MAX = 2**63 - 1

FILE, DIRECTORY, SYMLINK = "file", "directory", "symlink"
#: The path of the tree's own directory; only a tree with a name has it.
ROOT = "."

#: What an entry of each type may have.
_FIELDS = {
    FILE: frozenset(("path", "type", "mtime", "mode", "size", "sha256")),
    DIRECTORY: frozenset(("path", "type", "mtime", "mode")),
    SYMLINK: frozenset(("path", "type", "mtime", "target")),
}

_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True)
class Entry:
    """One thing in an artifact.

    ``path``: relative, with ``/``, UTF-8 with surrogate escapes. ``mode``: permission bits, None for a symlink. ``mtime``: nanoseconds since
    the epoch, None for an artifact that is one file (it is placed with the current time). ``size``: bytes, and ``sha256``: hex, of a file.
    ``target``: of a symlink.
    """

    path: str
    type: str
    mode: int | None = None
    mtime: int | None = None
    size: int = 0
    sha256: str | None = None
    target: str | None = None

    def as_dict(self) -> dict[str, Any]:
        values: dict[str, Any] = {"path": self.path, "type": self.type}
        for key in ("mode", "mtime", "sha256", "target"):
            value = getattr(self, key)
            if value is not None:
                values[key] = value
        if self.type == FILE:
            values["size"] = self.size
        return values

    @classmethod
    def from_dict(cls, values: Any) -> Entry:
        """Raises `ManifestError` when a field is missing, unknown or of the wrong kind."""
        if not isinstance(values, dict):
            raise ManifestError("an entry of the manifest is not an object")
        path, kind = _take(values, "path", str), _take(values, "type", str)
        _check_path(path)
        wanted = _FIELDS.get(kind)
        if wanted is None:
            raise ManifestError(f"{printable(path)}: unknown type {kind!r} in the manifest")
        unexpected = values.keys() - wanted
        if unexpected:
            raise ManifestError(f"{printable(path)}: a {kind} cannot have {', '.join(sorted(unexpected))}")
        entry = cls(
            path=path,
            type=kind,
            mode=_take(values, "mode", int, 0, 0o7777) if "mode" in wanted else None,
            mtime=_take(values, "mtime", int, -SIZE_MAX, SIZE_MAX) if "mtime" in values else None,
            size=_take(values, "size", int, 0, SIZE_MAX) if kind == FILE else 0,
            sha256=_take(values, "sha256", str) if kind == FILE else None,
            target=_take(values, "target", str) if kind == SYMLINK else None,
        )
        if entry.sha256 is not None and not _SHA256.match(entry.sha256):
            raise ManifestError(f"{printable(path)}: its sha256 in the manifest is not 64 hexadecimal digits")
        if entry.target is not None:
            _check_text(entry.target, f"the target of the symlink {printable(path)}")
        return entry


@dataclass(frozen=True)
class Manifest:
    """What an artifact consists of. Make one with `scan.scan` or `Manifest.decode`.

    ``kind``: ``file`` or ``tree``. ``name``: what the artifact is called in a directory that receives it; empty for a tree of which only the
    contents are sent. ``section_digests``: SHA-256 of every section of the stream, 32 bytes each. ``entries``: sorted by path components, so
    that a directory comes before what is in it; the files among them, in this order, are the stream.
    """

    kind: str
    name: str
    layout: Layout
    section_digests: tuple[bytes, ...]
    entries: tuple[Entry, ...]

    @property
    def size(self) -> int:
        """Bytes in the stream: the sum over the files."""
        return self.layout.size

    @cached_property
    def document(self) -> bytes:
        """The canonical form."""
        values = {
            "version": VERSION,
            "kind": self.kind,
            "name": self.name,
            "size": self.size,
            "layout": {
                "symbol_size": self.layout.symbol_size,
                "row_symbols": self.layout.row_symbols,
                "section_rows": self.layout.section_rows,
            },
            "sections": [digest.hex() for digest in self.section_digests],
            "entries": [entry.as_dict() for entry in self.entries],
        }
        return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical form, 64 hexadecimal digits: the artifact's identity."""
        return hashlib.sha256(self.document).hexdigest()

    @property
    def files(self) -> list[Entry]:
        """The files in the order of the stream."""
        return [entry for entry in self.entries if entry.type == FILE]

    @property
    def checksum(self) -> str | None:
        """SHA-256 of an artifact that is one file, 64 hexadecimal digits; None for a tree."""
        return self.entries[0].sha256 if self.kind == FILE else None

    def encode(self) -> str:
        """The manifest as a module option."""
        return base64.b64encode(zlib.compress(self.document)).decode("ascii")

    @classmethod
    def decode(cls, text: str) -> Manifest:
        """The manifest that `encode` made.

        :raises ManifestError: damaged, too large, of another version, or it promises something impossible or unsafe: a path that leaves the
            destination, an entry that occurs twice or lies below one that is not a directory, sizes that do not add up.
        """
        try:
            packed = base64.b64decode(text.encode("ascii"), validate=True)
            unpacker = zlib.decompressobj()
            document = unpacker.decompress(packed, DOCUMENT_MAX + 1)
        except (ValueError, binascii.Error, zlib.error) as error:
            raise ManifestError(f"this is no manifest: {error}. Pass the value that artifact_info returned, unchanged") from error
        if len(document) > DOCUMENT_MAX:
            raise ManifestError(f"the manifest is larger than {DOCUMENT_MAX} bytes: split the artifact, or pack the tree into an archive")
        if not unpacker.eof or unpacker.unused_data:
            raise ManifestError("the manifest is cut off or has something after its end. Pass the value that artifact_info returned, unchanged")
        try:
            values = json.loads(document.decode("ascii"))
        except (ValueError, RecursionError) as error:
            raise ManifestError(f"the manifest is not JSON: {error}") from error
        manifest = cls._from_values(values)
        if manifest.document != document:
            raise ManifestError("the manifest is not in its canonical form, so its digest would not be the artifact's")
        return manifest

    @classmethod
    def _from_values(cls, values: Any) -> Manifest:
        if not isinstance(values, dict):
            raise ManifestError("the manifest is not a JSON object")
        version = _take(values, "version", int, 0, SIZE_MAX)
        if version != VERSION:
            raise ManifestError(f"the manifest has version {version}, this host's code knows {VERSION}: use the same release everywhere")
        geometry = _take(values, "layout", dict)
        numbers = {key: _take(geometry, key, int, 1, 65535) for key in ("symbol_size", "row_symbols", "section_rows")}
        try:
            layout = Layout(_take(values, "size", int, 0, SIZE_MAX), **numbers)
        except ValueError as error:
            raise ManifestError(f"impossible layout in the manifest: {error}") from error
        sections = _take(values, "sections", list)
        if len(sections) != layout.sections:
            raise ManifestError(f"the manifest has {len(sections)} section digests for {layout.sections} sections")
        if not all(isinstance(digest, str) and _SHA256.match(digest) for digest in sections):
            raise ManifestError("a section digest in the manifest is not 64 hexadecimal digits")
        manifest = cls(
            kind=_take(values, "kind", str),
            name=_take(values, "name", str),
            layout=layout,
            section_digests=tuple(bytes.fromhex(digest) for digest in sections),
            entries=tuple(Entry.from_dict(entry) for entry in _take(values, "entries", list)),
        )
        _check_whole(manifest)
        return manifest


def path_key(path: str) -> list[str]:
    """Sort key that puts a directory before what is in it, and `ROOT` before everything."""
    return [] if path == ROOT else path.split("/")


def _check_whole(manifest: Manifest) -> None:
    """What no entry can tell alone."""
    entries = manifest.entries
    if manifest.name:
        _check_path(manifest.name)
    if "/" in manifest.name or manifest.name == ROOT:
        raise ManifestError(f"the artifact's name is a path: {printable(manifest.name)!r}")
    if manifest.kind == FILE:
        if len(entries) != 1 or entries[0].type != FILE or entries[0].path != manifest.name:
            raise ManifestError("the manifest of a file must have one entry, the file with the artifact's name")
    elif manifest.kind != "tree":
        raise ManifestError(f"unknown kind of artifact: {manifest.kind!r}")
    total = sum(entry.size for entry in entries)
    if total != manifest.size:
        raise ManifestError(f"the manifest says {manifest.size} bytes, its files have {total}")
    directories = {""}
    previous: list[str] | None = None
    for entry in entries:
        key = path_key(entry.path)
        if previous is not None and key <= previous:
            raise ManifestError(f"{printable(entry.path)}: entries of the manifest occur twice or are out of order")
        previous = key
        if entry.path == ROOT and (entry.type != DIRECTORY or not manifest.name):
            raise ManifestError("the root of the artifact must be a directory and needs a name")
        if entry.path != ROOT and entry.path.rpartition("/")[0] not in directories:
            raise ManifestError(f"{printable(entry.path)}: what it lies in is no directory of the manifest")
        if entry.type == DIRECTORY:
            directories.add(entry.path)


def _check_path(path: str) -> None:
    if path == ROOT:
        return
    _check_text(path, "a path")
    for part in path.split("/"):
        if part in ("", ".", ".."):
            raise ManifestError(f"{printable(path)}: a path in a manifest must be relative, without '.', '..' or empty parts")
        if len(to_bytes(part)) > NAME_MAX:
            raise ManifestError(f"{printable(path)}: a part of the path is longer than {NAME_MAX} bytes")


def _check_text(text: str, what: str) -> None:
    try:
        raw = to_bytes(text)
    except UnicodeEncodeError as error:
        raise ManifestError(f"{what} in the manifest is no text that a file name can have: {error}") from error
    if not raw or b"\0" in raw:
        raise ManifestError(f"{what} in the manifest is empty or has a NUL byte")


def _take(values: dict[str, Any], key: str, kind: type, least: int = 0, most: int = 0) -> Any:
    """A field that must be there, of this type (a bool is no int), and, for an int, within bounds."""
    value = values.get(key)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ManifestError(f"the manifest's {key} is missing or not a {kind.__name__}")
    if isinstance(value, int) and not least <= value <= most:
        raise ManifestError(f"the manifest's {key} is {value}, outside {least} to {most}")
    return value
