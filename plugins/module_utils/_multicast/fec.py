# Copyright (c) 2026 The fleetcast authors
# SPDX-License-Identifier: BSD-2-Clause
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
"""Reed-Solomon erasure code over GF(256), on rows of bytes, with what the standard library is fast at.

A block is k data symbols, one per row of a section. Parity symbol i is the sum over the data rows j of ``coefficient(i, j) * data[j]``. The
coefficients are a Cauchy matrix 1 / (x_i + y_j) with its columns scaled so that parity row 0 is all ones, plain XOR: scaling keeps every
square submatrix invertible (a Cauchy submatrix times a diagonal one), so any k of the data and parity symbols of a block give the data back.

Adding is XOR of Python integers, which runs at the speed of memory; making an integer of a row, or multiplying a row with ``bytes.translate``, is
fifteen times slower. So :class:`Rows` makes integers of the data rows once and then makes any parity row of them with XOR alone.
"""

from __future__ import annotations

from functools import lru_cache, reduce
from operator import xor
from typing import Iterable, Iterator, Mapping

#: x^8 + x^4 + x^3 + x^2 + 1, with 2 as generator: the field of most Reed-Solomon codes (RFC 5510 section 8.1).
_POLYNOMIAL = 0x11D
#: What x^8 is in the field.
_REDUCTION = _POLYNOMIAL & 0xFF
#: The field has 256 elements; half of them stand for data rows, half for parity rows.
MAX_DATA_ROWS = 128
MAX_PARITY_ROWS = 128
#: Columns worked on together: 64 rows of them are 1 MB at the usual symbol size.
_GROUP_COLUMNS = 11


def _tables() -> tuple[list[int], list[int]]:
    exponents = [0] * 510
    logarithms = [0] * 256
    value = 1
    for power in range(255):
        exponents[power] = exponents[power + 255] = value
        logarithms[value] = power
        value <<= 1
        if value & 0x100:
            value ^= _POLYNOMIAL
    return exponents, logarithms


_EXP, _LOG = _tables()


def multiply(one: int, other: int) -> int:
    return _EXP[_LOG[one] + _LOG[other]] if one and other else 0


def divide(one: int, other: int) -> int:
    if not other:
        raise ZeroDivisionError("division by zero in GF(256)")
    return _EXP[_LOG[one] - _LOG[other] + 255] if one else 0


def coefficient(parity_row: int, data_row: int) -> int:
    """Weight of a data row in a parity row: (x_0 + y_j) / (x_i + y_j) with x_i = 128 + i and y_j = j."""
    return divide(MAX_DATA_ROWS ^ data_row, (MAX_DATA_ROWS + parity_row) ^ data_row)


#: Logarithms as a row of bytes; zero has none, so it gets the one number that is not a logarithm.
_LOG_BYTES = bytes([255, *_LOG[1:]])


@lru_cache(maxsize=256)
def _table(factor: int) -> bytes:
    """All multiples of a factor that is not 0: logarithms, each looked up in a table of powers that begins at the factor's."""
    begin = _LOG[factor]
    return _LOG_BYTES.translate(bytes([*_EXP[begin : begin + 255], 0]))


class RowSum:
    """A growing sum of rows, each times a factor. All rows have ``length`` bytes."""

    __slots__ = ("_length", "_sum")

    def __init__(self, length: int) -> None:
        self._length = length
        self._sum = 0

    def add(self, factor: int, row: bytes) -> None:
        if factor == 1:
            self._sum ^= int.from_bytes(row, "little")
        elif factor:
            self._sum ^= int.from_bytes(row.translate(_table(factor)), "little")

    def value(self) -> bytes:
        return self._sum.to_bytes(self._length, "little")


class Rows:
    """Data rows, or the same columns of each, of which any parity row can be made. All have ``length`` bytes.

    A weighted sum is made bit by bit: the rows whose weight has bit b are added up, for every b, and the eight sums are joined by doubling (Horner).
    That is some 250 additions and 7 doublings of whole rows, where multiplying every row would take 64 passes over single bytes.
    """

    def __init__(self, length: int) -> None:
        self._rows: list[int] = []
        self._high_bits = int.from_bytes(b"\x80" * length, "little")

    def append(self, row: bytes) -> None:
        self._rows.append(int.from_bytes(row, "little"))

    def parity(self, parity_row: int) -> int:
        """A parity row, as a little-endian number."""
        rows = self._rows
        total = 0
        for chosen in _rows_by_bit(parity_row, len(rows)):
            if total:
                carry = total & self._high_bits
                total = (total ^ carry) << 1 ^ (carry >> 7) * _REDUCTION
            total = reduce(xor, [rows[row] for row in chosen], total)
        return total


def groups(rows_of: Mapping[int, Iterable[int]]) -> Iterator[tuple[list[int], list[int]]]:
    """Which columns to work on together, given the parity rows that each is concerned with: (columns, all of their parity rows).

    Columns with many parity rows are kept apart from those with few, and what is in work stays in the processor's second-level cache.
    """
    wanted = {column: set(rows) for column, rows in rows_of.items()}
    order = sorted(wanted, key=lambda column: (-len(wanted[column]), column))
    for at in range(0, len(order), _GROUP_COLUMNS):
        columns = order[at : at + _GROUP_COLUMNS]
        yield columns, sorted(set().union(*(wanted[column] for column in columns)))


@lru_cache(maxsize=256)
def _rows_by_bit(parity_row: int, count: int) -> list[list[int]]:
    """For the bits of a coefficient from the highest to the lowest: which of ``count`` data rows have it in this parity row."""
    weights = [coefficient(parity_row, row) for row in range(count)]
    return [[row for row, weight in enumerate(weights) if weight >> bit & 1] for bit in range(7, -1, -1)]


@lru_cache(maxsize=1024)
def decoder(parity_rows: tuple[int, ...], missing_rows: tuple[int, ...]) -> list[list[int]]:
    """Weights that turn the syndromes of ``parity_rows`` into the missing data rows: one list per missing row.

    The inverse of a Cauchy matrix is known (Knuth, The Art of Computer Programming, volume 1, section 1.2.3, exercise 41), so the work grows with the
    square of the number of rows; elimination's cube held a receiver up for seconds when half of a section was lost. In logarithms products are sums.
    """
    first = MAX_DATA_ROWS
    ends = [MAX_DATA_ROWS + row for row in parity_rows]

    def product(value: int, others: Iterable[int]) -> int:
        return sum(_LOG[value ^ other] for other in others if other != value)

    by_parity = [product(end, missing_rows) - product(end, ends) for end in ends]
    # The matrix is a Cauchy matrix with its columns scaled by first + row, so the rows of the inverse are divided by that.
    by_missing = [product(row, ends) - product(row, missing_rows) - _LOG[first ^ row] for row in missing_rows]
    return [[_EXP[(of_row + of_parity - _LOG[end ^ row]) % 255] for end, of_parity in zip(ends, by_parity)] for row, of_row in zip(missing_rows, by_missing)]
