# Copyright (c) 2026 The fleetcast authors
# SPDX-License-Identifier: BSD-2-Clause
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
"""The sender's picture of what everybody lacks, and the parity that fills it."""

from __future__ import annotations

from typing import Callable, Iterator

from .._artifact.layout import Layout
from . import fec, wire
from .assembly import gather

#: Data rows taken up between two looks at the clock: about a fifth of a millisecond of work, as a parity row is.
_ROWS_PER_STEP = 32
#: A section that is being repaired: no report is about its present state.
_BUSY = 1 << 62
#: Times the loss to be expected that spare parity covers.
_SPARE = 3


class _Outstanding:
    """A section that was sent and that somebody may not have: ``waiting`` is a bit set of receivers, ``after_poll`` the first poll whose
    answers count (those to earlier ones were given before everything sent for the section had arrived)."""

    __slots__ = ("after_poll", "needs", "next_parity", "waiting", "whole")

    def __init__(self, waiting: int, after_poll: int, columns: int) -> None:
        self.waiting = waiting
        self.after_poll = after_poll
        self.needs: list[int] | None = None
        self.next_parity = [0] * columns
        self.whole = False


class Repair:
    """What to send for one section: the parity rows from ``first`` on, ``needs`` of them, per column."""

    def __init__(self, section: int, first: list[int], needs: list[int]) -> None:
        self.section = section
        # Parity rows are used up only when nearly everything is lost; from then on the old ones go round again.
        self.rows_of = {
            column: [index % fec.MAX_PARITY_ROWS for index in range(first[column], first[column] + need)] for column, need in enumerate(needs) if need
        }


class Ledger:
    """Which sections somebody still waits for, from the receivers' reports."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._outstanding: dict[int, _Outstanding] = {}
        #: Sections to be sent again as data, once there is nothing more urgent.
        self.again: set[int] = set()

    @property
    def waiting(self) -> bool:
        return bool(self._outstanding)

    def first_busy(self, high: int) -> int:
        """The lowest section that is being repaired; ``high`` when none below it is."""
        return min((section for section, entry in self._outstanding.items() if entry.after_poll == _BUSY), default=high)

    def sent(self, section: int, receivers: int, next_poll: int) -> None:
        """A section's data is on its way to ``receivers`` (a bit set)."""
        entry = self._entry(section)
        entry.waiting |= receivers
        entry.after_poll = next_poll
        entry.whole = False
        entry.needs = None
        self.again.discard(section)

    def begin_again(self) -> int:
        """The lowest section that is to be sent again as data; reports about it count only after :meth:`sent`."""
        section = min(self.again)
        self.again.discard(section)
        self._entry(section).after_poll = _BUSY
        return section

    def _entry(self, section: int) -> _Outstanding:
        entry = self._outstanding.get(section)
        if entry is None:
            entry = self._outstanding[section] = _Outstanding(0, 0, self._layout.row_symbols)
        return entry

    def report(self, receiver: int, status: wire.Status, high: int) -> None:
        """Take in a receiver's answer to a poll that covered the sections below ``high``."""
        bit = 1 << receiver
        covered = min(status.covered, high)
        whole: set[int] = set()
        end = 0
        for first, count in status.whole:
            # Ascending ranges only, so that one packet costs one pass over the sections at most.
            if first < end:
                continue
            end = min(first + count, covered)
            whole.update(range(first, end))
        for section in whole:
            self._entry(section)
        for section in status.needs:
            if section < covered:
                self._entry(section)
        done = []
        for section, entry in self._outstanding.items():
            if section >= covered or entry.after_poll > status.poll:
                continue
            needs = status.needs.get(section)
            if section in whole:
                entry.waiting |= bit
                entry.whole = True
            elif needs is not None:
                entry.waiting |= bit
                entry.needs = list(map(max, entry.needs, needs)) if entry.needs else list(needs)
            else:
                entry.waiting &= ~bit
                if not entry.waiting:
                    done.append(section)
        for section in done:
            self._forget(section)

    def leave(self, receiver: int) -> None:
        """A receiver is done, or lost: nobody waits for it any more."""
        bit = 1 << receiver
        for section in [section for section, entry in self._outstanding.items() if entry.waiting & bit]:
            entry = self._outstanding[section]
            entry.waiting &= ~bit
            if not entry.waiting:
                self._forget(section)

    def _forget(self, section: int) -> None:
        del self._outstanding[section]
        self.again.discard(section)

    def close_round(self, spare_loss: float = 0.0) -> list[Repair]:
        """Everybody answered who would: what to send now, lowest sections first. Data to be sent again goes to :attr:`again`.

        :param spare_loss: share of packets that get lost, against which more parity is sent than asked for. While there is new data to send, what
            parity loses is cheaper to ask for once more; when everybody waits for it, a round more costs more than the packets.
        """
        repairs = []
        for section in sorted(self._outstanding):
            entry = self._outstanding[section]
            if entry.whole and entry.after_poll != _BUSY:
                self.again.add(section)
            if not entry.needs or not any(entry.needs):
                entry.needs = None
                continue
            needs = [need + _spare(need, spare_loss) for need in entry.needs] if spare_loss else entry.needs
            repairs.append(Repair(section, entry.next_parity, needs))
            entry.next_parity = [index + need for index, need in zip(entry.next_parity, needs)]
            entry.needs = None
            entry.after_poll = _BUSY
        return repairs

    def repaired(self, section: int, next_poll: int) -> None:
        """The section's parity is on its way: answers to polls from ``next_poll`` on are about it."""
        entry = self._outstanding.get(section)
        if entry is not None:
            entry.after_poll = next_poll


def _spare(need: int, loss: float) -> int:
    """Parity symbols beside ``need`` of them, so that hardly anybody who needs them all lacks one."""
    return min(need, 1 + round(_SPARE * need * loss))


class ParityMaker:
    """Computes parity in small steps, so that pacing goes on meanwhile. Holds one section's data twice."""

    def __init__(self, layout: Layout, read: Callable[[int, memoryview], None]) -> None:
        self._layout = layout
        self._read = read
        self._data = bytearray(layout.section_rows * layout.row_bytes if layout.sections > 1 else layout.row_bytes * max(1, layout.rows_in(0)))
        self._loaded = -1

    def _load(self, section: int) -> None:
        if section == self._loaded:
            return
        self._loaded = -1
        length = self._layout.section_length(section)
        self._read(self._layout.section_offset(section), memoryview(self._data)[:length])
        self._data[length:] = bytes(len(self._data) - length)
        self._loaded = section

    def make(self, repair: Repair) -> Iterator[tuple[int, list[int], bytes] | None]:
        """Yields None between steps of work, and (parity row, columns, their symbols side by side) for every parity row that is ready."""
        layout, size = self._layout, self._layout.symbol_size
        self._load(repair.section)
        for columns, parity_rows in fec.groups(repair.rows_of):
            data = fec.Rows(len(columns) * size)
            for row, symbols in enumerate(gather(self._data, layout.rows_in(repair.section), layout.row_bytes, size, columns)):
                data.append(symbols)
                if row % _ROWS_PER_STEP == _ROWS_PER_STEP - 1:
                    yield None
            for parity_row in parity_rows:
                parity = data.parity(parity_row).to_bytes(len(columns) * size, "little")
                wanted = [index for index, column in enumerate(columns) if parity_row in repair.rows_of[column]]
                yield parity_row, [columns[index] for index in wanted], b"".join([parity[index * size : (index + 1) * size] for index in wanted])
