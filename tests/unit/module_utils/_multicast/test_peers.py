# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is served with the others, who afterwards, and who is left in the end."""

from __future__ import annotations

import pytest
from ansible_collections.fleetcast.core.plugins.module_utils._multicast.peers import Peer, Roster, State

pytestmark = pytest.mark.engine


@pytest.mark.parametrize(
    ("loss", "better_half", "poor"), [(0.0, 0.0, False), (0.09, 0.0, False), (0.12, 0.0, True), (0.15, 0.05, False), (0.25, 0.05, True), (0.6, 0.3, False)]
)
def test_poor_is_measured_by_the_others(loss: float, better_half: float, poor: bool) -> None:
    peer = Peer(0, "host", 1000)
    peer.compare(loss, better_half)
    assert peer.poor is poor
    peer.compare(0.0, 0.0)
    assert not peer.poor


@pytest.mark.parametrize(("count", "left"), [(1, 0), (2, 1), (8, 1), (9, 1), (16, 2), (100, 12)])
def test_stragglers_are_the_last_eighth(count: int, left: int) -> None:
    roster = Roster([f"host{index}" for index in range(count)], 1000)
    for peer in roster.peers:
        roster.move(peer, State.ACTIVE)
    found = 0
    for peer in roster.peers:
        assert bool(roster.stragglers()) == (0 < len(roster.of(State.ACTIVE)) <= left)
        found = max(found, len(roster.stragglers()))
        roster.move(peer, State.DONE)
    assert found == left and roster.stragglers() == []


def test_those_that_never_came_or_were_lost_do_not_make_stragglers_of_others() -> None:
    roster = Roster([f"host{index}" for index in range(8)], 1000)
    for peer in roster.peers[:4]:
        roster.move(peer, State.LOST)
    roster.move(roster.peers[4], State.DONE)
    for peer in roster.peers[5:7]:
        roster.move(peer, State.ACTIVE)
    assert roster.stragglers() == []
