# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The erasure code against a slow GF(256) of the test's own: shift-and-add multiplication, no tables, nothing shared."""

from __future__ import annotations

import itertools
import random

import pytest
from ansible_collections.fleetcast.core.plugins.module_utils._multicast import fec

pytestmark = [pytest.mark.push, pytest.mark.engine]


def slow_multiply(one: int, other: int) -> int:
    product = 0
    while other:
        if other & 1:
            product ^= one
        one <<= 1
        if one & 0x100:
            one ^= 0x11D
        other >>= 1
    return product


def slow_inverse(value: int) -> int:
    return next(candidate for candidate in range(1, 256) if slow_multiply(value, candidate) == 1)


def slow_parity(parity_row: int, data: list[bytes]) -> bytes:
    """Cauchy row 1/(x_i + y_j), columns scaled by (x_0 + y_j), byte by byte."""
    total = bytearray(len(data[0]))
    for index, symbol in enumerate(data):
        weight = slow_multiply(128 ^ index, slow_inverse((128 + parity_row) ^ index))
        for at, byte in enumerate(symbol):
            total[at] ^= slow_multiply(weight, byte)
    return bytes(total)


def encode(parity_row: int, data: list[bytes]) -> bytes:
    total = fec.RowSum(len(data[0]))
    for index, symbol in enumerate(data):
        total.add(fec.coefficient(parity_row, index), symbol)
    return total.value()


def decode(data: list[bytes | None], parity: dict[int, bytes]) -> list[bytes]:
    """As the receiver does: sums of what is there, then the small system."""
    length = len(next(iter(parity.values()))) if parity else len(data[0] or b"")
    missing = tuple(index for index, symbol in enumerate(data) if symbol is None)
    used = tuple(sorted(parity))[: len(missing)]
    syndromes = []
    for row in used:
        total = fec.RowSum(length)
        total.add(1, parity[row])
        for index, symbol in enumerate(data):
            if symbol is not None:
                total.add(fec.coefficient(row, index), symbol)
        syndromes.append(total.value())
    whole = list(data)
    for index, weights in zip(missing, fec.decoder(used, missing), strict=True):
        total = fec.RowSum(length)
        for weight, syndrome in zip(weights, syndromes, strict=True):
            total.add(weight, syndrome)
        whole[index] = total.value()
    return [symbol for symbol in whole if symbol is not None]


def test_multiplication_and_division_agree_with_the_definition() -> None:
    for one, other in itertools.product(range(256), repeat=2):
        assert fec.multiply(one, other) == slow_multiply(one, other)
    for value in range(1, 256):
        assert fec.divide(1, value) == slow_inverse(value)
    with pytest.raises(ZeroDivisionError):
        fec.divide(1, 0)


def test_first_parity_row_is_plain_xor() -> None:
    data = [random.Random(index).randbytes(50) for index in range(64)]
    expected = bytes(50)
    for symbol in data:
        expected = bytes(one ^ other for one, other in zip(expected, symbol, strict=True))
    assert encode(0, data) == expected


@pytest.mark.parametrize("parity_row", [0, 1, 2, 7, 63, 127])
def test_parity_agrees_with_the_slow_code(parity_row: int) -> None:
    data = [random.Random(index).randbytes(20) for index in range(64)]
    assert encode(parity_row, data) == slow_parity(parity_row, data)


@pytest.mark.parametrize("count", [1, 2, 5, 64, 128])
def test_rows_make_the_same_parity_as_the_slow_code(count: int) -> None:
    """Planes of bits and doublings, over rows long enough for carries to cross the digits of Python's integers, and with all bits set."""
    generator = random.Random(count)
    data = [generator.randbytes(37) for _ in range(count - 1)] + [b"\xff" * 37]
    rows = fec.Rows(37)
    for symbol in data:
        rows.append(symbol)
    for parity_row in (0, 1, 2, 63, 127):
        assert rows.parity(parity_row).to_bytes(37, "little") == slow_parity(parity_row, data)


def test_groups_cover_every_column_once_with_all_its_parity_rows() -> None:
    generator = random.Random(3)
    rows_of = {column: generator.sample(range(20), generator.randint(1, 9)) for column in range(44) if column != 7}
    seen: list[int] = []
    for columns, parity_rows in fec.groups(rows_of):
        seen += columns
        assert set(parity_rows) == set().union(*(rows_of[column] for column in columns))
    assert sorted(seen) == sorted(rows_of)
    assert list(fec.groups({})) == []


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_every_erasure_pattern_of_small_blocks(count: int) -> None:
    """All ways to lose data symbols, and all choices of as many out of count + 2 parity symbols made by the slow code."""
    data = [random.Random(count * 100 + index).randbytes(6) for index in range(count)]
    parity = {row: slow_parity(row, data) for row in range(count + 2)}
    for lost in range(1, count + 1):
        for missing in itertools.combinations(range(count), lost):
            damaged = [None if index in missing else symbol for index, symbol in enumerate(data)]
            for rows in itertools.combinations(parity, lost):
                assert decode(damaged, {row: parity[row] for row in rows}) == data


@pytest.mark.parametrize("seed", range(12))
def test_random_erasures_of_full_blocks(seed: int) -> None:
    generator = random.Random(seed)
    data = [generator.randbytes(8) for _ in range(64)]
    lost = generator.randint(1, 64)
    missing = set(generator.sample(range(64), lost))
    rows = generator.sample(range(fec.MAX_PARITY_ROWS), lost)
    damaged = [None if index in missing else symbol for index, symbol in enumerate(data)]
    assert decode(damaged, {row: slow_parity(row, data) for row in rows}) == data


def test_half_of_a_block_is_solved_by_the_closed_form() -> None:
    """Weights times the matrix of coefficients are the unit matrix."""
    generator = random.Random(7)
    missing, parity = tuple(generator.sample(range(fec.MAX_DATA_ROWS), 64)), tuple(generator.sample(range(fec.MAX_PARITY_ROWS), 64))
    for index, weights in enumerate(fec.decoder(parity, missing)):
        for column, row in enumerate(missing):
            total = 0
            for weight, parity_row in zip(weights, parity, strict=True):
                total ^= slow_multiply(weight, fec.coefficient(parity_row, row))
            assert total == int(index == column)
