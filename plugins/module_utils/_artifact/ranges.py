# Copyright (c) 2026 The fleetcast authors
# SPDX-License-Identifier: BSD-2-Clause
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
"""Lists of byte ranges of a stream: (offset, length), ascending, not touching each other."""

from __future__ import annotations

from typing import Any, Iterable, List, Tuple

from .errors import RangeError

Ranges = List[Tuple[int, int]]


def merge(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """The same bytes in the fewest ranges, ascending. Empty ranges vanish."""
    merged: Ranges = []
    for offset, length in sorted(ranges):
        if length == 0:
            continue
        if merged and offset <= merged[-1][0] + merged[-1][1]:
            start, covered = merged[-1]
            merged[-1] = (start, max(covered, offset + length - start))
        else:
            merged.append((offset, length))
    return merged


def total(ranges: Iterable[tuple[int, int]]) -> int:
    """Bytes in the ranges, which must not overlap."""
    return sum(length for _offset, length in ranges)


def subtract(ranges: Ranges, holes: Ranges) -> Ranges:
    """What is in `ranges` and not in `holes`; both ascending and apart."""
    rest: Ranges = []
    index = 0
    for offset, length in ranges:
        end = offset + length
        while index < len(holes) and sum(holes[index]) <= offset:
            index += 1
        at = index
        while offset < end and at < len(holes) and holes[at][0] < end:
            begin, hole = holes[at]
            if begin > offset:
                rest.append((offset, begin - offset))
            offset = begin + hole
            at += 1
        if offset < end:
            rest.append((offset, end - offset))
    return rest


def first(ranges: Ranges, max_bytes: int, unit: int) -> Ranges:
    """The first ranges with at most `max_bytes` together, the last of them cut at a multiple of `unit` bytes from its begin; at least one unit."""
    left = max(max_bytes, unit)
    taken: Ranges = []
    for offset, length in ranges:
        whole = length <= left
        if not whole:
            length = left - left % unit
        if length:
            taken.append((offset, length))
            left -= length
        if not whole or not left:
            break
    return taken


def checked(values: Any, size: int) -> Ranges:
    """Ranges that came from outside, merged.

    :param values: a list of [offset, length].
    :param size: bytes in the stream.
    :raises RangeError: not such a list, or not within the stream.
    """
    if not isinstance(values, list):
        raise RangeError(f"ranges must be a list of [offset, length] in bytes, not {values!r:.100}")
    pairs = []
    for value in values:
        try:
            offset, length = (int(number) for number in value)
        except (TypeError, ValueError, OverflowError) as error:
            raise RangeError(f"a range must be [offset, length] in bytes, not {value!r}") from error
        if offset < 0 or length < 0 or offset + length > size:
            raise RangeError(f"the range of {length} bytes from {offset} is not within an artifact of {size} bytes")
        pairs.append((offset, length))
    return merge(pairs)
