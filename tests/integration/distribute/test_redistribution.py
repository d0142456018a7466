# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole way: a server and two recipients are lost in mid-send; when they are back, each server sends again, to exactly those who missed it."""

from __future__ import annotations

import random
import re

import pytest
from ansible_collections.fleetcast.core.tests.integration.distribute.depots import SERVERS, Depots
from ansible_collections.fleetcast.core.tests.integration.push import packages

pytestmark = [pytest.mark.redistribution, pytest.mark.lab, pytest.mark.timeout(580)]

_SIZE = 30_000_000
#: Recipients of servers that stay.
_LOST = ("host5", "host12")


@pytest.mark.parametrize("depots", [4], indirect=True)
def test_a_server_and_two_recipients_are_lost(depots: Depots) -> None:
    source = packages.build_deb(depots.directory, "1.0", payload=random.Random(1).randbytes(_SIZE))
    before = depots.lab.count_bytes()
    play = depots.start_distribute(source, fleetcast_install="deb", fleetcast_rate="40M", fleetcast_server_rate="400M", fleetcast_wait_timeout=30)
    sites = [f"{server}-site" for server in SERVERS]

    def least_sent() -> int:
        sent = depots.bytes_since(before, *sites)
        return min(sent[site] for site in sites)

    play.wait_for(lambda: least_sent() > 8_000_000, "all servers send")
    # All at the same moment, before the first has its data: to see a host off takes a while on a busy machine.
    for host in ("host2", *_LOST):
        depots.lab.cut(host)
    for host in ("host2", *_LOST):
        depots.lab.host(host).power_off(power_cut=True)
    assert play.ended().status != 0

    missed = {*depots.served_by("host2"), *_LOST}
    have = {host: "succeeded" for host in depots.recipients if host not in missed}
    assert depots.states(12) == {**dict.fromkeys(missed, "failed"), **have}
    assert depots.failures() == {host: (depots.lab.host(host).through, "open") for host in missed}
    attempts = depots.rows("attempt_no")

    for host in ("host2", *_LOST):
        depots.lab.rejoin(host)
        depots.lab.host(host).power_on()
    before = depots.lab.count_bytes()
    # The plan for the server is looked at, and approved by its digest; those for single recipients are approved by policy.
    planned = depots.redistribute(fleetcast_server="host2", fleetcast_redistribute_approval="none").done()
    assert depots.states(12) == {**dict.fromkeys(missed, "failed"), **have}, "nothing runs without an approval"
    found = re.search(r"-e approved_plan=([0-9a-f]{64})", planned.said)
    assert found, planned.output
    depots.redistribute(approved_plan=found.group(1)).done()
    for server in ("host1", "host3"):
        policy = {"max_hosts": 1}
        depots.redistribute(fleetcast_server=server, fleetcast_redistribute_approval="policy", fleetcast_redistribute_policy=policy).done()
    sent = depots.bytes_since(before)

    depots.all_states("succeeded", depots.recipients)
    assert depots.rows("version") == dict.fromkeys(depots.recipients, "1.0"), "installed, as was asked in the first place"
    assert depots.rows("attempt_no") == {host: number + (host in missed) for host, number in attempts.items()}, "exactly those who missed it"
    assert depots.failures() == {host: (depots.lab.host(host).through, "resolved") for host in missed}
    assert sent["controller"] < _SIZE / 2, "modules, and no package"
    for server in SERVERS:
        assert sent[f"{server}-site"] < 1.2 * _SIZE, "one copy at most for all of its recipients"
    shown = depots.start("fleetcast.core.status").ended().done().output
    for host in ("host8", *_LOST):
        assert depots.exec(host, "dpkg-query", "-W", "-f", "${Status} ${Version}", packages.NAME) == "install ok installed 1.0"
    assert "12  of 12 hosts" in shown
