# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hundreds of receivers in one process: the real sender and the real receivers on a simulated network (tests/bench/simulation.py)."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.fleetcast.core.plugins.module_utils._multicast import session
from ansible_collections.fleetcast.core.plugins.module_utils._multicast.rounds import PANEL
from ansible_collections.fleetcast.core.tests.bench.simulation import Shape, simulate

pytestmark = pytest.mark.engine

#: Answers that the slots allow in a hundredth of a second.
IN_10_MS = 10_000 // session.SLOT_US


@pytest.mark.timeout(300)
def test_hundreds_of_receivers_at_one_percent_loss(tmp_path: Path) -> None:
    """More than a panel, so that not everybody is asked at once. The bytes are those of theory, and feedback neither grows nor comes in a storm."""
    shape = Shape(receivers=PANEL + 144, size=16_000_000, rate=400.0, charge_cpu=False)
    record = simulate(shape, tmp_path)
    assert record["completed"] == shape.receivers
    assert 0.009 < record["lost_share"] < 0.011
    # 1.065 by theory (the most that any of 400 loses of 64); 1.1 % of headers; polls and announcements.
    assert record["bytes_ratio"] <= 1.085
    assert record["feedback_link_ratio"] <= 0.011
    # A poll's answers come one to a slot. A receiver that is complete says so once more, as if it had been asked.
    assert record["peak_in_10_ms"] <= 2.2 * IN_10_MS
    assert record["feedback_waiting_most"] <= IN_10_MS


def test_losses_in_bursts_cost_hardly_more(tmp_path: Path) -> None:
    """Of eight packets on average: neighbours belong to different blocks, so the bytes are hardly more than with single losses."""
    shape = Shape(receivers=40, size=8_000_000, burst=8.0, rate=400.0, charge_cpu=False)
    record = simulate(shape, tmp_path)
    assert record["completed"] == shape.receivers
    assert record["bytes_ratio"] <= 1.09


@pytest.mark.parametrize("seed", range(1, 7))
def test_the_end_of_a_lossy_session_takes_few_rounds(tmp_path: Path, seed: int) -> None:
    """What is left when the first pass is over: a question, the parity, and a question or two for what was lost of all three."""
    shape = Shape(receivers=8, size=8_000_000, loss=5.0, rate=200.0, seed=seed, charge_cpu=False)
    record = simulate(shape, tmp_path)
    assert record["completed"] == shape.receivers
    # 18 ms of parity and spare parity are sent in it; a round in which an answer is lost takes 16 ms.
    assert record["phases"]["repair"] - record["phases"]["data"] <= 0.055
    # Somebody loses the first announcement in most sessions.
    assert record["phases"]["ready"] <= 0.065
    assert record["bytes_ratio"] <= 1.14
