# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ledger and assembly joined without a network: what receivers lack, the parity made for it, and that it fills the gaps."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.layout import Layout
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.spool import Spool
from ansible_collections.fleetcast.core.plugins.module_utils._multicast import fec, wire
from ansible_collections.fleetcast.core.plugins.module_utils._multicast.assembly import Assembly
from ansible_collections.fleetcast.core.plugins.module_utils._multicast.repair import Ledger, ParityMaker

pytestmark = [pytest.mark.push, pytest.mark.engine]

GEOMETRY = {"symbol_size": 20, "row_symbols": 6, "section_rows": 16}


class Group:
    """A sender's ledger and some receivers, with a lossy "network" of method calls between them."""

    def __init__(self, folder: Path, size: int, receivers: int, seed: int = 0) -> None:
        self.random = random.Random(seed)
        self.data = self.random.randbytes(size)
        self.layout = Layout(size, **GEOMETRY)
        step = self.layout.section_bytes
        self.digests = [hashlib.sha256(self.data[begin : begin + step]).digest() for begin in range(0, size, step)]
        self.spools = [Spool(str(folder / f"part{index}"), str(folder / f"map{index}"), self.layout, self.digests) for index in range(receivers)]
        self.polluted: list[int] = []
        self.assemblies = [Assembly(spool, self.polluted.append) for spool in self.spools]
        self.ledger = Ledger(self.layout)
        self.parity = ParityMaker(self.layout, self.read)
        self.poll = 0
        self.parity_symbols = 0

    def read(self, offset: int, view: memoryview) -> None:
        view[:] = self.data[offset : offset + len(view)]

    def send_data(self, section: int, loss: float) -> None:
        layout = self.layout
        for symbol in range(layout.symbols_in(section)):
            row, column = divmod(symbol, layout.row_symbols)
            begin = layout.section_offset(section) + symbol * layout.symbol_size
            payload = self.data[begin : min(begin + layout.symbol_size, layout.size)]
            for assembly in self.assemblies:
                if self.random.random() >= loss and assembly.wants(section):
                    assert assembly.add_data(section, row, column, [payload], len(payload))
        self.ledger.sent(section, (1 << len(self.assemblies)) - 1, self.poll + 1)

    def round(self, loss: float) -> None:
        """Poll, answers through the wire format, repair."""
        self.poll += 1
        for index, assembly in enumerate(self.assemblies):
            covered, whole, needs = assembly.report(self.layout.sections, wire.MAX_BODY)
            status = wire.Status(self.poll, 0, 0, assembly.missing_bytes, assembly.complete, False, covered, whole, needs)
            parsed = wire.Status.parse(status.pack(), self.layout.row_symbols)
            assert parsed == status
            self.ledger.report(index, parsed, self.layout.sections)
        repairs = self.ledger.close_round()
        while self.ledger.again:
            self.send_data(self.ledger.begin_again(), loss)
        for repair in repairs:
            for made in self.parity.make(repair):
                if made is not None:
                    self.send_parity(repair.section, *made, loss)
            self.ledger.repaired(repair.section, self.poll + 1)

    def send_parity(self, section: int, parity_row: int, columns: list[int], symbols: bytes, loss: float) -> None:
        size = self.layout.symbol_size
        for index, column in enumerate(columns):
            self.parity_symbols += 1
            symbol = symbols[index * size : (index + 1) * size][: self.assemblies[0].parity_length(section)]
            for assembly in self.assemblies:
                if self.random.random() >= loss and assembly.wants(section):
                    assert assembly.add_parity(section, parity_row, column, symbol)

    def run(self, loss: float, rounds: int) -> int:
        for section in range(self.layout.sections):
            self.send_data(section, loss)
        for count in range(1, rounds + 1):
            self.round(loss)
            if all(assembly.complete for assembly in self.assemblies):
                return count
        raise AssertionError(f"not complete after {rounds} rounds: {[assembly.missing_bytes for assembly in self.assemblies]}")

    def check(self) -> None:
        for spool in self.spools:
            assert spool.read(0, self.layout.size) == self.data
            assert spool.complete
            spool.close()


@pytest.mark.parametrize("size", [1, 19, 20, 21, 120, 121, 1919, 1920, 1921, 10_000])
@pytest.mark.parametrize("loss", [0.0, 0.05, 0.3, 0.7])
def test_everybody_gets_everything(tmp_path: Path, size: int, loss: float) -> None:
    group = Group(tmp_path, size, 4, seed=size)
    group.run(loss, rounds=60)
    group.check()
    assert group.polluted == []


def test_no_loss_costs_no_parity(tmp_path: Path) -> None:
    group = Group(tmp_path, 10_000, 3)
    assert group.run(0.0, rounds=1) == 1
    assert group.parity_symbols == 0 and not group.ledger.waiting


def test_parity_is_the_most_that_anyone_needs(tmp_path: Path) -> None:
    """Three receivers lose different symbols of one block: one parity symbol serves all three."""
    group = Group(tmp_path, 1920, 3)
    for section_symbol in range(96):
        row, column = divmod(section_symbol, 6)
        payload = group.data[section_symbol * 20 : section_symbol * 20 + 20]
        for index, assembly in enumerate(group.assemblies):
            if (row, column) != (index + 2, 4):
                assembly.add_data(0, row, column, [payload], 20)
    group.ledger.sent(0, 7, 1)
    group.round(0.0)
    assert group.parity_symbols == 1
    group.check()


def test_memory_for_parity_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ansible_collections.fleetcast.core.plugins.module_utils._multicast.assembly._PARITY_LIMIT", 2000)
    group = Group(tmp_path, 19_200, 2, seed=5)
    group.run(0.4, rounds=200)
    group.check()


def test_symbols_that_cannot_be_of_the_stream_are_refused(tmp_path: Path) -> None:
    group = Group(tmp_path, 2000, 1)
    assembly = group.assemblies[0]
    assert not assembly.wants(2) and not assembly.wants(2**32 - 1)
    for section, row, column, payload in [
        (0, 16, 0, 20),
        (0, 0, 6, 20),
        (0, 255, 255, 20),
        (0, 0, 0, 19),
        (0, 0, 0, 21),
        (0, 0, 0, 0),
        (1, 0, 4, 20),
        (1, 3, 0, 20),
    ]:
        assert not assembly.add_data(section, row, column, [bytes(payload)], payload)
    assert not assembly.add_data(0, 0, 4, [bytes(20)] * 3, 60)
    for row, column, length in [(fec.MAX_PARITY_ROWS, 0, 20), (0, 6, 20), (0, 0, 19), (0, 0, 21)]:
        assert not assembly.add_parity(0, row, column, bytes(length))
    assert group.spools[0].missing_bytes == 2000


def test_a_forged_symbol_spoils_one_section_and_no_more(tmp_path: Path) -> None:
    group = Group(tmp_path, 5760, 1)
    group.assemblies[0].add_data(1, 3, 2, [b"forged" + bytes(14)], 20)
    payloads = {section: group.data[section * 1920 : (section + 1) * 1920] for section in range(3)}
    for section, data in payloads.items():
        for symbol in range(96):
            row, column = divmod(symbol, 6)
            if (section, row, column) != (1, 3, 2) and group.assemblies[0].wants(section):
                group.assemblies[0].add_data(section, row, column, [data[symbol * 20 : symbol * 20 + 20]], 20)
    assert group.polluted == [1]
    assert list(group.spools[0].verified) == [1, 0, 1]
    assert group.assemblies[0].missing_bytes == 1920


@pytest.mark.engine
@pytest.mark.parametrize(("column", "count"), [(2, 1), (1, 3), (0, 6)])
def test_what_was_taken_into_the_digest_is_not_overwritten(tmp_path: Path, column: int, count: int) -> None:
    """Forged packets for symbols that are there already, alone or in a run with some that are not: either the disk keeps what the digest
    has seen, or the section does not count. Judged by the file's bytes."""
    group = Group(tmp_path, 1920, 1)
    assembly, spool = group.assemblies[0], group.spools[0]
    section = [group.data[at : at + 20] for at in range(0, 1920, 20)]
    assert assembly.add_data(0, 0, 0, section[:4], 80)
    assert assembly.add_data(0, 0, column, [b"!" * 20] * count, 20 * count)
    for row in range(16):
        first = 4 if row == 0 else 0
        assert assembly.add_data(0, row, first, section[row * 6 + first : row * 6 + 6], 20 * (6 - first))
    assert (spool.read(0, 1920) == group.data) if assembly.complete else not spool.verified.count(1)
    if not assembly.complete:
        assert group.polluted == [0]
        for row in range(16):
            assert assembly.add_data(0, row, 0, section[row * 6 : row * 6 + 6], 120)
    group.check()


def test_answers_given_before_the_repair_arrived_do_not_count(tmp_path: Path) -> None:
    group = Group(tmp_path, 1920, 1)
    group.ledger.sent(0, 1, next_poll=5)
    old = wire.Status(4, 0, 0, 0, False, False, 1, [], {0: bytes((1,) * 6)})
    group.ledger.report(0, old, 1)
    assert group.ledger.close_round() == [] and group.ledger.waiting
    group.ledger.report(0, wire.Status(5, 0, 0, 0, False, False, 1, [], {0: bytes((1,) * 6)}), 1)
    (repair,) = group.ledger.close_round()
    assert repair.rows_of == {column: [0] for column in range(6)}
    group.ledger.report(0, wire.Status(6, 0, 0, 0, False, False, 1, [], {0: bytes((9,) * 6)}), 1)
    assert group.ledger.close_round() == []
    group.ledger.repaired(0, next_poll=7)
    group.ledger.report(0, wire.Status(7, 0, 0, 0, False, False, 1, [], {0: bytes((0, 0, 0, 0, 0, 2))}), 1)
    (repair,) = group.ledger.close_round()
    # Fresh parity: rows that were not sent before.
    assert repair.rows_of == {5: [1, 2]}


def test_spare_parity_is_made_against_the_loss_to_be_expected(tmp_path: Path) -> None:
    group = Group(tmp_path, 1920, 1)
    group.ledger.sent(0, 1, next_poll=1)
    group.ledger.report(0, wire.Status(1, 0, 0, 0, False, False, 1, [], {0: bytes((0, 1, 2, 6, 6, 10))}), 1)
    (repair,) = group.ledger.close_round(spare_loss=0.05)
    # One, and three times what is lost of those that are asked for, but never more than twice of these. Nothing where nothing is needed.
    assert {column: len(rows) for column, rows in repair.rows_of.items()} == {1: 2, 2: 3, 3: 8, 4: 8, 5: 13}
    group.ledger.repaired(0, next_poll=2)
    group.ledger.report(0, wire.Status(2, 0, 0, 0, False, False, 1, [], {0: bytes((0, 0, 1, 0, 0, 0))}), 1)
    (repair,) = group.ledger.close_round()
    # The spare rows were used, and are not sent again.
    assert repair.rows_of == {2: [3]}


def test_hostile_reports_are_bounded(tmp_path: Path) -> None:
    group = Group(tmp_path, 5760, 2)
    for section in range(3):
        group.ledger.sent(section, 3, 1)
    endless = [(0, 2**32 - 1)] * 100 + [(2**32 - 1, 2**32 - 1)]
    group.ledger.report(0, wire.Status(1, 0, 0, 0, False, False, 2**32 - 1, endless, {2**32 - 1: bytes((255,) * 6), 77: bytes(6)}), 3)
    assert group.ledger.close_round() == []
    assert group.ledger.again == {0, 1, 2}


def test_large_reports_are_cut_to_a_packet(tmp_path: Path) -> None:
    group = Group(tmp_path, 1920 * 400, 1)
    assembly = group.assemblies[0]
    for section in range(0, 400, 2):
        assembly.add_data(section, 0, 0, [group.data[section * 1920 : section * 1920 + 20]], 20)
    for section in range(200):
        for row in range(9):
            begin = section * 1920 + row * 120
            assembly.add_data(section, row, 0, [group.data[begin + column * 20 : begin + column * 20 + 20] for column in range(6)], 120)
    covered, whole, needs = assembly.report(400, wire.MAX_BODY)
    assert 0 < covered < 400
    assert sorted(needs) == list(range(covered)) and whole == []
    assert len(wire.Status(1, 0, 0, 0, False, False, covered, whole, needs).pack()) <= wire.MAX_BODY + 25
