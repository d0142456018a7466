# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading many files as one stream, and noticing that they change."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.stream import SourceChanged, SourceFile, StreamError, StreamReader
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.push


def make(folder: Path, sizes: list[int]) -> tuple[list[tuple[str, int]], bytes]:
    files, whole = [], b""
    for number, size in enumerate(sizes):
        data = random.Random(number).randbytes(size)
        path = folder / f"file {number}"
        path.write_bytes(data)
        files.append((str(path), size))
        whole += data
    return files, whole


def read(reader: StreamReader, offset: int, length: int) -> bytes:
    buffer = bytearray(length)
    reader.read_into(offset, memoryview(buffer))
    return bytes(buffer)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 300), max_size=30), st.data())
def test_any_part_of_any_files(tmp_path_factory: pytest.TempPathFactory, sizes: list[int], data: st.DataObject) -> None:
    files, whole = make(tmp_path_factory.mktemp("stream"), sizes)
    with StreamReader(files) as reader:
        assert reader.size == len(whole)
        for _ in range(5):
            offset = data.draw(st.integers(0, len(whole)))
            length = data.draw(st.integers(0, len(whole) - offset))
            assert read(reader, offset, length) == whole[offset : offset + length]


def test_few_files_are_open_at_once(tmp_path: Path) -> None:
    files, whole = make(tmp_path, [10] * 200)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with StreamReader(files) as reader:
        assert read(reader, 0, 2000) == whole
        assert len(list(Path("/proc/self/fd").iterdir())) <= before + 16
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_outside_is_refused(tmp_path: Path) -> None:
    files, _whole = make(tmp_path, [100])
    with StreamReader(files) as reader, pytest.raises(StreamError, match="outside"):
        read(reader, 90, 11)


def test_a_missing_or_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StreamError, match="no such thing"):
        StreamReader([(str(tmp_path / "no such thing"), 5)])
    with pytest.raises(StreamError):
        StreamReader([(str(tmp_path / "file" / "below a file"), 5)])


@pytest.mark.parametrize("change", ["append", "cut", "overwrite", "replace"])
def test_a_change_is_noticed_and_named(tmp_path: Path, change: str) -> None:
    files, _whole = make(tmp_path, [100, 100])
    path = Path(files[1][0])
    os.utime(path, (1, 1))
    with StreamReader(files) as reader:
        if change != "replace":
            read(reader, 0, 200)
        if change == "append":
            with path.open("ab") as file:
                file.write(b"x")
        elif change == "cut":
            os.truncate(path, 50)
        elif change == "overwrite":
            with path.open("r+b") as file:
                file.write(b"x")
        else:
            other = tmp_path / "other"
            other.write_bytes(bytes(100))
            os.utime(other, (1, 1))
            other.replace(path)
        assert read(reader, 0, 100)
        with pytest.raises(SourceChanged) as caught:
            read(reader, 100, 100)
        assert caught.value.path == str(path)


def test_differs_from_what_an_earlier_step_saw(tmp_path: Path) -> None:
    files, _whole = make(tmp_path, [100])
    path, size = files[0]
    seen = Path(path).stat().st_mtime_ns
    StreamReader([SourceFile(path, size, seen)]).close()
    with pytest.raises(SourceChanged, match="size"):
        StreamReader([(path, 99)])
    with pytest.raises(SourceChanged, match="mtime_ns"):
        StreamReader([SourceFile(path, size, seen - 1)])
