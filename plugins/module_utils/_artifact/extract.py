# Copyright (c) 2026 The fleetcast authors
# SPDX-License-Identifier: BSD-2-Clause
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
"""From a source to a patch file, complete or not there at all."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any, BinaryIO

from .errors import PatchError
from .manifest import Manifest
from .patch import write_patch
from .ranges import Ranges, total
from .scan import source_files
from .stream import StreamReader


class _Digesting:
    """A file that digests what is written to it; without a file it only counts and digests."""

    def __init__(self, file: BinaryIO | None) -> None:
        self._file = file
        self.digest = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes | memoryview) -> int:
        if self._file is not None:
            self._file.write(data)
        self.digest.update(data)
        self.size += len(data)
        return len(data)


def extract(manifest: Manifest, ranges: Ranges, src: str, dest: str | None, *, write: bool = True) -> dict[str, Any]:
    """Write the patch of `ranges`; returns its ``path``, ``patch_bytes``, ``range_bytes`` and ``sha256``.

    :param dest: path of the patch; None for a new temporary file.
    :param write: False verifies the source only.
    :raises SourceError, StreamError: the source is not what the manifest says, or cannot be read.
    :raises PatchError: the patch cannot be written.
    """
    with StreamReader(source_files(manifest, src)) as stream:
        if not write:
            return _cut(manifest, ranges, stream, None, None)
        folder = None if dest is None else str(Path(dest).parent)
        try:
            fd, path = tempfile.mkstemp(prefix=f"fleetcast-{manifest.digest[:12]}-", suffix=".patch", dir=folder)
            try:
                with os.fdopen(fd, "wb") as file:
                    result = _cut(manifest, ranges, stream, file, dest or path)
                if dest is not None:
                    Path(path).replace(dest)
            except BaseException:
                Path(path).unlink()
                raise
        except OSError as error:
            raise PatchError(f"cannot write the patch {dest or error.filename or tempfile.gettempdir()}: {error.strerror}") from error
    return result


def _cut(manifest: Manifest, ranges: Ranges, stream: StreamReader, file: BinaryIO | None, path: str | None) -> dict[str, Any]:
    patch = _Digesting(file)
    write_patch(patch, manifest, ranges, stream)
    return {"path": path, "patch_bytes": patch.size, "range_bytes": total(ranges), "sha256": patch.digest.hexdigest()}
