# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Debian package that the demo distributes, made on the spot."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .screen import DemoError

NAME = "fleetcast-demo"
VERSION = "1.0"
#: Where the package puts its payload on a host.
PAYLOAD = f"/usr/share/{NAME}/payload"

_CONTROL = f"""\
Package: {NAME}
Version: {VERSION}
Architecture: all
Maintainer: The fleetcast authors <fleetcast@example.org>
Description: bytes that no compression makes fewer
"""


@dataclass(frozen=True)
class Package:
    """A .deb, its size in bytes, and the SHA-256 of itself and of its payload."""

    path: Path
    size: int
    sha256: str
    payload_sha256: str


def build(directory: Path, payload_bytes: int) -> Package:
    """Build the package in `directory` with dpkg-deb(1), around `payload_bytes` random bytes."""
    if shutil.which("dpkg-deb") is None:
        raise DemoError("dpkg-deb is missing on this machine: run `apt-get install dpkg`")
    root = directory / "package"
    payload = root / PAYLOAD.lstrip("/")
    payload.parent.mkdir(parents=True)
    (root / "DEBIAN").mkdir()
    (root / "DEBIAN" / "control").write_text(_CONTROL)
    payload_sha256 = write_random(payload, payload_bytes)
    path = directory / f"{NAME}_{VERSION}_all.deb"
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", "-Znone", root, path], check=True, stdout=subprocess.DEVNULL, timeout=120)
    shutil.rmtree(root)
    return Package(path, path.stat().st_size, sha256(path), payload_sha256)


def write_random(path: Path, size: int) -> str:
    """Fill a file with `size` random bytes; their SHA-256."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for begin in range(0, size, 1 << 20):
            block = os.urandom(min(1 << 20, size - begin))
            digest.update(block)
            file.write(block)
    return digest.hexdigest()


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
