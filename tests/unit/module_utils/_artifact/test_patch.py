# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ranges cut out of a source arrive in a spool, and nothing but the artifact's own bytes ever counts there."""

from __future__ import annotations

import itertools
import json
import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.errors import PatchError, RangeError, SourceError
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.extract import extract
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.manifest import Manifest
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.patch import apply_patch
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.scan import scan
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.spool import Spool
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.stream import StreamError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.push

SIZE = 10_050


def small_scan(source: Path) -> Manifest:
    """Sections of 1,200 bytes."""
    return scan(str(source), symbol_size=100, row_symbols=4, section_rows=3)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(os.urandom(SIZE))
    return path


@pytest.fixture
def manifest(source: Path) -> Manifest:
    return small_scan(source)


def new_spool(folder: Path, manifest: Manifest) -> Spool:
    return Spool(str(folder / "part"), str(folder / "map"), manifest.layout, manifest.section_digests)


def apply(path: Path, manifest: Manifest, spool: Spool) -> int:
    with path.open("rb") as patch:
        return apply_patch(patch, manifest, spool)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(cuts=st.lists(st.integers(0, SIZE), max_size=8))
def test_any_cuts_add_up_to_the_source(cuts: list[int], source: Path, manifest: Manifest, tmp_path: Path) -> None:
    """Patches of any ranges, aligned or not, and what the spool then says is missing, together are the whole."""
    edges = sorted({0, SIZE, *cuts})
    pieces = [(begin, end - begin) for begin, end in itertools.pairwise(edges)]
    with new_spool(tmp_path, manifest) as spool:
        for ranges in (pieces[::2], pieces[1::2]):
            extract(manifest, ranges, str(source), str(tmp_path / "patch"))
            assert apply(tmp_path / "patch", manifest, spool) == sum(length for _offset, length in ranges)
        extract(manifest, spool.missing_ranges(), str(source), str(tmp_path / "patch"))
        apply(tmp_path / "patch", manifest, spool)
        assert spool.complete
        assert spool.missing_ranges() == []
        assert (tmp_path / "part").read_bytes() == source.read_bytes()
        spool.discard()


def test_patch_is_as_small_as_what_is_missing(source: Path, manifest: Manifest, tmp_path: Path) -> None:
    result = extract(manifest, [(100, 100), (5000, 300)], str(source), str(tmp_path / "patch"))
    assert result["range_bytes"] == 400
    assert result["patch_bytes"] == (tmp_path / "patch").stat().st_size < 600
    content = source.read_bytes()
    assert (tmp_path / "patch").read_bytes().endswith(content[100:200] + content[5000:5300])
    assert (tmp_path / "patch").stat().st_mode & 0o777 == 0o600


def test_source_that_changed_gives_no_patch(source: Path, manifest: Manifest, tmp_path: Path) -> None:
    content = bytearray(source.read_bytes())
    content[5000] ^= 1
    source.write_bytes(content)
    with pytest.raises(SourceError, match="bytes 4800 to 6000 have changed"):
        extract(manifest, [(5100, 10)], str(source), str(tmp_path / "patch"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source"]
    extract(manifest, [(0, 4800)], str(source), str(tmp_path / "patch"))


def test_source_of_another_size_or_gone(source: Path, manifest: Manifest, tmp_path: Path) -> None:
    source.write_bytes(b"short")
    with pytest.raises(StreamError, match="size is 5, expected 10050"):
        extract(manifest, [(0, 10)], str(source), None)
    source.unlink()
    with pytest.raises(StreamError, match="No such file"):
        extract(manifest, [(0, 10)], str(source), None)


def test_destination_of_the_patch_that_cannot_be_written(source: Path, manifest: Manifest, tmp_path: Path) -> None:
    with pytest.raises(PatchError, match=r"cannot write the patch .*nowhere/patch: No such file"):
        extract(manifest, [(0, 10)], str(source), str(tmp_path / "nowhere" / "patch"))


def test_wrong_bytes_in_a_patch_are_missing_again(source: Path, manifest: Manifest, tmp_path: Path) -> None:
    extract(manifest, [(0, SIZE)], str(source), str(tmp_path / "patch"))
    damaged = bytearray((tmp_path / "patch").read_bytes())
    damaged[-1] ^= 1
    (tmp_path / "patch").write_bytes(damaged)
    with new_spool(tmp_path, manifest) as spool:
        apply(tmp_path / "patch", manifest, spool)
        assert not spool.complete
        assert spool.missing_ranges() == [(9600, 450)]


def test_patch_of_another_artifact_is_refused(source: Path, manifest: Manifest, tmp_path: Path) -> None:
    extract(manifest, [(0, 100)], str(source), str(tmp_path / "patch"))
    (tmp_path / "other").write_bytes(os.urandom(SIZE))
    other = small_scan(tmp_path / "other")
    with new_spool(tmp_path, other) as spool, pytest.raises(PatchError, match="patch of the artifact"):
        apply(tmp_path / "patch", other, spool)


def raw_patch(header: object, body: bytes = b"", length: int | None = None) -> bytes:
    text = json.dumps(header).encode()
    return b"fc-patch-1\n" + struct.pack("!I", len(text) if length is None else length) + text + body


@pytest.mark.parametrize(
    "make",
    [
        lambda digest: b"",
        lambda digest: b"fc-patch-1\n",
        lambda digest: b"something else entirely",
        lambda digest: raw_patch({}),
        lambda digest: raw_patch([]),
        lambda digest: raw_patch({"artifact": digest, "ranges": [[0, 100]]}, b"too short"),
        lambda digest: raw_patch({"artifact": digest, "ranges": [[0, 100]]}, bytes(101)),
        lambda digest: raw_patch({"artifact": digest, "ranges": [[0, SIZE + 1]]}, bytes(SIZE + 1)),
        lambda digest: raw_patch({"artifact": digest, "ranges": [[100, 100], [0, 100]]}, bytes(200)),
        lambda digest: raw_patch({"artifact": digest, "ranges": [[0, 100]]}, bytes(100), length=2**32 - 1),
        lambda digest: raw_patch({"artifact": digest, "ranges": [[0, 100]]}, bytes(100), length=5),
        lambda digest: raw_patch({"artifact": "0" * 64, "ranges": [[0, 100]]}, bytes(100)),
    ],
)
def test_damaged_patch_writes_nothing(make: Callable[[str], bytes], manifest: Manifest, tmp_path: Path) -> None:
    (tmp_path / "patch").write_bytes(make(manifest.digest))
    with new_spool(tmp_path, manifest) as spool:
        with pytest.raises((PatchError, RangeError)):
            apply(tmp_path / "patch", manifest, spool)
        assert spool.missing_ranges() == [(0, SIZE)]


def test_sound_patch_made_by_hand_is_taken(source: Path, manifest: Manifest, tmp_path: Path) -> None:
    """What the test above damages is right otherwise."""
    (tmp_path / "patch").write_bytes(raw_patch({"artifact": manifest.digest, "ranges": [[0, 1200]]}, source.read_bytes()[:1200]))
    with new_spool(tmp_path, manifest) as spool:
        assert apply(tmp_path / "patch", manifest, spool) == 1200
        assert spool.is_verified(0)
