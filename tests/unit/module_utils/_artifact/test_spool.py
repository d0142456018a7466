# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The spool: on a real file system, killed in the middle, on a full disk, held by two."""

from __future__ import annotations

import hashlib
import itertools
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.fleetcast.core.plugins.module_utils._artifact import spool as spool_module
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.errors import DiskFull, SpoolBusy, SpoolError
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.layout import Layout
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.spool import Spool
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.push

#: Small geometry, so that many sections cost little: 10-byte symbols, 4 in a row, 3 rows in a section.
SMALL = {"symbol_size": 10, "row_symbols": 4, "section_rows": 3}


def digests(data: bytes, layout: Layout) -> list[bytes]:
    step = layout.section_bytes
    return [hashlib.sha256(data[begin : begin + step]).digest() for begin in range(0, len(data), step)]


class Stream:
    def __init__(self, folder: Path, size: int, **geometry: int) -> None:
        self.data = random.Random(size).randbytes(size)
        self.layout = Layout(size, **(geometry or SMALL))
        self.digests = digests(self.data, self.layout)
        self.part, self.map = folder / "part", folder / "map"

    def open(self) -> Spool:
        return Spool(str(self.part), str(self.map), self.layout, self.digests)

    def put(self, spool: Spool, first: int, count: int) -> int:
        """Write and mark symbols, as they are in the stream."""
        begin = first * self.layout.symbol_size
        spool.write(begin, [self.data[begin : begin + count * self.layout.symbol_size]])
        return spool.mark(first, count)


@pytest.fixture
def stream(tmp_path: Path) -> Stream:
    return Stream(tmp_path, 1005)


def test_fills_verifies_and_is_complete(stream: Stream) -> None:
    with stream.open() as spool:
        assert not spool.resumed and not spool.complete
        assert spool.missing_ranges() == [(0, 1005)]
        for first in range(0, stream.layout.symbols, 7):
            stream.put(spool, first, min(7, stream.layout.symbols - first))
        assert all(spool.verify_section(section) for section in range(stream.layout.sections))
        assert spool.complete and spool.missing_ranges() == [] and spool.missing_bytes == 0
    assert stream.part.read_bytes() == stream.data


def test_marks_count_what_is_new(stream: Stream) -> None:
    with stream.open() as spool:
        assert stream.put(spool, 2, 3) == 3
        assert stream.put(spool, 3, 4) == 2
        assert spool.is_marked(6) and not spool.is_marked(7)


def test_a_wrong_section_is_missing_again(stream: Stream) -> None:
    with stream.open() as spool:
        stream.put(spool, 0, 12)
        spool.write(5, [b"!"])
        assert not spool.verify_section(0)
        assert spool.missing_ranges() == [(0, 1005)]


def test_is_continued_where_it_was_left(stream: Stream) -> None:
    with stream.open() as spool:
        stream.put(spool, 0, 12)
        assert spool.verify_section(0)
        stream.put(spool, 14, 2)
        stream.put(spool, 24, 12)
    with stream.open() as spool:
        assert spool.resumed and spool.is_verified(0)
        # Section 2 had all its symbols: found out at opening.
        assert spool.is_verified(2)
        assert spool.missing_ranges() == [(120, 20), (160, 80), (360, 645)]


def test_survives_kill_in_the_middle(stream: Stream) -> None:
    """A process writes row after row and is killed without warning: what it marked is there, and nothing else is claimed."""
    code = (
        "import sys; sys.path[:0] = sys.argv[5:]\n"
        f"from {spool_module.__name__} import Spool\n"
        f"from {Layout.__module__} import Layout\n"
        "import random\n"
        "size = int(sys.argv[3]); data = random.Random(size).randbytes(size)\n"
        "digests = [bytes.fromhex(text) for text in sys.argv[4].split(',')]\n"
        f"spool = Spool(sys.argv[1], sys.argv[2], Layout(size, **{SMALL!r}), digests)\n"
        "for first in range(0, 60):\n"
        "    spool.write(first * 10, [data[first * 10 : first * 10 + 10]]); spool.mark(first, 1)\n"
        "print('written', flush=True)\n"
        "import time; time.sleep(60)\n"
    )
    texts = ",".join(digest.hex() for digest in stream.digests)
    process = subprocess.Popen([sys.executable, "-c", code, str(stream.part), str(stream.map), "1005", texts, *sys.path], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"written\n"
    with pytest.raises(SpoolBusy, match="another process"):
        stream.open()
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=10)
    process.stdout.close()
    with stream.open() as spool:
        assert spool.missing_ranges() == [(600, 405)]
        assert list(spool.verified[:5]) == [1] * 5


def test_after_a_power_cut_flags_are_not_believed(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    """The map reached the disk and the data did not: on the next boot the sections are read again."""
    with stream.open() as spool:
        stream.put(spool, 0, 24)
        assert spool.verify_section(0) and spool.verify_section(1)
    with stream.part.open("r+b") as file:
        file.write(bytes(50))
    monkeypatch.setattr(spool_module, "_boot_id", lambda: b"another boot ...")
    with stream.open() as spool:
        assert list(spool.verified[:2]) == [0, 1]
        assert spool.missing_ranges()[0] == (0, 120)


def test_another_artifact_begins_anew(stream: Stream) -> None:
    with stream.open() as spool:
        stream.put(spool, 0, 12)
        spool.verify_section(0)
    stream.digests[1] = bytes(32)
    with stream.open() as spool:
        assert not spool.resumed
        assert spool.missing_bytes == 1005


@pytest.mark.parametrize("damage", ["cut map", "cut part", "no part", "noise"])
def test_damaged_files_begin_anew(stream: Stream, damage: str) -> None:
    with stream.open() as spool:
        stream.put(spool, 0, 12)
    if damage == "cut map":
        os.truncate(stream.map, 70)
    elif damage == "cut part":
        os.truncate(stream.part, 70)
    elif damage == "no part":
        stream.part.unlink()
    else:
        stream.map.write_bytes(random.Random(0).randbytes(stream.map.stat().st_size))
    with stream.open() as spool:
        assert spool.missing_bytes == 1005
        assert stream.part.stat().st_size == 1005


def test_an_empty_stream_is_complete(tmp_path: Path) -> None:
    stream = Stream(tmp_path, 0)
    with stream.open() as spool:
        assert spool.complete and spool.missing_ranges() == []
    with stream.open() as spool:
        assert spool.resumed and spool.complete
        spool.discard()
    assert list(tmp_path.iterdir()) == []


def test_discard_leaves_nothing(stream: Stream, tmp_path: Path) -> None:
    spool = stream.open()
    spool.discard()
    assert list(tmp_path.iterdir()) == []


def test_writes_and_marks_outside_are_refused(stream: Stream) -> None:
    with stream.open() as spool:
        for offset, data in ((-1, b"x"), (1000, b"123456")):
            with pytest.raises(SpoolError, match="outside"):
                spool.write(offset, [data])
        for first, count in ((-1, 1), (100, 2), (0, -1)):
            with pytest.raises(SpoolError):
                spool.mark(first, count)


def test_a_link_in_the_way_is_not_followed(stream: Stream, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    stream.part.symlink_to(victim)
    with pytest.raises(SpoolError):
        stream.open()
    assert victim.read_text() == "precious"
    assert not stream.map.exists()


def test_the_number_of_digests_must_fit(stream: Stream) -> None:
    stream.digests.pop()
    with pytest.raises(SpoolError, match="digests"):
        stream.open()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], check=True, timeout=10)
    yield disk
    subprocess.run(["umount", str(disk)], check=True, timeout=10)


@pytest.mark.lab
def test_a_full_disk_is_known_before_anything_is_written(small_disk: Path) -> None:
    stream = Stream(small_disk, 3_000_000, symbol_size=1400, row_symbols=44, section_rows=64)
    with pytest.raises(DiskFull) as caught:
        stream.open()
    assert caught.value.needed > 3_000_000 and caught.value.free <= 1 << 20
    assert str(stream.part) in str(caught.value)
    assert list(small_disk.iterdir()) == []


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)), max_size=25))
def test_missing_ranges_are_exactly_what_was_not_marked(tmp_path_factory: pytest.TempPathFactory, spans: list[tuple[int, int]]) -> None:
    stream = Stream(tmp_path_factory.mktemp("spool"), 1005)
    held: set[int] = set()
    with stream.open() as spool:
        for first, count in spans:
            count = min(count, stream.layout.symbols - first)
            stream.put(spool, first, count)
            held.update(range(first, first + count))
        for section in range(stream.layout.sections):
            if all(symbol in held for symbol in range(section * 12, min(section * 12 + 12, 101))):
                assert spool.verify_section(section)
        missing = {byte // 10 for offset, length in spool.missing_ranges() for byte in range(offset, offset + length)}
        assert missing == set(range(101)) - held
        ranges = spool.missing_ranges()
        assert all(one[0] + one[1] < other[0] for one, other in itertools.pairwise(ranges))
        assert spool.missing_bytes == sum(length for _offset, length in ranges)
