# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab in two tiers: recipients are reached through their server only, and each server's network is its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.fleetcast.core.tests.lab import Lab, LabError, Labs, Topology
from ansible_collections.fleetcast.core.tests.lab.topology import Subnet, tiers

pytestmark = [pytest.mark.redistribution, pytest.mark.lab]

_SEND = """
import socket, sys
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(sys.argv[1]))
for _ in range(100):
    sender.sendto(bytes(1000), ("224.0.0.251", 7713))
"""


@pytest.fixture
def two_tiers(labs: Labs) -> Lab:
    return labs.get(Topology(2, 2))


def _ping(lab: Lab, pattern: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_TIMEOUT": "10", "ANSIBLE_SSH_RETRIES": "0"}
    command = [str(Path(sys.executable).with_name("ansible")), "-i", str(lab.inventory), pattern, "-m", "ping", "-o"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)


def test_recipients_answer_through_their_server_only(two_tiers: Lab) -> None:
    lab = two_tiers
    assert _ping(lab, "all").stdout.count("SUCCESS") == 6
    lab.host("host1").power_off()
    answers = _ping(lab, "lab_recipients").stdout
    assert answers.count("UNREACHABLE") == 2
    assert answers.count("SUCCESS") == 2
    assert all(f"{host} | UNREACHABLE" in answers for host in ("host3", "host4"))


def test_multicast_stays_in_its_network(two_tiers: Lab) -> None:
    lab = two_tiers
    before = lab.count_bytes()
    # This group is flooded to all ports of a network (RFC 4541, 2.1.2), so nobody has to join.
    subprocess.run(lab.host("host1").in_network([sys.executable, "-c", _SEND, lab.host("host1").cables[1].ipv4]), check=True, timeout=30)
    after = lab.count_bytes()
    received = {port: after[port]["rx_bytes"] - before[port]["rx_bytes"] for port in after}
    assert {port for port, count in received.items() if count >= 100_000} == {"host3", "host4"}
    assert after["host1-site"]["tx_bytes"] - before["host1-site"]["tx_bytes"] >= 100_000
    assert after["host1"]["tx_bytes"] - before["host1"]["tx_bytes"] < 100_000


def test_what_is_plugged_into_what() -> None:
    topology = tiers("2x3")
    assert topology.hosts == [f"host{number}" for number in range(1, 9)]
    assert [topology.server_of(host) for host in topology.hosts] == [None, None, "host1", "host1", "host1", "host2", "host2", "host2"]
    cables = {(cable.host, cable.interface): cable for cable in topology.cables(Subnet(7))}
    assert (cables["host2", "eth0"].bridge, cables["host2", "eth0"].ipv4) == ("br0", "10.203.7.12")
    assert (cables["host2", "eth1"].bridge, cables["host2", "eth1"].port, cables["host2", "eth1"].ipv4) == ("br2", "host2-site", "10.205.7.12")
    assert (cables["host8", "eth0"].bridge, cables["host8", "eth0"].ipv4) == ("br2", "10.205.7.18")
    assert len({(cable.ipv4, cable.ipv6) for cable in cables.values()}) == len(cables)
    assert [cable.port for cable in Topology(2).cables(Subnet(7))] == ["host1", "host2"]


@pytest.mark.parametrize("text", ["3", "3x", "3x0", "0x3", "51x3", "40x5", "axb"])
def test_tiers_that_cannot_be_built(text: str) -> None:
    with pytest.raises(LabError):
        tiers(text)
