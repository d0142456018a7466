# Copyright (c) 2026 The fleetcast authors
# SPDX-License-Identifier: BSD-2-Clause
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
"""What can be wrong with an artifact, its manifest, or the place it goes to. Messages name the thing and the way out."""

from __future__ import annotations

import os
from pathlib import Path


class ArtifactError(Exception):
    """Base of everything that this package raises on purpose."""


class SourceError(ArtifactError):
    """The source cannot be distributed: missing, unreadable, of an unsuitable type, or changing under our hands."""


class ManifestError(ArtifactError):
    """A manifest that is damaged or that promises something impossible or unsafe."""


class RangeError(ArtifactError):
    """A list of byte ranges that does not fit the artifact."""


class PatchError(ArtifactError):
    """A patch file that is damaged or belongs to another artifact."""


class PlacingError(ArtifactError):
    """What is at the destination stands in the way of the artifact."""


class SpoolError(Exception):
    """The spool cannot be used; the message names the file and the reason."""


class DiskFull(SpoolError):
    """There is no room for the stream. ``needed`` and ``free`` are bytes."""

    def __init__(self, path: str, needed: int, reason: str) -> None:
        folder = os.statvfs(next(parent for parent in Path(path).parents if parent.is_dir()))
        self.path = path
        self.needed = needed
        self.free = folder.f_bavail * folder.f_frsize
        super().__init__(f"no room for {path}: {needed} bytes are needed, {self.free} are free ({reason})")


class SpoolBusy(SpoolError):
    """Another process writes this spool."""
