# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables, targets and pictures say what the records say."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from ansible_collections.fleetcast.core.tests.bench import report
from ansible_collections.fleetcast.core.tests.bench.cells import Cell
from ansible_collections.fleetcast.core.tests.bench.charts import Chart, scale, svg
from ansible_collections.fleetcast.core.tests.bench.results import Results
from ansible_collections.fleetcast.core.tests.bench.targets import Verdict, verdicts
from ansible_collections.fleetcast.core.tests.unit.bench.records import record

pytestmark = pytest.mark.engine

_UNSHAPED = Cell(4, 1000)
_SHAPED = Cell(8, 100, 200)
_LOSSY = Cell(8, 100, 200, 1.0, "independent")


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path / "results.json")


def _verdict(results: Results, begin: str) -> Verdict:
    (found,) = (verdict for verdict in verdicts(results) if verdict.target.startswith(begin))
    return found


def test_the_faster_peer_counts(results: Results) -> None:
    results.add(record(_UNSHAPED, wall_s=4.0))
    results.add(record(_UNSHAPED, "udpcast", wall_s=32.0))
    results.add(record(_UNSHAPED, "uftp", wall_s=20.0))
    verdict = _verdict(results, "unshaped, 4 receivers")
    assert (verdict.figure, verdict.reached) == ("5.0 times (4.00 s; uftp 20.0 s)", False)
    results.forget([_UNSHAPED], ["uftp"])
    assert _verdict(results, "unshaped, 4 receivers").reached is True


def test_a_peer_that_left_hosts_without_the_file_is_not_the_faster_one(results: Results) -> None:
    results.add(record(_UNSHAPED, wall_s=4.0))
    results.add(record(_UNSHAPED, "udpcast", wall_s=32.0))
    results.add(record(_UNSHAPED, "uftp", wall_s=1.0, verified=False, holders=3))
    assert _verdict(results, "unshaped, 4 receivers").figure == "8.0 times (4.00 s; udpcast 32.0 s)"


def test_what_was_not_measured_is_not_reached(results: Results) -> None:
    assert {verdict.reached for verdict in verdicts(results)} == {None}


@pytest.mark.parametrize(("seconds", "packets", "reached"), [(4.4, 73_000, True), (4.6, 73_000, False), (4.4, 76_000, False)])
def test_a_lossy_cell_needs_the_rate_and_the_bytes(results: Results, seconds: float, packets: int, reached: bool) -> None:
    results.add(record(_LOSSY, session_s=seconds, link_packets=packets, link_bytes=packets * 1458))
    assert _verdict(results, "shaped, 1 %").reached is reached


def test_the_limit_of_the_link_is_what_iperf3_measured(results: Results) -> None:
    results.add(record(_SHAPED, session_s=4.2))  # 190.5 Mbit/s
    assert "98.0%" in _verdict(results, "shaped, no loss").figure  # of 200 * 1472 / 1514
    results.add(record(_SHAPED, "iperf3", mode="udp", session_s=4.0, verified=False))  # 200 Mbit/s
    assert "95.2%" in _verdict(results, "shaped, no loss").figure


@pytest.mark.parametrize(("changes", "reached"), [({}, True), ({"bytes_ratio": 1.091}, False), ({"feedback_ratio": 0.011}, False), ({"completed": 999}, False)])
def test_a_thousand_receivers_come_from_the_simulation(results: Results, changes: dict[str, float], reached: bool) -> None:
    ratios = {"bytes_ratio": 1.084, "link_bytes_ratio": 1.116, "feedback_ratio": 0.004, "feedback_link_ratio": 0.006}
    simulated = {"receivers": 1000, "loss": 1.0, "size": 100_000_000, **ratios, "completed": 1000}
    (verdict,) = (found for found in verdicts(results, [{**simulated, **changes}]) if found.target.startswith("1,000 receivers"))
    assert verdict.reached is reached


def test_the_report_says_who_failed_and_how(results: Results, tmp_path: Path) -> None:
    results.add(record(_LOSSY))
    results.add(record(_LOSSY, "udpcast", mode="async", verified=False, holders=2))
    results.add(record(_LOSSY, "uftp", mode="rate", outcome="timeout", verified=False, holders=0, wall_s=72.0))
    report.write(results, tmp_path / "docs")
    text = (tmp_path / "docs" / "results.md").read_text()
    assert "udpcast async: both ends report success, 2 of 8 hosts have the file after 2 s" in text
    assert "UFTP rate: timeout, 0 of 8 hosts have the file after 72 s" in text


def test_every_line_of_a_table_has_as_many_cells(results: Results, tmp_path: Path) -> None:
    for tool in ("engine", "udpcast", "uftp", "rsync", "copy", "iperf3"):
        results.add(record(_SHAPED, tool, verified=tool not in ("uftp", "iperf3")))
    report.write(results, tmp_path / "docs")
    rows = [line for line in (tmp_path / "docs" / "results.md").read_text().splitlines() if line.startswith("| ") and "target" not in line]
    assert {line.count("|") for line in rows if line.count("|") > 4} == {11}


def test_pictures_are_svg_with_every_value(results: Results, tmp_path: Path) -> None:
    for count, seconds in ((1, 1.25), (4, 2.5)):
        results.add(record(Cell(count, 1000), wall_s=seconds))
        results.add(record(Cell(count, 1000), "udpcast", wall_s=seconds * 10))
    results.add(record(Cell(4, 1000), "uftp", outcome="timeout", verified=False))
    report.write(results, tmp_path)
    root = ElementTree.parse(tmp_path / "unshaped.svg").getroot()  # noqa: S314  written by ourselves
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    for wanted in ("1.25", "2.50", "12.5", "25.0", "did not finish", "fleetcast engine", "udpcast", "1 receiver", "4 receivers", "seconds (less is better)"):
        assert wanted in texts
    assert any(text and text.startswith("$ sudo make bench ARGS=") for text in texts)
    assert not (tmp_path / "play.svg").exists()


def test_bars_are_as_high_as_their_values() -> None:
    chart = Chart("t", "s", "seconds", "less is better", {"a": {"engine": 10.0, "udpcast": 20.0}}, "make bench")
    heights = [float(height) for height in re.findall(r'<rect x="[^"]*" y="[^"]*" width="[^"]*" height="([\d.]+)" fill="#(?:0a5fd1|e07b00)"/>', svg(chart))]
    bars = [height for height in heights if height != 12]  # the legend's are 12 by 12
    assert len(bars) == 2
    assert bars[1] == pytest.approx(2 * bars[0], abs=0.2)


@pytest.mark.parametrize("largest", [0.013, 0.9, 1.0, 1.12, 7.3, 32.6, 98.0, 100.0, 555.0])
def test_an_axis_has_room_and_few_lines(largest: float) -> None:
    top, step = scale(largest)
    assert largest * 1.05 < top < largest * 2
    assert 3 <= round(top / step) <= 8


def test_a_picture_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no value for the picture"):
        svg(Chart("t", "s", "seconds", "less is better", {"a": {"engine": "failed"}}, "make bench"))
