# Copyright (c) 2026 The fleetcast authors
# SPDX-License-Identifier: BSD-2-Clause
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
"""Names of files: as text in a manifest, as bytes for the kernel, and the names that unfinished files have.

A manifest must mean the same on hosts with different locales, so its text is UTF-8 with the bytes that are not as lone surrogates
(PEP 383), whatever the file system encoding of the Python that runs is.
"""

from __future__ import annotations

import hashlib
import os

#: Longest name of a directory entry in bytes (NAME_MAX of every common Linux file system).
NAME_MAX = 255

#: Endings of the names of unfinished files. The stream, its map, a file on its way to its final name.
PART_SUFFIX = ".fleetcast-part"
MAP_SUFFIX = ".fleetcast-map"
STAGING_SUFFIX = ".fleetcast-tmp"


def to_bytes(path: str) -> bytes:
    """Text of a manifest as bytes for the kernel. Raises `UnicodeEncodeError` for text that no file name can have."""
    return path.encode("utf-8", "surrogateescape")


def to_text(path: bytes) -> str:
    """Bytes from the kernel as text of a manifest."""
    return path.decode("utf-8", "surrogateescape")


def native(path: str) -> str:
    """Text of a manifest as the text that this Python's `os` functions take."""
    return os.fsdecode(to_bytes(path))


def printable(path: str) -> str:
    """Text of a manifest for people and for JSON: bytes that are not UTF-8 as ``\\xNN``."""
    return to_bytes(path).decode("utf-8", "backslashreplace")


def unfinished_name(name: str, digest: str, suffix: str) -> str:
    """The name of an unfinished file beside its final `name`: hidden, and found again by everybody who knows the artifact's digest.

    A `name` so long that nothing can be added to it is shortened and told apart by its own digest.
    """
    ending = f".{digest[:12]}{suffix}"
    room = NAME_MAX - 1 - len(ending)
    raw = to_bytes(name)
    if len(raw) > room:
        raw = raw[: room - 13] + b"~" + hashlib.sha256(raw).hexdigest()[:12].encode()
    return "." + to_text(raw) + ending
