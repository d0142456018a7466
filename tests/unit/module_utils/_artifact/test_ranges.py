# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of byte ranges, judged by the sets of bytes that they stand for."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.errors import RangeError
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.ranges import checked, first, merge, total
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.push

RANGES = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)), max_size=12)


def bytes_of(ranges: list[tuple[int, int]]) -> set[int]:
    return {byte for offset, length in ranges for byte in range(offset, offset + length)}


@given(RANGES)
def test_merge_keeps_the_bytes_and_leaves_gaps(ranges: list[tuple[int, int]]) -> None:
    merged = merge(ranges)
    assert bytes_of(merged) == bytes_of(ranges)
    assert total(merged) == len(bytes_of(ranges))
    assert all(before[0] + before[1] < after[0] for before, after in itertools.pairwise(merged))


@given(RANGES, st.integers(-1, 100), st.integers(1, 9))
def test_first_takes_a_prefix_within_the_limit(ranges: list[tuple[int, int]], limit: int, unit: int) -> None:
    merged = merge(ranges)
    taken = first(merged, limit, unit)
    every = sorted(bytes_of(merged))
    some = sorted(bytes_of(taken))
    assert some == every[: len(some)]
    assert len(some) <= max(limit, unit)
    assert bool(some) == bool(every)
    for (offset, length), (_offset, whole) in zip(taken, merged, strict=False):
        assert length == whole or (offset, length) == taken[-1]
        assert length == whole or length % unit == 0


@given(RANGES)
def test_rounds_come_to_an_end_and_carry_every_byte_once(ranges: list[tuple[int, int]]) -> None:
    left = merge(ranges)
    carried: list[int] = []
    while left:
        taken = first(left, 7, 3)
        assert taken
        carried += sorted(bytes_of(taken))
        left = merge([(byte, 1) for byte in bytes_of(left) - bytes_of(taken)])
    assert carried == sorted(bytes_of(ranges))


def test_ranges_from_outside_are_merged() -> None:
    assert checked([[4, 2], ["0", 4], [9, 0]], 6 + 3) == [(0, 6)]


@pytest.mark.parametrize("values", [[[0, 11]], [[-1, 2]], [[2, -1]], [[1]], [[1, 2, 3]], [["a", 1]], [[None, 1]], [7], [{}]])
def test_ranges_outside_the_artifact_are_refused(values: Any) -> None:
    with pytest.raises(RangeError):
        checked(values, 10)
