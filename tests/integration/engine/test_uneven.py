# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Receivers that differ: one behind a slow port, some that hold other parts already, all of them hit by bursts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.spool import Spool
from ansible_collections.fleetcast.core.tests.bench.engine_ends import Session

pytestmark = [pytest.mark.engine, pytest.mark.lab]

Make = Callable[..., Any]


def test_one_slow_port_costs_the_others_nothing_and_is_left(make_net: Make, make_session: Make) -> None:
    """A tenth of the rate for one of five. What the others are sent until they are complete does not depend on how busy this machine is."""
    net = make_net(5)
    net.segment_in_software()
    net.set_bridge_rate(4, "r4", queue_kb=64)
    size = 10_000_000
    session = make_session(size, 5, net, ceiling_mbit=40, limits={"straggler": 2})
    session.start_receivers()
    session.start_sender()
    results = session.results()
    hosts = results["sender"]["hosts"]
    packets = -(-size // 1400)
    for index in range(4):
        assert hosts[f"host{index}"]["completed"] and session.holds(index)
        assert results[f"r{index}"]["received_packets"] <= 1.05 * packets, results[f"r{index}"]
    slow = hosts["host4"]
    assert not slow["completed"] and slow["reason"] == "network_loss" and "nearly all others" in slow["detail"]
    assert 0 < slow["missing_bytes"] < size
    assert results["r4"]["reason"] == "sender_ended" and results["r4"]["missing_bytes"] <= slow["missing_bytes"]


def prefill(session: Session, index: int, lacks: Callable[[int, int], bool]) -> int:
    """Give a receiver a spool as an interrupted session leaves it; ``lacks`` says it by section and symbol. Bytes that it holds."""
    layout = session.layout
    source = Path(session.files[0][0]).read_bytes()
    digests = [bytes.fromhex(text) for text in session.common["section_digests"]]
    with Spool(str(session.part(index)), str(session.map(index)), layout, digests) as spool:
        for section in range(layout.sections):
            first = layout.section_first_symbol(section)
            for symbol in range(layout.symbols_in(section)):
                if not lacks(section, symbol):
                    offset = (first + symbol) * layout.symbol_size
                    spool.write(offset, [source[offset : offset + layout.symbol_size]])
                    spool.mark(first + symbol, 1)
            if not any(lacks(section, symbol) for symbol in range(layout.symbols_in(section))):
                assert spool.verify_section(section)
        return layout.size - spool.missing_bytes


def test_a_resumed_session_sends_the_union_of_what_is_lacking(make_net: Make, make_session: Make) -> None:
    """Ten sections: two hosts lack two each, one of them in common, one lacks a few symbols of another, the fourth nothing at all."""
    net = make_net(4)
    net.segment_in_software()
    session = make_session(10 * 8 * 44 * 1400, 4, net, layout={"section_rows": 8}, ceiling_mbit=100)
    prefill(session, 0, lambda section, _symbol: section in (2, 3))
    prefill(session, 1, lambda section, _symbol: section in (3, 4))
    # Three symbols of one column and one of another: three parity symbols of the one and one of the other bring them back.
    prefill(session, 2, lambda section, symbol: section == 7 and symbol in (5, 5 + 44, 5 + 3 * 44, 9))
    prefill(session, 3, lambda _section, _symbol: False)
    before = net.sent_bytes()
    session.start_receivers()
    session.start_sender()
    results = session.results()
    assert {host["reason"] for host in results["sender"]["hosts"].values()} == {"completed"}
    assert all(session.holds(index) for index in range(4))
    assert results["sender"]["data_packets"] == 3 * 8 * 44
    assert results["sender"]["parity_packets"] == 4
    # On the link: those packets with their headers, and a little control.
    assert net.sent_bytes() - before <= (3 * 8 * 44 + 4) * 1458 + 60_000


@pytest.mark.parametrize("length", [10, 120])
def test_bursts(make_net: Make, make_session: Make, length: int) -> None:
    """Two percent of the packets, lost in runs of ten and of nearly three rows, at other times for every receiver."""
    net = make_net(4)
    net.segment_in_software()
    net.set_loss(2.0, burst=length)
    session = make_session(24_000_000, 4, net, ceiling_mbit=200)
    before = net.sent_bytes()
    session.start_receivers()
    session.start_sender()
    results = session.results()
    assert {host["reason"] for host in results["sender"]["hosts"].values()} == {"completed"}
    assert all(session.holds(index) for index in range(4))
    assert all(results[f"r{index}"]["decoded_symbols"] > 0 for index in range(4))
    assert net.sent_bytes() - before <= 1.2 * 24_000_000
