# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is concluded from what a host saw, where a network for it is hard to make."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.fleetcast.core.plugins.module_utils._multicast.advice import judge
from ansible_collections.fleetcast.core.plugins.module_utils._multicast.probe import Observation

pytestmark = pytest.mark.engine

ALL = [548, 1024, 1232, 1352, 1424, 1472]


def judged(querier: str | None = None, symbol_size: int = 1400, **seen: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {"payloads": {"multicast": ALL, "broadcast": ALL}, "rcvbuf": 1 << 25, "answer_heard": True, "tapped": {}, "queriers": ["10.0.0.1"]}
    return judge(Observation(**{**usual, **seen}), symbol_size, 28, querier)


def test_all_is_well() -> None:
    found = judged()
    assert (found["recommended"], found["usable"], found["problems"]) == ("multicast", ["multicast", "broadcast"], [])


def test_a_small_buffer_is_a_problem_but_no_obstacle() -> None:
    found = judged(rcvbuf=212992)
    assert found["recommended"] == "multicast"
    assert ["net.core.rmem_max" in problem for problem in found["problems"]] == [True]


@pytest.mark.parametrize(
    ("queriers", "known", "said"),
    [
        (["fe80::1"], None, "seen"),
        ([], None, "not_seen"),
        (None, None, "unknown"),
        (None, "of IGMP version 2 on eth0", "seen"),
        ([], "the bridge br0 of this host", "seen"),
    ],
)
def test_what_is_known_of_a_querier(queriers: list[str] | None, known: str | None, said: str) -> None:
    assert judged(querier=known, queriers=queriers)["querier"] == said


@pytest.mark.parametrize(("tapped", "firewall"), [({"multicast": 12, "broadcast": 0}, "host"), ({"multicast": 0, "broadcast": 0}, "none"), (None, "unknown")])
def test_nothing_arrives(tapped: dict[str, int] | None, firewall: str) -> None:
    found = judged(payloads={"multicast": [], "broadcast": []}, answer_heard=False, tapped=tapped)
    assert (found["recommended"], found["firewall"], found["path_mtu"], found["symbol_size"], found["gro"]) == ("unicast", firewall, None, None, None)
    assert found["problems"]


def test_jumbo_symbols_on_a_usual_path() -> None:
    found = judged(symbol_size=8900)
    assert (found["recommended"], found["symbol_size"]) == ("unicast", 1448)
    assert "set fleetcast_symbol_size to 1448 or less" in found["problems"][0]


def test_an_interface_that_cannot_be_used_by_one_way() -> None:
    found = judged(payloads={"broadcast": ALL}, errors={"multicast": "a limit on memberships is reached"})
    assert found["recommended"] == "broadcast"
    assert found["problems"] == ["multicast: a limit on memberships is reached"]
