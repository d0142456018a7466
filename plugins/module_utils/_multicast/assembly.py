# Copyright (c) 2026 The fleetcast authors
# SPDX-License-Identifier: BSD-2-Clause
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
"""The receiver's sections: what arrived, what is lacking, and how parity fills the gaps."""

from __future__ import annotations

import hashlib
from typing import Callable, Iterator, Sequence

from .._artifact.spool import Buffer, Spool
from . import fec, wire

#: Bytes of parity kept for sections that are not finished; beyond it the highest section's parity is dropped and asked for again.
_PARITY_LIMIT = 20 * 1024 * 1024
#: Blocks of fewer rows are always repaired with parity: sending their data again would save nothing.
_SMALL_BLOCK_ROWS = 8


#: ``hashed`` of a section whose digest must be made from the disk.
_UNHASHED = -1


class _Section:
    """State of one section that is not verified. ``parity``: per column, parity row -> symbol. ``digest`` has taken in the first ``hashed``
    symbols as they came, so that they need not be read back; a symbol that it took is never written again."""

    __slots__ = ("digest", "hashed", "missing", "parity", "parity_bytes", "parity_symbols")

    def __init__(self, missing: int, untouched: bool) -> None:
        self.missing = missing
        self.digest = hashlib.sha256()
        self.hashed = 0 if untouched else _UNHASHED
        self.parity: dict[int, dict[int, bytes]] = {}
        self.parity_symbols = 0
        self.parity_bytes = 0

    def drop_parity(self) -> int:
        dropped = self.parity_bytes
        self.parity.clear()
        self.parity_symbols = self.parity_bytes = 0
        return dropped


class Assembly:
    """Puts packets into the spool, decodes, verifies.

    :param digest_failed: called with a section that had every symbol and did not match its digest: the sign of forged or damaged packets.
    :raises SpoolError: from the methods that touch the disk.
    """

    def __init__(self, spool: Spool, digest_failed: Callable[[int], None]) -> None:
        self.spool = spool
        self.layout = spool.layout
        self.duplicates = 0
        self.decoded_symbols = 0
        self.failures = 0
        self._digest_failed = digest_failed
        self._verified = bytearray(spool.verified)
        self._sections: dict[int, _Section] = {}
        self._parity_bytes = 0
        self._scratch_memory: memoryview | None = None
        self.missing_bytes = spool.missing_bytes

    @property
    def complete(self) -> bool:
        return 0 not in self._verified

    def wants(self, section: int) -> bool:
        return section < self.layout.sections and not self._verified[section]

    def _section(self, section: int) -> _Section:
        state = self._sections.get(section)
        if state is None:
            missing = self.spool.marks(section).count(0)
            state = self._sections[section] = _Section(missing, missing == self.layout.symbols_in(section))
        return state

    # -- what arrives

    def add_data(self, section: int, row: int, column: int, payloads: Sequence[Buffer], length: int) -> bool:
        """Symbols of one row that are contiguous, ``length`` bytes in all; False when they cannot be of this stream."""
        layout = self.layout
        within = row * layout.row_symbols + column
        offset = section * layout.section_bytes + within * layout.symbol_size
        end = min(offset + len(payloads) * layout.symbol_size, layout.size)
        # Only the stream's last symbol is short, so the exact length is known.
        if row >= layout.section_rows or column + len(payloads) > layout.row_symbols or offset + length != end:
            return False
        state = self._section(section)
        count = len(payloads)
        first = layout.section_first_symbol(section) + within
        new = self.spool.unmarked(first, count)
        self.duplicates += count - new
        if not new:
            return True
        # One copy that stays in the processor's cache is cheaper than handing 44 pieces to the kernel and reading them back for the digest.
        run = b"".join(payloads)
        self.spool.write_row(offset, run)
        self.spool.mark(first, count)
        if new < count:
            state.hashed = _UNHASHED
        elif within == state.hashed:
            state.digest.update(run)
            state.hashed += count
        state.missing -= new
        self.missing_bytes -= min(new * layout.symbol_size, length)
        if state.missing <= state.parity_symbols:
            self._try_finish(section, state)
        return True

    def add_parity(self, section: int, parity_row: int, column: int, payload: Buffer) -> bool:
        """One parity symbol; False when it cannot be of this stream."""
        if parity_row >= fec.MAX_PARITY_ROWS or column >= self.layout.row_symbols or len(payload) != self.parity_length(section):
            return False
        state = self._section(section)
        symbols = state.parity.setdefault(column, {})
        if parity_row in symbols or len(symbols) >= self.layout.rows_in(section):
            self.duplicates += 1
            return True
        symbols[parity_row] = bytes(payload)
        state.parity_symbols += 1
        state.parity_bytes += len(payload)
        self._parity_bytes += len(payload)
        if state.missing <= state.parity_symbols:
            self._try_finish(section, state)
        if self._parity_bytes > _PARITY_LIMIT:
            highest = max(index for index, other in self._sections.items() if other.parity_bytes)
            self._parity_bytes -= self._sections[highest].drop_parity()
        return True

    def parity_length(self, section: int) -> int:
        """Bytes of a section's parity symbols: those of its first data symbol, which is its longest."""
        return min(self.layout.symbol_size, self.layout.section_length(section))

    # -- what is lacking

    def needs(self, section: int) -> bytes:
        """Per column, symbols that are still needed to decode."""
        columns = self.layout.row_symbols
        marks = self.spool.marks(section)
        parity = self._section(section).parity
        return bytes(max(0, marks[column::columns].count(0) - len(parity.get(column, ()))) for column in range(columns))

    def _decodable(self, section: int, state: _Section) -> bool:
        """Whether no column needs anything. Asked for every packet once a section is nearly there, so it stops at the first that does."""
        columns = self.layout.row_symbols
        marks = self.spool.marks(section)
        return all(marks[column::columns].count(0) <= len(state.parity.get(column, ())) for column in range(columns))

    def _holds_little(self, section: int, needs: bytes) -> bool:
        rows = self.layout.rows_in(section)
        return rows > _SMALL_BLOCK_ROWS and max(needs) * 2 > rows

    def report(self, high: int, room: int) -> tuple[int, list[tuple[int, int]], dict[int, bytes]]:
        """What sections below ``high`` need, in at most ``room`` bytes: (covered, whole, needs) of :class:`wire.Status`."""
        whole: list[tuple[int, int]] = []
        listed: dict[int, bytes] = {}
        section = self._verified.find(0)
        high = min(high, self.layout.sections)
        while 0 <= section < high:
            needs = self.needs(section)
            if self._holds_little(section, needs):
                if whole and whole[-1][0] + whole[-1][1] == section:
                    whole[-1] = (whole[-1][0], whole[-1][1] + 1)
                else:
                    room -= wire.Status.WHOLE_LENGTH
                    whole.append((section, 1))
            else:
                room -= wire.Status.needs_length(needs)
                listed[section] = needs
            if room < 0:
                listed.pop(section, None)
                whole = [item for item in whole if item[0] != section]
                return section, whole, listed
            section = self._verified.find(0, section + 1)
        return high, whole, listed

    def held_levels(self) -> bytes:
        """One byte per section, as :func:`wire.pack_held` takes it."""
        untouched = bytes(self.layout.section_symbols)
        levels = bytearray(self.layout.sections)
        for section, verified in enumerate(self._verified):
            if verified:
                levels[section] = wire.HOLDS_ALL
            elif not untouched.startswith(self.spool.marks(section)) and not self._holds_little(section, self.needs(section)):
                levels[section] = wire.HOLDS_MOST
        return bytes(levels)

    # -- filling the gaps

    @property
    def _scratch(self) -> memoryview:
        """Memory for one section, kept from the first loss on: getting it from the kernel anew every time costs as much as the decoding."""
        if self._scratch_memory is None:
            rows = self.layout.section_rows if self.layout.sections > 1 else self.layout.rows_in(0)
            self._scratch_memory = memoryview(bytearray(rows * self.layout.row_bytes))
        return self._scratch_memory

    def _try_finish(self, section: int, state: _Section) -> None:
        if state.missing:
            if not self._decodable(section, state):
                return
            self._decode(section, state)
        self._parity_bytes -= state.drop_parity()
        del self._sections[section]
        hashed = min(state.hashed * self.layout.symbol_size, self.layout.section_length(section))
        if self.spool.verify_section(section, state.digest, hashed) if hashed > 0 else self.spool.verify_section(section):
            self._verified[section] = 1
        else:
            self.failures += 1
            self.missing_bytes = self.spool.missing_bytes
            self._digest_failed(section)

    def _decode(self, section: int, state: _Section) -> None:
        """Compute the missing data symbols and write them.

        A column that lacks n symbols uses its n lowest parity rows. The sums over the data rows are made for all columns that use a parity
        row at once, and only the small systems of equations are solved column by column. With one loss the system is 1 = 1 (XOR).
        """
        layout = self.layout
        size, columns = layout.symbol_size, layout.row_symbols
        length = layout.section_length(section)
        marks = self.spool.marks(section)
        data = self._scratch[: layout.rows_in(section) * layout.row_bytes]
        self.spool.read_into(layout.section_offset(section), data[:length])
        data[length:] = bytes(len(data) - length)
        lost: dict[int, tuple[int, ...]] = {}
        used: dict[int, tuple[int, ...]] = {}
        for column in range(columns):
            missing = tuple(row for row, mark in enumerate(marks[column::columns]) if not mark)
            if missing:
                lost[column] = missing
                used[column] = tuple(sorted(state.parity[column])[: len(missing)])
                for row in missing:
                    begin = row * layout.row_bytes + column * size
                    data[begin : begin + size] = bytes(size)
        syndromes = self._syndromes(data, used, state)
        first = layout.section_first_symbol(section)
        for column, missing in lost.items():
            weights = fec.decoder(used[column], missing)
            for row, factors in zip(missing, weights):
                total = fec.RowSum(size)
                for factor, parity_row in zip(factors, used[column]):
                    total.add(factor, syndromes[parity_row, column])
                symbol = first + row * columns + column
                offset = symbol * size
                value = total.value()[: layout.size - offset]
                self.spool.write_row(offset, value)
                self.spool.mark(symbol, 1)
                self.missing_bytes -= len(value)
                self.decoded_symbols += 1
                begin = row * layout.row_bytes + column * size
                data[begin : begin + len(value)] = value
        if state.hashed != _UNHASHED:
            state.digest.update(data[state.hashed * size : length])
            state.hashed = layout.symbols_in(section)

    def _syndromes(self, data: memoryview, used: dict[int, tuple[int, ...]], state: _Section) -> dict[tuple[int, int], bytes]:
        """What the symbols that are there leave of the parity symbols ``used`` (by column), by parity row and column: the missing symbols' part."""
        size, row_bytes = self.layout.symbol_size, self.layout.row_bytes
        syndromes: dict[tuple[int, int], bytes] = {}
        for columns, parity_rows in fec.groups(used):
            length = len(columns) * size
            held = fec.Rows(length)
            for symbols in gather(data, len(data) // row_bytes, row_bytes, size, columns):
                held.append(symbols)
            for parity_row in parity_rows:
                received = b"".join([state.parity[column].get(parity_row, b"").ljust(size, b"\0") for column in columns])
                left = (held.parity(parity_row) ^ int.from_bytes(received, "little")).to_bytes(length, "little")
                for index, column in enumerate(columns):
                    syndromes[parity_row, column] = left[index * size : (index + 1) * size]
        return syndromes


def gather(data: Buffer, rows: int, row_bytes: int, size: int, group: list[int]) -> Iterator[bytes]:
    """Per row, the symbols of the columns in ``group``, side by side."""
    view = memoryview(data)
    for row in range(rows):
        base = row * row_bytes
        yield b"".join([view[base + column * size : base + (column + 1) * size] for column in group])
