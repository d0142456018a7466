# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same session by broadcast, in a network that carries no multicast."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fleetcast.core.tests.bench.engine_net import Net
from ansible_collections.fleetcast.core.tests.integration.engine.test_network import complete

pytestmark = [pytest.mark.engine, pytest.mark.lab]

Make = Callable[..., Any]

_NO_MULTICAST = "table bridge nomc {\nchain forward {\ntype filter hook forward priority 0\nip daddr 224.0.0.0/4 drop\n}\n}\n"
_COLLECTIONS = Path(__file__).resolve().parents[3] / "build" / "collections"
#: Prints what the product says of an interface, and of addresses, as JSON.
_ASK = """
import json, sys
sys.path.insert(0, sys.argv[2])
from ansible_collections.fleetcast.core.plugins.module_utils._multicast import errors, interfaces
asked, found = json.loads(sys.argv[1]), []
for address, transport, name in asked:
    try:
        found.append(interfaces.destination(address, transport, name))
    except errors.EngineError as error:
        found.append([type(error).__name__, str(error)])
print(json.dumps(found))
"""


def without_multicast(net: Net) -> Net:
    """A bridge that drops every frame to a multicast address of IPv4."""
    net.inside("bridge", "nft", "-f", "-", stdin=_NO_MULTICAST)
    return net


@pytest.mark.parametrize("group", ["10.99.0.255", "255.255.255.255"])
@pytest.mark.parametrize("loss", [0.0, 2.0])
def test_complete_where_multicast_does_not_get_through(make_net: Make, make_session: Make, group: str, loss: float) -> None:
    net = without_multicast(make_net(3, loss_percent=loss))
    if loss:
        net.segment_in_software()
    session = make_session(12_000_000, 3, net, network={"group": group, "broadcast": True}, ceiling_mbit=200)
    before = net.sent_bytes()
    complete(session)
    assert net.sent_bytes() - before <= 1.1 * 12_000_000, "sent once for all"


def test_that_network_carries_no_multicast(make_net: Make, make_session: Make) -> None:
    net = without_multicast(make_net(1))
    session = make_session(1000, 1, net, limits={"wait": 2, "ready": 1.5})
    session.start_receivers()
    session.start_sender()
    results = session.results()
    assert results["r0"]["reason"] == "silence" and results["sender"]["error"] == "NoReceiverReady"


def test_batches_stay_whole(make_net: Make, make_session: Make) -> None:
    """GSO and GRO serve broadcast as they serve multicast."""
    results = complete(make_session(24_000_000, 2, make_net(2), network={"group": "10.99.0.255", "broadcast": True}))
    assert results["sender"]["segmentation_offload"]
    assert results["r0"]["coalesced"] and results["r1"]["coalesced"]


def test_an_address_of_another_network(make_net: Make, make_session: Make) -> None:
    session = make_session(1000, 1, make_net(1), network={"group": "10.98.0.255", "broadcast": True}, limits={"ready": 1})
    session.start_receivers()
    result = session.results()["r0"]
    assert result["error"] == "NoInterface"
    assert "10.98.0.255 is not the broadcast address of a network" in result["message"]


def test_which_address_is_meant(make_net: Make) -> None:
    net = make_net(1)
    asked = [
        ("239.1.2.3", "multicast", "eth0"),
        ("239.1.2.3", "broadcast", "eth0"),
        ("239.1.2.3", "broadcast", None),
        ("10.99.0.255", "multicast", "eth0"),
        ("255.255.255.255", "multicast", None),
        ("ff15::1", "multicast", "eth0"),
        ("10.99.0.1", "broadcast", "eth0"),
        ("10.1.2.3", "multicast", "eth0"),
        ("ff15::1", "broadcast", "eth0"),
        ("239.1.2.3", "broadcast", "lo"),
        ("nonsense", "broadcast", "eth0"),
        ("239.1.2.3", "broadcast", "eth7"),
    ]

    def ask() -> list[list[Any]]:
        answers: list[list[Any]] = json.loads(net.inside("r0", sys.executable, "-c", _ASK, json.dumps(asked), str(_COLLECTIONS)))
        return answers

    found = ask()
    assert found[:6] == [
        ["239.1.2.3", False],
        ["10.99.0.255", True],
        ["10.99.0.255", True],
        ["10.99.0.255", True],
        ["255.255.255.255", True],
        ["ff15::1", False],
    ]
    assert [error for error, _said in found[6:]] == ["NotMulticast", "NotMulticast", "BadSession", "NoInterface", "BadSession", "NoInterface"]
    assert "IPv4 only" in found[8][1] and "IPv4 only" in found[9][1]
    # A network with another mask, and two of them.
    net.inside("r0", "ip", "link", "add", "eth9", "type", "veth", "peer", "name", "eth9p")
    net.inside("r0", "ip", "addr", "add", "172.20.16.5/20", "brd", "+", "dev", "eth9")
    net.inside("r0", "ip", "link", "set", "eth9", "up")
    asked = [("239.1.2.3", "broadcast", "eth9"), ("172.20.31.255", "multicast", None), ("239.1.2.3", "broadcast", None)]
    found = ask()
    assert found[:2] == [["172.20.31.255", True], ["172.20.31.255", True]]
    assert found[2][0] == "NoInterface" and "eth0, eth9" in found[2][1]
    net.inside("r0", "ip", "route", "add", "default", "via", "10.99.0.1")
    assert ask()[2] == ["10.99.0.255", True]
