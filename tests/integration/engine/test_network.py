# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions between network namespaces: loss, rates, IPv6, source-specific groups, hosts that vanish."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.fleetcast.core.tests.bench.engine_net import Net

pytestmark = [pytest.mark.push, pytest.mark.lab]

Make = Callable[..., Any]


def complete(session: Any) -> dict[str, Any]:
    """Run all ends; everybody must end with the source's bytes, and say so."""
    session.start_receivers()
    session.start_sender()
    results = session.results()
    assert "error" not in results["sender"], results["sender"]
    assert {verdict["reason"] for verdict in results["sender"]["hosts"].values()} == {"completed"}
    for index in range(len(session.names)):
        assert results[f"r{index}"]["completed"], results[f"r{index}"]
        assert session.holds(index)
    return dict(results)


def _wait_for_data(net: Net) -> None:
    """Until the session is past its ready phase, however long that takes on a busy machine."""
    deadline = time.monotonic() + 60
    while net.sent_bytes() < 3_000_000:
        assert time.monotonic() < deadline, "the sender did not begin"
        time.sleep(0.05)


@pytest.mark.parametrize(("loss", "most"), [(0.0, 1.045), (1.0, 1.09), (5.0, 1.19), (20.0, 1.50)])
def test_independent_loss(make_net: Make, make_session: Make, loss: float, most: float) -> None:
    """Four receivers that each lose other packets; bytes on the sender's link, headers and control included, against the artifact's."""
    net = make_net(4, loss_percent=loss)
    net.segment_in_software()
    session = make_session(24_000_000, 4, net, ceiling_mbit=200)
    before = net.sent_bytes()
    results = complete(session)
    assert net.sent_bytes() - before <= most * 24_000_000
    if loss:
        assert results["r0"]["decoded_symbols"] > 0
        assert results["r0"]["polluted_sections"] == 0


def test_loss_of_everything_the_sender_says_too(make_net: Make, make_session: Make) -> None:
    """10 % loss on the way back as well: feedback is lost like data."""
    net = make_net(4, loss_percent=10)
    net.segment_in_software()
    net.inside(
        "sender",
        "nft",
        "-f",
        "-",
        stdin="table inet back {\nchain in {\ntype filter hook input priority 0; policy accept;\nudp dport 1-65535 numgen random mod 100 < 10 drop\n}\n}\n",
    )
    complete(make_session(12_000_000, 4, net, ceiling_mbit=200))


@pytest.mark.parametrize("loss", [0.0, 3.0])
def test_ipv6(make_net: Make, make_session: Make, loss: float) -> None:
    net = make_net(2, loss_percent=loss)
    net.segment_in_software()
    complete(make_session(12_000_000, 2, net, network={"group": "ff15::4242:1"}, ceiling_mbit=200))


@pytest.mark.parametrize(("group", "source"), [("232.1.2.3", "10.99.0.1"), ("ff3e::4242:1", "fd99::1")])
def test_source_specific_group(make_net: Make, make_session: Make, group: str, source: str) -> None:
    complete(make_session(6_000_000, 2, make_net(2), network={"group": group, "source": source}))


def test_source_specific_group_does_not_hear_others(make_net: Make, make_session: Make) -> None:
    session = make_session(1000, 1, make_net(1), network={"group": "232.1.2.3", "source": "10.99.0.77"}, limits={"wait": 2, "ready": 1.5})
    session.start_receivers()
    session.start_sender(network={**session.common["network"], "source": None})
    results = session.results()
    assert results["r0"]["reason"] == "silence" and results["sender"]["error"] == "NoReceiverReady"


@pytest.mark.parametrize("offload", [{"gso": True, "gro": False}, {"gso": False, "gro": True}, {"gso": False, "gro": False}])
def test_without_offload_and_with_loss(make_net: Make, make_session: Make, offload: dict[str, bool]) -> None:
    net = make_net(2, loss_percent=2)
    results = complete(make_session(12_000_000, 2, net, network=offload, ceiling_mbit=200))
    assert results["sender"]["segmentation_offload"] is offload["gso"]


def test_packets_joined_again_on_the_way(make_net: Make, make_session: Make) -> None:
    net = make_net(2, loss_percent=2)
    net.segment_in_software()
    net.coalesce()
    complete(make_session(12_000_000, 2, net, ceiling_mbit=200))


def test_whole_batches_lost(make_net: Make, make_session: Make) -> None:
    """With segmentation left to the far end a drop takes a whole batch: every block loses one symbol of it, no block more."""
    net = make_net(4, loss_percent=3)
    complete(make_session(24_000_000, 4, net, ceiling_mbit=400))


@pytest.mark.parametrize("ceiling", [None, 200])
def test_slow_link_at_the_sender(make_net: Make, make_session: Make, ceiling: int | None) -> None:
    """A full queue right below the sender: felt (ENOBUFS) where it takes whole batches, found by the loss where it cuts them."""
    net = make_net(2, rate_mbit=50, queue_kb=100)
    session = make_session(6_000_000, 2, net, ceiling_mbit=ceiling)
    before = net.sent_bytes()
    complete(session)
    assert net.sent_bytes() - before <= 1.4 * 6_000_000


@pytest.mark.parametrize("felt", [True, False])
def test_busy_receivers_behind_a_slow_link(make_net: Make, make_session: Make, felt: bool) -> None:
    """No ceiling, and all receivers held up for two seconds, as by their disks: silence is not congestion, the rate must come back.

    The link needs 2.4 s; the session's limit is a bound on a rate that collapsed (a twentieth of the link's takes 40 s), not on speed.
    """
    net = make_net(3)
    if felt:
        net.set_rate(40, 500)
    else:
        for name in net.names[1:]:
            net.set_bridge_rate(40, name, 500)
    session = make_session(12_000_000, 3, net, limits={"session": 20})
    before = net.sent_bytes()
    session.start_receivers()
    session.start_sender()
    time.sleep(1.5)
    receivers = [process for name, process in session.processes.items() if name != "sender"]
    for process in receivers:
        process.send_signal(signal.SIGSTOP)
    time.sleep(2)
    for process in receivers:
        process.send_signal(signal.SIGCONT)
    results = session.results()
    assert {verdict["reason"] for verdict in results["sender"]["hosts"].values()} == {"completed"}, results["sender"]
    assert all(session.holds(index) for index in range(3))
    # The search begins at 200 Mbit/s and costs some megabytes, whatever the size. Where the sender cannot feel the bottleneck, what it
    # sends to receivers that are held up is lost too, and how much that is depends on when they were.
    if felt:
        assert net.sent_bytes() - before <= 1.3 * 12_000_000 + 6_000_000


def test_slow_link_behind_the_bridge(make_net: Make, make_session: Make) -> None:
    """No ceiling, and a bottleneck that the sender cannot feel: the rate adapts to what arrives."""
    net = make_net(2)
    for name in ("r0", "r1"):
        net.set_bridge_rate(50, name)
    session = make_session(20_000_000, 2, net)
    before = net.sent_bytes()
    complete(session)
    assert net.sent_bytes() - before <= 1.6 * 20_000_000


def test_host_cut_off_and_back(make_net: Make, make_session: Make) -> None:
    net = make_net(2)
    session = make_session(30_000_000, 2, net, ceiling_mbit=80)
    session.start_receivers()
    session.start_sender()
    _wait_for_data(net)
    net.link_down("r1")
    time.sleep(1.5)
    net.link_up("r1")
    results = session.results()
    assert results["sender"]["hosts"]["host1"]["completed"] and session.holds(0) and session.holds(1)


def test_host_cut_off_for_good(make_net: Make, make_session: Make) -> None:
    net = make_net(3)
    session = make_session(30_000_000, 3, net, ceiling_mbit=80, limits={"host": 4})
    session.start_receivers()
    session.start_sender()
    _wait_for_data(net)
    net.link_down("r1")
    results = session.results()
    hosts = results["sender"]["hosts"]
    assert hosts["host0"]["completed"] and hosts["host2"]["completed"] and session.holds(0) and session.holds(2)
    assert hosts["host1"]["reason"] == "silence" and 0 < hosts["host1"]["missing_bytes"] <= 30_000_000
    assert results["r1"]["reason"] == "silence"


def test_deadline_with_a_port_that_carries_too_little(make_net: Make, make_session: Make) -> None:
    """One receiver behind a port of a fortieth of the rate: it is out at the deadline, for loss; the others were done long before."""
    net = make_net(3)
    net.set_bridge_rate(2, "r1", queue_kb=64)
    session = make_session(10_000_000, 3, net, ceiling_mbit=80, limits={"session": 8, "host": 6})
    session.start_receivers()
    session.start_sender()
    results = session.results()
    hosts = results["sender"]["hosts"]
    assert hosts["host0"]["completed"] and hosts["host2"]["completed"]
    assert hosts["host1"]["reason"] in ("network_loss", "silence") and hosts["host1"]["lost_packets"] > 0
    assert not results["r1"]["completed"] and session.holds(0) and session.holds(2)


def test_no_route(make_net: Make, make_session: Make) -> None:
    net = make_net(1)
    for name in net.names:
        net.inside(name, "ip", "route", "del", "224.0.0.0/4")
    session = make_session(1000, 1, net, network={"interface": None})
    session.start_receivers()
    session.start_sender()
    for result in session.results().values():
        assert result["error"] == "NoRoute" and "ip route add" in result["message"]


def test_membership_limit(make_net: Make, make_session: Make) -> None:
    """The kernel's limit on memberships is per socket, so it is set to none for the receiver's network, and for nobody else's."""
    net = make_net(1)
    net.inside("r0", "sh", "-c", "echo 0 > /proc/sys/net/ipv4/igmp_max_memberships")
    session = make_session(1000, 1, net)
    session.start_receivers()
    result = session.result("r0")
    assert result["error"] == "MembershipLimit" and "igmp_max_memberships" in result["message"]


def test_interface_by_route(make_net: Make, make_session: Make) -> None:
    complete(make_session(3_000_000, 1, make_net(1), network={"interface": None}))


@pytest.mark.parametrize("gso", [True, False])
def test_mtu_too_small(make_net: Make, make_session: Make, gso: bool) -> None:
    session = make_session(1_000_000, 1, make_net(1, mtu=1300), network={"gso": gso})
    session.start_receivers()
    session.start_sender()
    result = session.result("sender")
    assert result["error"] == "MtuTooSmall" and "1452 bytes" in result["message"] and "symbol size" in result["message"]


def test_small_mtu_with_small_symbols(make_net: Make, make_session: Make) -> None:
    complete(make_session(3_000_000, 2, make_net(2, mtu=1300, loss_percent=2), layout={"symbol_size": 1200}, ceiling_mbit=200))


def test_firewall_at_the_sender(make_net: Make, make_session: Make) -> None:
    net = make_net(1)
    net.inside(
        "sender",
        "nft",
        "-f",
        "-",
        stdin="table inet wall {\nchain out {\ntype filter hook output priority 0; policy accept;\nip daddr 224.0.0.0/4 reject\n}\n}\n",
    )
    session = make_session(1000, 1, net, limits={"ready": 1})
    session.start_sender()
    result = session.result("sender")
    assert result["error"] in ("NetworkDown", "NoReceiverReady")
