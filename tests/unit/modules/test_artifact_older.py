# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that has an older version gets only what changed, and its older version is left alone until the new one takes its place."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.engine

SYMBOL = 100
SECTION = SYMBOL * 44 * 64
SECTIONS = 50


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "disk.img"
    path.write_bytes(os.urandom(SECTIONS * SECTION))
    return path


@pytest.fixture
def older(tmp_path: Path, source: Path) -> Path:
    """The place of the file on the host, where one section of fifty is another."""
    path = tmp_path / "host" / "disk.img"
    path.parent.mkdir()
    data = bytearray(source.read_bytes())
    data[7 * SECTION + 99] ^= 1
    path.write_bytes(data)
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_one_section_of_fifty_is_sent(push_with_any_python: Any, source: Path, older: Path) -> None:
    push = push_with_any_python
    artifact = push.info(source, symbol_size=SYMBOL)
    assert artifact["sections"] == SECTIONS
    before = older.read_bytes()
    asked = push.missing(artifact, older)
    assert (asked["state"], asked["missing"]) == ("partial", [[7 * SECTION, SECTION]])
    assert (asked["missing_bytes"], asked["reusable_bytes"], asked["older_bytes"]) == (SECTION, 49 * SECTION, 50 * SECTION)
    assert names(older.parent) == ["disk.img"], "asking leaves nothing behind"

    unread = push.missing(artifact, older, reuse=False)
    assert (unread["state"], unread["missing_bytes"], unread["reusable_bytes"], unread["older_bytes"]) == ("absent", 50 * SECTION, 0, 50 * SECTION)

    predicted = push.apply(artifact, older, check=True)
    assert (predicted["changed"], predicted["complete"], predicted["bytes_reused"]) == (True, False, 0)
    assert names(older.parent) == ["disk.img"]

    patch = push.cut(artifact, source, asked["missing"])
    assert Path(patch).stat().st_size < SECTION + 1000
    assert older.read_bytes() == before
    result = push.apply(artifact, older, patch)
    assert (result["complete"], result["bytes_received"], result["bytes_reused"]) == (True, SECTION, 49 * SECTION)
    assert hashlib.sha256(older.read_bytes()).hexdigest() == artifact["checksum"]
    assert names(older.parent) == ["disk.img"]


def test_without_a_patch_the_older_version_is_taken_over_once(push: Any, source: Path, older: Path) -> None:
    artifact = push.info(source, symbol_size=SYMBOL)
    before = older.read_bytes()
    result = push.apply(artifact, older)
    assert (result["complete"], result["missing_bytes"], result["bytes_reused"], result["changed"]) == (False, SECTION, 49 * SECTION, False)
    assert older.read_bytes() == before
    asked = push.missing(artifact, older)
    assert (asked["state"], asked["missing"], asked["older_bytes"]) == ("partial", [[7 * SECTION, SECTION]], 0)
    # What stands there now is not looked at again: the spool has what it had.
    older.write_bytes(b"something else")
    assert push.missing(artifact, older)["missing"] == [[7 * SECTION, SECTION]]
    result = push.apply(artifact, older, push.cut(artifact, source, asked["missing"]))
    assert (result["complete"], result["bytes_reused"]) == (True, 0)
    assert older.read_bytes() == source.read_bytes()


def test_nothing_in_common_leaves_nothing_behind(push: Any, source: Path, older: Path) -> None:
    artifact = push.info(source, symbol_size=SYMBOL)
    older.write_bytes(os.urandom(3 * SECTION))
    result = push.apply(artifact, older)
    assert (result["complete"], result["bytes_reused"], result["missing_bytes"]) == (False, 0, 50 * SECTION)
    assert names(older.parent) == ["disk.img"]


def test_a_longer_older_version_completes_a_shorter_new_one(push: Any, source: Path, older: Path) -> None:
    older.write_bytes(source.read_bytes() + b"tail")
    artifact = push.info(source, symbol_size=SYMBOL)
    asked = push.missing(artifact, older)
    assert (asked["state"], asked["missing_bytes"]) == ("partial", 0)
    result = push.apply(artifact, older)
    assert (result["complete"], result["changed"], result["bytes_reused"]) == (True, True, 50 * SECTION)
    assert older.read_bytes() == source.read_bytes()


def test_force_false_keeps_the_older_version(push: Any, source: Path, older: Path) -> None:
    artifact = push.info(source, symbol_size=SYMBOL)
    before = older.read_bytes()
    assert push.missing(artifact, older, force=False)["state"] == "complete"
    result = push.apply(artifact, older, force=False)
    assert (result["changed"], result["bytes_reused"]) == (False, 0)
    assert older.read_bytes() == before


def test_a_tree_of_which_one_file_changed(push: Any, tmp_path: Path) -> None:
    site, host = tmp_path / "site", tmp_path / "host"
    for number in range(400):
        path = site / f"d{number % 10}" / f"{number:03}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(20_000))
    assert push.send(site, host)["complete"]
    (site / "d5" / "105.bin").write_bytes(os.urandom(20_000))
    artifact = push.info(site, symbol_size=SYMBOL)
    asked = push.missing(artifact, host)
    assert asked["missing_bytes"] <= 2 * SECTION
    assert asked["have_bytes"] == asked["reusable_bytes"]
    result = push.apply(artifact, host, push.cut(artifact, site, asked["missing"]))
    assert (result["complete"], result["bytes_received"]) == (True, asked["missing_bytes"])
    for path in site.rglob("*.bin"):
        assert (host / path.relative_to(tmp_path)).read_bytes() == path.read_bytes()
