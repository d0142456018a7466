# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom a poll asks: sender and receivers must mean the same by it, or two answer in one slot."""

from __future__ import annotations

import pytest
from ansible_collections.fleetcast.core.plugins.module_utils._multicast import wire
from ansible_collections.fleetcast.core.plugins.module_utils._multicast.peers import Roster, State
from ansible_collections.fleetcast.core.plugins.module_utils._multicast.rounds import PANEL, Panel
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.engine


def roster(count: int, done: set[int]) -> Roster:
    made = Roster([f"host{index}" for index in range(count)], 1000)
    for peer in made.peers:
        made.move(peer, State.DONE if peer.index in done else State.ACTIVE)
    return made


@given(st.integers(1, 3 * PANEL), st.sets(st.integers(0, 3 * PANEL - 1)), st.booleans())
def test_both_ends_agree_on_the_slots(count: int, done: set[int], everybody: bool) -> None:
    peers = roster(count, done)
    panel = Panel()
    rest = peers.of(State.ACTIVE)
    panel.choose(rest)
    slots = panel.slots(rest, everybody)
    poll = wire.Poll(1, 1, 100, False, everybody, panel.stride, peers.bitmap(State.DONE))
    assert slots == {index: poll.slot(index, count) for index in range(count) if poll.asks(index)}
    assert len(set(slots.values())) == len(slots), "two receivers in one slot"
    assert len(slots) == (len(rest) if everybody or len(rest) <= PANEL else len(panel.members))
    assert all(slot < len(rest) + panel.stride for slot in slots.values())


@pytest.mark.parametrize("count", [1, PANEL, PANEL + 1, 1000, wire.MAX_RECEIVERS])
def test_the_panel_is_small_spread_and_answers_first(count: int) -> None:
    peers = roster(count, set())
    panel = Panel()
    panel.choose(peers.of(State.ACTIVE))
    members = [peer.index for peer in panel.members]
    assert min(count, PANEL // 2) <= len(members) <= PANEL
    assert members[-1] - members[0] >= count - 2 * panel.stride
    slots = panel.slots(peers.of(State.ACTIVE), everybody=True)
    assert [slots[index] for index in members] == list(range(len(members)))


def test_who_is_in_a_state_follows_the_moves() -> None:
    peers = roster(20, {3})
    assert [peer.index for peer in peers.of(State.DONE)] == [3]
    peers.move(peers.peers[9], State.DONE)
    assert [peer.index for peer in peers.of(State.DONE)] == [3, 9]
    assert peers.bits(State.DONE) == 1 << 3 | 1 << 9
    assert wire.rank(peers.bitmap(State.DONE), 20) == 18
    assert peers.of(State.ACTIVE) == [peer for peer in peers.peers if peer.index not in (3, 9)]


def test_nothing_is_held_by_all_when_one_holds_nothing() -> None:
    peers = roster(3, set())
    for peer, levels in zip(peers.peers, (b"\2\2\1", b"\2\1\2", b"\2\2\2"), strict=True):
        peer.ready(wire.Ready(1, 0, 1, wire.pack_held(levels)), 3)
    assert peers.least_held(3) == b"\2\1\1"
    peers.peers[1].ready(wire.Ready(1, 0, 1, b""), 3)
    assert peers.least_held(3) == bytes(3)
