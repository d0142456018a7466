# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A tree of many small files, by the modules of a push, over loopback: it arrives, and a second run finds nothing to do."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ansible_collections.fleetcast.core.tests.bench.small_files import Push, make_tree

pytestmark = pytest.mark.engine


def digests(folder: Path) -> str:
    """Every file with its digest, by programs that know nothing of us."""
    command = "find . -type f -print0 | sort -z | xargs -0 sha256sum"
    return subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, text=True, check=True, timeout=60).stdout


def test_many_small_files_arrive(tmp_path: Path) -> None:
    tree, dest = tmp_path / "tree", tmp_path / "dest"
    dest.mkdir()
    make_tree(tree, 1500)
    record = Push(str(tree), dest, "400M").run()
    assert digests(dest / "tree") == digests(tree)
    assert digests(tree).count("\n") == 1500
    # What every host is told of a file beside its bytes: digest, size, mode, time and name.
    assert record["manifest_bytes"] < 90 * 1500
