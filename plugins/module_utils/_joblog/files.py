# Copyright (c) 2026 The fleetcast authors
# SPDX-License-Identifier: BSD-2-Clause
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# Descriptors and syncing are what this is about; pathlib has neither.
# ruff: noqa: PTH101, PTH102, PTH103, PTH104, PTH112, PTH116, PTH120
"""Files and directories that are on the disk when these functions return, whole or not at all."""

from __future__ import annotations

import os

from .errors import JobLogError

#: Ending of the name of a file that is being written.
UNFINISHED = ".new"


def make_private(path: str) -> None:
    """Make the directory and those above it; it alone is closed to everybody but its owner."""
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if not os.path.isdir(path):
            os.mkdir(path, 0o700)
        elif os.stat(path).st_mode & 0o077:
            os.chmod(path, 0o700)
    except OSError as error:
        raise JobLogError(f"cannot make {path} for the job logs: {error.strerror}; they belong to root (become)") from error


def write_whole(path: str, content: bytes) -> None:
    """Put a file into place with a rename: it is there whole, or not at all."""
    unfinished = path + UNFINISHED
    try:
        fd = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            write_all(fd, content, 0)
            os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(unfinished, path)
    except OSError as error:
        raise JobLogError(f"cannot write {path}: {error.strerror}") from error
    sync_folder(os.path.dirname(path))


def write_all(fd: int, content: bytes, offset: int) -> None:
    view = memoryview(content)
    while view:
        written = os.pwrite(fd, view, offset)
        view = view[written:]
        offset += written


def sync_folder(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
