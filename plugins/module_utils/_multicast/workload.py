# Copyright (c) 2026 The fleetcast authors
# SPDX-License-Identifier: BSD-2-Clause
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
"""What the sender sends, in what order: parity first, then new data, then data that somebody missed wholesale."""

from __future__ import annotations

from collections import deque
from typing import Callable, Iterator, NamedTuple

from .._artifact.layout import Layout
from .._artifact.stream import StreamReader
from . import wire
from .packets import BatchBuilder
from .peers import Roster, State
from .repair import Ledger, ParityMaker, Repair
from .session import SendReport
from .sockets import Batch

#: Parity rows computed ahead of being sent: enough not to wait for one, and little memory.
_ROWS_AHEAD = 2


class _ParityRow(NamedTuple):
    """One computed row of a repair; ``last`` when the repair is done with it."""

    repair: Repair
    parity_row: int
    columns: list[int]
    symbols: bytes


class Workload:
    """Batches on demand.

    :param batch_symbols: how many packets a batch may have at the present rate.
    :param next_poll: number of the next poll: answers from it on know of what is sent now.
    """

    def __init__(
        self,
        layout: Layout,
        source: StreamReader,
        builder: BatchBuilder,
        roster: Roster,
        report: SendReport,
        batch_symbols: Callable[[], int],
        next_poll: Callable[[], int],
    ) -> None:
        self.ledger = Ledger(layout)
        #: Sections below this one have been sent once, or need not be.
        self.high = 0
        #: Bytes of the stream that have been sent once, or need not be.
        self.done_bytes = 0
        #: From now on packets carry a MAC.
        self.secured = False
        self._layout = layout
        self._source = source
        self._builder = builder
        self._roster = roster
        self._report = report
        self._batch_symbols = batch_symbols
        self._next_poll = next_poll
        self._parity = ParityMaker(layout, source.read_into)
        self._repairs: deque[Repair] = deque()
        self._making: Repair | None = None
        self._steps: Iterator[_ParityRow | None] = iter(())
        self._made: deque[_ParityRow] = deque()
        self._first_pass = self._send_first()
        self._again: Iterator[Batch] = iter(())

    @property
    def first_pass_over(self) -> bool:
        return self.high == self._layout.sections

    @property
    def idle(self) -> bool:
        """Nothing to send or to compute until somebody reports a need."""
        return self.first_pass_over and not (self._made or self._repairs or self._making or self.ledger.again)

    def settled(self, high: int) -> int:
        """How many of the sections below ``high`` come before the first that is being repaired."""
        return min(high, self.ledger.first_busy(high))

    def next_batch(self) -> Batch | None:
        """The most urgent batch, valid until the next call; None when there is none (parity may still be in the making)."""
        if self._made:
            return self._parity_batch(self._made.popleft())
        batch = next(self._first_pass, None)
        if batch is None and not self._repairs and self._making is None:
            batch = next(self._again, None)
            if batch is None and self.ledger.again:
                self._again = self._send_again()
                batch = next(self._again, None)
        return batch

    def add_repairs(self, spare_loss: float = 0.0) -> None:
        """A round of answers is over: take up what it asks for, and spare parity against this share of loss."""
        self._repairs.extend(self.ledger.close_round(spare_loss))

    # -- data

    def _send_first(self) -> Iterator[Batch]:
        """Every section once, but for those that everybody holds already."""
        sections = self._layout.sections
        held = self._roster.least_held(sections)
        for section, least in enumerate(held):
            if least == wire.HOLDS_LITTLE:
                yield from self._section(section)
            if least != wire.HOLDS_ALL:
                self.ledger.sent(section, self._roster.bits(State.ACTIVE), self._next_poll())
            self.done_bytes += self._layout.section_length(section)
            self.high = section + 1

    def _send_again(self) -> Iterator[Batch]:
        """Sections of which somebody holds so little that parity would cost more than the data."""
        while self.ledger.again:
            section = self.ledger.begin_again()
            yield from self._section(section)
            self.ledger.sent(section, 0, self._next_poll())

    def _section(self, section: int) -> Iterator[Batch]:
        layout = self._layout
        begin_of_section = layout.section_offset(section)
        end = begin_of_section + layout.section_length(section)
        for row in range(layout.rows_in(section)):
            offset = begin_of_section + row * layout.row_bytes
            symbols = -(-min(layout.row_bytes, end - offset) // layout.symbol_size)
            parts = -(-symbols // self._batch_symbols())
            for part in range(parts):
                first, after = symbols * part // parts, symbols * (part + 1) // parts
                begin = offset + first * layout.symbol_size
                length = min((after - first) * layout.symbol_size, end - begin)
                self._source.read_into(begin, self._builder.row[:length])
                self._report.data_packets += after - first
                yield self._builder.data(section, row, first, after - first, length, self.secured)

    # -- parity

    def compute(self) -> bool:
        """Do one step towards the next parity row, a fraction of a millisecond; False when there is nothing to do, or enough is waiting."""
        if len(self._made) >= _ROWS_AHEAD:
            return False
        if self._making is None:
            if not self._repairs:
                return False
            self._making = self._repairs.popleft()
            self._steps = self._make(self._making)
        try:
            made = next(self._steps)
        except StopIteration:
            repair, self._making = self._making, None
            self._settle(repair)
        else:
            if made is not None:
                self._made.append(made)
        return True

    def _make(self, repair: Repair) -> Iterator[_ParityRow | None]:
        for row in self._parity.make(repair):
            yield None if row is None else _ParityRow(repair, *row)

    def _parity_batch(self, row: _ParityRow) -> Batch:
        self._report.parity_packets += len(row.columns)
        self._settle(row.repair)
        return self._builder.parity(row.repair.section, row.parity_row, row.columns, row.symbols, self.secured)

    def _settle(self, repair: Repair) -> None:
        """Once the last row of a repair is on its way, the next poll's answers are about it."""
        if self._making is not repair and not any(row.repair is repair for row in self._made):
            self.ledger.repaired(repair.section, self._next_poll())
