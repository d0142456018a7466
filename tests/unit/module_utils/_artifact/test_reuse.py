# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sections that an older version has: found, copied, and never trusted without their digest."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.fleetcast.core.plugins.module_utils._artifact import reuse
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.layout import Layout
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.manifest import Manifest
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.ranges import Ranges, subtract
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.reuse import OlderContent, take_over
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.scan import scan
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.spool import Spool
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.engine

#: Bytes in a section of the geometry below.
SECTION = 120


def manifest_of(path: Path) -> Manifest:
    return scan(str(path), symbol_size=10, row_symbols=4, section_rows=3)


def spool_of(folder: Path, manifest: Manifest) -> Spool:
    return Spool(str(folder / "part"), str(folder / "map"), manifest.layout, manifest.section_digests)


def found(manifest: Manifest, root: Path) -> list[int]:
    return [section for section, _view in OlderContent(manifest, os.fsencode(root)).matching(range(manifest.layout.sections))]


@pytest.fixture
def data() -> bytearray:
    return bytearray(random.Random(1).randbytes(10 * SECTION + 7))


@pytest.fixture
def manifest(tmp_path: Path, data: bytearray) -> Manifest:
    (tmp_path / "new").write_bytes(data)
    return manifest_of(tmp_path / "new")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(lambda data: data, list(range(11)), id="the same"),
        pytest.param(lambda data: data[: 3 * SECTION + 5] + b"!" + data[3 * SECTION + 6 :], [0, 1, 2, 4, 5, 6, 7, 8, 9, 10], id="a byte differs"),
        pytest.param(lambda data: data[: 4 * SECTION + 1], [0, 1, 2, 3], id="shorter"),
        pytest.param(lambda data: data + b"more", list(range(11)), id="longer"),
        pytest.param(lambda data: b"!" + data, [], id="shifted"),
        pytest.param(lambda data: b"", [], id="empty"),
    ],
)
def test_what_an_older_file_has(tmp_path: Path, data: bytearray, manifest: Manifest, change: object, expected: list[int]) -> None:
    assert callable(change)
    old = tmp_path / "old"
    old.write_bytes(change(data))
    before = (old.read_bytes(), old.stat().st_mtime_ns)
    assert found(manifest, old) == expected
    with spool_of(tmp_path, manifest) as spool:
        older = OlderContent(manifest, os.fsencode(old))
        lengths = [manifest.layout.section_length(section) for section in expected]
        assert take_over(older, spool) == sum(lengths)
        assert [section for section in range(11) if spool.is_verified(section)] == expected
        assert spool.missing_bytes == manifest.size - sum(lengths)
        assert all(spool.verify_section(section) for section in expected), "what was copied is what the digest says"
        assert take_over(older, spool) == 0, "once is enough"
    with spool_of(tmp_path, manifest) as again:
        assert again.resumed and again.searched
    assert (old.read_bytes(), old.stat().st_mtime_ns) == before


def test_what_is_no_file_is_not_read(tmp_path: Path, data: bytearray, manifest: Manifest) -> None:
    (tmp_path / "link").symlink_to("new")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    for name in ("link", "fifo", "folder", "absent", "folder/absent", "new/below a file"):
        older = OlderContent(manifest, os.fsencode(tmp_path / name))
        assert (older.size, list(older.matching(range(11)))) == (0, [])


def test_a_file_that_is_cut_while_it_is_read(tmp_path: Path, data: bytearray, manifest: Manifest) -> None:
    old = tmp_path / "old"
    old.write_bytes(data)
    sections = OlderContent(manifest, os.fsencode(old)).matching(range(11))
    assert next(sections)[0] == 0
    os.truncate(old, 2 * SECTION)
    assert [section for section, _view in sections] == [1]


def test_a_spool_that_was_filled_in_part_is_filled_up(tmp_path: Path, data: bytearray, manifest: Manifest) -> None:
    old = tmp_path / "old"
    old.write_bytes(data[: 6 * SECTION])
    with spool_of(tmp_path, manifest) as spool:
        # An earlier process took the last sections from the network and died before it had looked at the old file.
        for section in (9, 10):
            spool.hold_section(section, data[section * SECTION : (section + 1) * SECTION])
        assert take_over(OlderContent(manifest, os.fsencode(old)), spool) == 6 * SECTION
        assert spool.missing_ranges() == [(6 * SECTION, 3 * SECTION)]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Files whose ends are not those of sections, an empty one among them."""
    root = tmp_path / "tree"
    root.mkdir()
    for number in range(20):
        (root / f"{number:02}").write_bytes(random.Random(number).randbytes(0 if number == 7 else 50 + 13 * number))
    return root


def sections_of(manifest: Manifest, name: str) -> set[int]:
    """The sections in which a file of the tree has bytes, by adding up sizes."""
    begin = sum(entry.size for entry in manifest.files if entry.path < name)
    size = next(entry.size for entry in manifest.files if entry.path == name)
    return set(range(begin // SECTION, (begin + size - 1) // SECTION + 1))


def test_a_tree_of_which_some_files_changed(tmp_path: Path, tree: Path) -> None:
    old = tmp_path / "old"
    old.mkdir()
    for path in tree.iterdir():
        (old / path.name).write_bytes(path.read_bytes())
    (old / "unrelated").write_bytes(b"x" * 500)
    # Shorter, longer, other, and gone: every file keeps its place in the stream whatever the sizes of the old ones were.
    (tree / "03").write_bytes(b"short")
    (tree / "10").write_bytes((tree / "10").read_bytes() + b"longer" * 30)
    (tree / "15").write_bytes(bytes((tree / "15").stat().st_size))
    (old / "18").unlink()
    manifest = manifest_of(tree)
    lost = sections_of(manifest, "03") | sections_of(manifest, "15") | sections_of(manifest, "18")
    grown = sections_of(manifest, "10")
    same = set(found(manifest, old))
    assert same >= set(range(manifest.layout.sections)) - lost - grown
    assert not same & lost


def test_sections_too_large_for_memory_are_received(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytearray, manifest: Manifest) -> None:
    (tmp_path / "old").write_bytes(data)
    monkeypatch.setattr(reuse, "SECTION_MAX", SECTION - 1)
    assert OlderContent(manifest, os.fsencode(tmp_path / "old")).size == 0
    assert found(manifest, tmp_path / "old") == []
    assert Layout(1).section_bytes < 32 * 1024 * 1024, "the usual section is far from that"


def _spans(points: list[int]) -> Ranges:
    """Ranges between each two of the points."""
    return [(begin, end - begin) for begin, end in zip(points[::2], points[1::2], strict=False)]


_RANGES = st.sets(st.integers(0, 60), max_size=12).map(sorted).map(_spans)


def _bytes_of(ranges: Ranges) -> Iterator[int]:
    for offset, length in ranges:
        yield from range(offset, offset + length)


@given(_RANGES, _RANGES)
def test_subtracting_is_that_of_sets(ranges: Ranges, holes: Ranges) -> None:
    rest = subtract(ranges, holes)
    assert list(_bytes_of(rest)) == sorted(set(_bytes_of(ranges)) - set(_bytes_of(holes)))
    assert all(length > 0 for _offset, length in rest)
