# Copyright (c) 2026 The fleetcast authors
# SPDX-License-Identifier: BSD-2-Clause
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# Names of files are bytes here, which pathlib does not take.
# ruff: noqa: PTH100, PTH116, PTH118, PTH119, PTH208
"""From a source on disk to its manifest: one pass over the bytes, in constant memory."""

from __future__ import annotations

import hashlib
import os
import stat
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import NamedTuple

from .errors import SourceError
from .layout import ROW_SYMBOLS, SECTION_ROWS, SYMBOL_SIZE, Layout
from .manifest import DIRECTORY, DOCUMENT_MAX, FILE, ROOT, SYMLINK, Entry, Manifest, path_key
from .paths import printable, to_bytes, to_text

#: Bytes read at a time.
_CHUNK = 1024 * 1024
#: A buffer with less room than this is passed on.
_LEAST_ROOM = 64 * 1024

_REFUSED = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
}


class _Found(NamedTuple):
    """What the walk saw; two walks that saw the same are equal."""

    path: str
    mode: int
    device: int
    inode: int
    size: int
    mtime: int
    target: str


def scan(
    src: str,
    *,
    follow: bool = False,
    symbol_size: int = SYMBOL_SIZE,
    row_symbols: int = ROW_SYMBOLS,
    section_rows: int = SECTION_ROWS,
) -> Manifest:
    """Digest a file or a directory tree.

    :param src: path of the source, UTF-8 with surrogate escapes. With a ``/`` at its end only the contents of the directory, else the directory itself.
        When `src` itself is a symlink, it is what the link points to.
    :param follow: take what symlinks inside a tree point to, instead of the links.
    :raises SourceError: missing, unreadable, changing while it is read, or containing what cannot be distributed (sockets, devices, FIFOs).
    """
    base = _base(src)
    found = _walk(base, src, follow)
    is_file = stat.S_ISREG(found[0].mode)
    if is_file and src.endswith("/"):
        raise SourceError(f"{printable(src)} is a file, not a directory: remove the / at its end")
    contents_only = src.endswith("/")
    if contents_only:
        found = found[1:]
    hasher = _SectionHasher(Layout(0, symbol_size, row_symbols, section_rows).section_bytes)
    with closing(hasher):
        entries = tuple(_entry(base, item, is_file, hasher) for item in found)
        digests = tuple(hasher.finish())
    if _walk(base, src, follow)[1 if contents_only else 0 :] != found:
        raise SourceError(f"{printable(src)} changed while it was read: try again when nothing writes to it")
    name = "" if contents_only else to_text(os.path.basename(base))
    if is_file:
        entries = (Entry(name, FILE, mode=entries[0].mode, size=entries[0].size, sha256=entries[0].sha256),)
    manifest = Manifest(
        kind=FILE if is_file else "tree",
        name=name,
        layout=Layout(hasher.size, symbol_size, row_symbols, section_rows),
        section_digests=digests,
        entries=entries,
    )
    if len(manifest.document) > DOCUMENT_MAX:
        raise SourceError(f"{printable(src)} has too many files for one artifact ({len(entries)}): pack it into an archive")
    return manifest


def source_files(manifest: Manifest, src: str) -> list[tuple[str, int]]:
    """The artifact's files below `src` as (path, size in bytes), for `StreamReader`."""
    base = _base(src)
    return [(os.fsdecode(_below(base, ROOT if manifest.kind == FILE else entry.path)), entry.size) for entry in manifest.files]


def _base(src: str) -> bytes:
    """The path of the source without a / at its end, absolute, so that it has a name."""
    return os.path.abspath(to_bytes(src))


def _below(base: bytes, path: str) -> bytes:
    return base if path == ROOT else os.path.join(base, to_bytes(path))


def _walk(base: bytes, src: str, follow: bool) -> list[_Found]:
    """Everything below `base` in the manifest's order, `base` itself first."""
    try:
        top = os.stat(base)
        found = [_found(base, ROOT, top)]
        if stat.S_ISDIR(top.st_mode):
            _walk_directory(base, "", follow, {(top.st_dev, top.st_ino): ROOT}, found)
    except FileNotFoundError as error:
        raise SourceError(f"{_named(error, src)} does not exist on this host") from error
    except OSError as error:
        raise SourceError(f"cannot read {_named(error, src)}: {error.strerror}") from error
    except RecursionError as error:
        raise SourceError(f"{printable(src)} has directories within directories too deep to follow: pack it into an archive") from error
    found.sort(key=lambda item: path_key(item.path))
    return found


def _walk_directory(base: bytes, directory: str, follow: bool, above: dict[tuple[int, int], str], found: list[_Found]) -> None:
    raw_directory = os.path.join(_below(base, directory or ROOT), b"")
    for raw_name in os.listdir(raw_directory):
        path = f"{directory}/{to_text(raw_name)}" if directory else to_text(raw_name)
        raw_path = raw_directory + raw_name
        status = os.stat(raw_path) if follow else os.lstat(raw_path)
        found.append(_found(raw_path, path, status))
        if stat.S_ISDIR(status.st_mode):
            identity = (status.st_dev, status.st_ino)
            if identity in above:
                raise SourceError(f"{printable(to_text(raw_path))} leads back to {printable(above[identity])}: following links would never end")
            above[identity] = path
            _walk_directory(base, path, follow, above, found)
            del above[identity]


def _found(raw_path: bytes, path: str, status: os.stat_result) -> _Found:
    what = _REFUSED.get(stat.S_IFMT(status.st_mode))
    if what is not None:
        raise SourceError(f"{printable(to_text(raw_path))} is {what}: only files, directories and symlinks can be distributed")
    is_link = stat.S_ISLNK(status.st_mode)
    is_directory = stat.S_ISDIR(status.st_mode)
    return _Found(
        path=path,
        mode=status.st_mode,
        device=status.st_dev,
        inode=status.st_ino,
        # What a directory's size is, the file system decides.
        size=0 if is_directory else status.st_size,
        mtime=status.st_mtime_ns,
        target=to_text(os.readlink(raw_path)) if is_link else "",
    )


def _entry(base: bytes, item: _Found, is_file: bool, hasher: _SectionHasher) -> Entry:
    mode = stat.S_IMODE(item.mode)
    if stat.S_ISDIR(item.mode):
        return Entry(item.path, DIRECTORY, mode=mode, mtime=item.mtime)
    if stat.S_ISLNK(item.mode):
        return Entry(item.path, SYMLINK, mtime=item.mtime, target=item.target)
    digest = _hash_file(_below(base, ROOT if is_file else item.path), item, hasher)
    return Entry(item.path, FILE, mode=mode, mtime=item.mtime, size=item.size, sha256=digest)


def _hash_file(raw_path: bytes, item: _Found, hasher: _SectionHasher) -> str:
    name = printable(to_text(raw_path))
    left = item.size
    try:
        # Not blocking: a FIFO that took the file's place must not hang us.
        fd = os.open(raw_path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            hasher.begin_file()
            room = hasher.room()
            count = os.readv(fd, [room])
            while 0 < count <= left:
                hasher.update(count)
                left -= count
                if not left and count < len(room):
                    # There was room for more, so this was the end: in a tree of small files half of the calls.
                    count = 0
                    break
                room = hasher.room()
                count = os.readv(fd, [room])
            after = os.fstat(fd)
        finally:
            os.close(fd)
    except OSError as error:
        raise SourceError(f"cannot read {name}: {error.strerror}") from error
    if left or count or (after.st_dev, after.st_ino, after.st_size, after.st_mtime_ns) != (item.device, item.inode, item.size, item.mtime):
        raise SourceError(f"{name} changed while it was read: try again when nothing writes to it")
    return hasher.end_file()


class _SectionHasher:
    """Hashes what is put into :meth:`room` twice: into the current file's digest, and, in a second thread, into those of the stream's sections.

    The thread takes what has gathered in a buffer, be it of a thousand files, while the other buffer is filled.
    """

    def __init__(self, section_bytes: int) -> None:
        self.size = 0
        self._buffer, self._other = memoryview(bytearray(_CHUNK)), memoryview(bytearray(_CHUNK))
        self._filled = 0
        self._section_bytes = section_bytes
        self._digests: list[bytes] = []
        self._section = hashlib.sha256()
        self._file = hashlib.sha256()
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._hashing: Future[None] | None = None

    def begin_file(self) -> None:
        self._file = hashlib.sha256()

    def room(self) -> memoryview:
        """Where the next bytes go."""
        if _CHUNK - self._filled < _LEAST_ROOM:
            self._pass_on()
        return self._buffer[self._filled :]

    def update(self, count: int) -> None:
        """Take the first `count` bytes of :meth:`room`."""
        self._file.update(self._buffer[self._filled : self._filled + count])
        self._filled += count

    def _pass_on(self) -> None:
        if self._hashing is not None:
            self._hashing.result()
        self._hashing = self._thread.submit(self._update_sections, self._buffer[: self._filled])
        self._buffer, self._other, self._filled = self._other, self._buffer, 0

    def end_file(self) -> str:
        return self._file.hexdigest()

    def _update_sections(self, view: memoryview) -> None:
        while view:
            room = self._section_bytes - self.size % self._section_bytes
            piece = view[:room]
            self._section.update(piece)
            self.size += len(piece)
            if len(piece) == room:
                self._digests.append(self._section.digest())
                self._section = hashlib.sha256()
            view = view[len(piece) :]

    def finish(self) -> list[bytes]:
        """The digests of all sections, the last and short one too."""
        self._pass_on()
        if self._hashing is not None:
            self._hashing.result()
        if self.size % self._section_bytes:
            self._digests.append(self._section.digest())
        return self._digests

    def close(self) -> None:
        self._thread.shutdown()


def _named(error: OSError, src: str) -> str:
    filename = error.filename
    return printable(to_text(filename)) if isinstance(filename, bytes) else printable(src)
