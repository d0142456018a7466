# Copyright (c) 2026 The fleetcast authors
# SPDX-License-Identifier: BSD-2-Clause
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
"""Building batches of data and parity packets without copying the payload."""

from __future__ import annotations

from typing import Sequence, Union

from .._artifact.layout import Layout
from . import auth, wire
from .sockets import Batch

Buffer = Union[bytes, bytearray, memoryview]


class BatchBuilder:
    """Headers for up to a row of packets, written with strided assignments: a row costs a few, not one per packet.

    A batch is valid until the next one is built. :attr:`row` is where the caller puts a row's data (or the part of it that is to go out).
    """

    def __init__(self, session_id: bytes, layout: Layout, data_key: bytes) -> None:
        self._layout = layout
        self._data_key = data_key
        self._stride = wire.HEADER_BYTES + auth.DATA_MAC_BYTES
        count = layout.row_symbols
        self._heads = bytearray((session_id.ljust(self._stride, b"\0")) * count)
        heads = memoryview(self._heads)
        self._plain = [heads[at : at + wire.HEADER_BYTES] for at in range(0, len(heads), self._stride)]
        self._secured = [heads[at : at + self._stride] for at in range(0, len(heads), self._stride)]
        self.row = memoryview(bytearray(layout.row_bytes))
        size = layout.symbol_size
        self._symbols = [self.row[at : at + size] for at in range(0, layout.row_bytes, size)]
        self._all_columns = bytes(range(count))
        self._full_row: list[Buffer] = [part for pair in zip(self._plain, self._symbols) for part in pair]

    def data(self, section: int, row: int, first: int, count: int, length: int, secured: bool) -> Batch:
        """``count`` symbols from column ``first`` of a row, whose ``length`` bytes stand at the beginning of :attr:`row`."""
        self._head(section, wire.DATA, row, self._all_columns[first : first + count], secured)
        whole = length == count * self._layout.symbol_size
        if whole and not secured:
            return self._batch(self._full_row[: 2 * count], count, length, secured)
        payloads: list[Buffer] = [*self._symbols[: count - 1], self.row[(count - 1) * self._layout.symbol_size : length]]
        return self._join(payloads, length, secured)

    def parity(self, section: int, parity_row: int, columns: Sequence[int], symbols: bytes, secured: bool) -> Batch:
        """One parity row's symbols of ``columns``, side by side in ``symbols`` as full symbols."""
        size = self._layout.symbol_size
        keep = min(size, self._layout.section_length(section))
        view = memoryview(symbols)
        self._head(section, wire.PARITY, parity_row, bytes(columns), secured)
        payloads = [view[at : at + keep] for at in range(0, len(columns) * size, size)]
        return self._join(payloads, keep * len(columns), secured)

    def _head(self, section: int, kind: int, row: int, columns: bytes, secured: bool) -> None:
        count, stride = len(columns), self._stride
        end = count * stride
        for at, value in enumerate(section.to_bytes(4, "big"), auth.SESSION_ID_BYTES):
            self._heads[at:end:stride] = bytes((value,)) * count
        self._heads[wire.KIND_AT : end : stride] = bytes((kind | wire.WITH_MAC * secured,)) * count
        self._heads[wire.ROW_AT : end : stride] = bytes((row,)) * count
        self._heads[wire.COLUMN_AT : end : stride] = columns

    def _join(self, payloads: Sequence[Buffer], length: int, secured: bool) -> Batch:
        heads = self._secured if secured else self._plain
        if secured:
            for head, payload in zip(heads, payloads):
                head[wire.HEADER_BYTES :] = auth.data_mac(self._data_key, bytes(head[: wire.HEADER_BYTES]), bytes(payload))
        return self._batch([part for pair in zip(heads, payloads) for part in pair], len(payloads), length, secured)

    def _batch(self, buffers: Sequence[Buffer], count: int, length: int, secured: bool) -> Batch:
        head = self._stride if secured else wire.HEADER_BYTES
        return Batch(buffers, head + len(buffers[1]), count, length + count * head)
