# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records on disk, and which of them count."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.fleetcast.core.tests.bench.cells import Cell, everything, select
from ansible_collections.fleetcast.core.tests.bench.results import Results, median
from ansible_collections.fleetcast.core.tests.unit.bench.records import record

pytestmark = pytest.mark.engine

_CELL = Cell(8, 100, 200, 1.0, "independent")


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path / "bench" / "results.json")


def test_records_are_there_again(tmp_path: Path, results: Results) -> None:
    results.add(record(_CELL))
    results.add(record(_CELL, "udpcast", outcome="timeout", verified=False, holders=3))
    assert Results(tmp_path / "bench" / "results.json").records == results.records


def test_the_file_is_a_list_with_the_promised_keys(tmp_path: Path, results: Results) -> None:
    results.add(record(_CELL))
    (entry,) = json.loads((tmp_path / "bench" / "results.json").read_text())
    promised = {
        "tool", "mode", "receivers", "bytes", "rate_mbit", "loss", "loss_kind", "offload", "wall_s", "sender_cpu_s", "receiver_cpu_s", "link_bytes",
        "memory_sender_bytes", "memory_receiver_bytes", "verified", "repetition",
    }  # fmt: skip
    assert promised <= set(entry)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text('[{"tool": "engine"}]')
    with pytest.raises(ValueError, match="entry 0 is not a record"):
        Results(path)


def test_forgetting_takes_the_chosen_cells_and_tools_only(results: Results, tmp_path: Path) -> None:
    other = Cell(4, 100)
    for each in (record(_CELL), record(_CELL, "uftp"), record(other), record(_CELL, "rsync")):
        results.add(each)
    results.forget([_CELL], ["engine", "rsync"])  # rsync is not one of the cell's tools
    assert [(each.cell, each.tool) for each in results.records] == [(_CELL.name, "uftp"), (other.name, "engine"), (_CELL.name, "rsync")]
    assert len(Results(tmp_path / "bench" / "before.json").records) == 4


def test_the_best_mode_is_the_fastest_that_brought_the_file_to_all(results: Results) -> None:
    results.add(record(_CELL, "udpcast", mode="async", wall_s=1.0, verified=False, holders=7))  # fast, and one host without the file
    results.add(record(_CELL, "udpcast", mode="fec", wall_s=8.0))
    results.add(record(_CELL, "udpcast", mode="duplex", wall_s=9.0))
    assert results.best_mode(_CELL.name, "udpcast") == "fec"
    assert [each.wall_s for each in results.best(_CELL.name, "udpcast")] == [8.0]


def test_no_mode_is_best_when_none_worked(results: Results) -> None:
    results.add(record(_CELL, "uftp", outcome="timeout", verified=False, holders=0))
    assert results.best_mode(_CELL.name, "uftp") is None
    assert results.best(_CELL.name, "uftp") == []


def test_there_is_no_median_when_half_of_the_transfers_failed() -> None:
    good = [record(_CELL, wall_s=seconds) for seconds in (1.0, 3.0, 50.0)]
    bad = record(_CELL, wall_s=0.1, verified=False)
    assert median(good, lambda each: each.wall_s) == 3.0
    assert median([*good, bad], lambda each: each.wall_s) == 3.0
    assert median([good[0], bad], lambda each: each.wall_s) is None


def test_bytes_are_counted_in_both_ways() -> None:
    one = record(Cell(4, 14))  # 10,000 packets of 1400 bytes, with 16 bytes of the engine's header and 42 below it
    assert one.payload_ratio == pytest.approx(1416 / 1400)
    assert one.wire_ratio == pytest.approx(1458 / 1400)


def test_iperf3_counts_though_it_brings_no_file() -> None:
    assert record(_CELL, "iperf3", verified=False, holders=0).good
    assert not record(_CELL, "rsync", verified=False, holders=0).good


def test_names_of_cells_are_unique_and_say_what_is_in_them() -> None:
    assert Cell(8, 100, 200, 1.0, "bursts").name == "200M-8x100MB-bursts1"
    assert Cell(4, 1000, offload="wire").name == "unshaped-4x1000MB-wire"
    by_name: dict[str, Cell] = {}
    for cell in everything():
        conditions = (cell.receivers, cell.megabytes, cell.rate_mbit, cell.loss, cell.loss_kind, cell.offload)
        same = by_name.setdefault(cell.name, cell)
        assert conditions == (same.receivers, same.megabytes, same.rate_mbit, same.loss, same.loss_kind, same.offload)


def test_cells_are_selected_by_pattern() -> None:
    names = [cell.name for cell in select(["200M-8x*", "unshaped-1x1000MB"], quick=False)]
    assert "unshaped-1x1000MB" in names
    assert all(name == "unshaped-1x1000MB" or name.startswith("200M-8x") for name in names)
    with pytest.raises(ValueError, match=r"no cell matches '300M\*'"):
        select(["300M*"], quick=False)


def test_every_quick_cell_is_one_of_the_whole_run() -> None:
    assert {cell.name for cell in select([], quick=True)} <= {cell.name for cell in select([], quick=False)}
