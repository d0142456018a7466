# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook `probe`, and a push that goes by what it finds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ansible_collections.fleetcast.core.tests.integration.push.project import Project

pytestmark = [pytest.mark.engine, pytest.mark.push, pytest.mark.lab, pytest.mark.timeout(400)]

_WALL = "table inet wall {\nchain in {\ntype filter hook input priority 0; policy accept;\nmeta l4proto udp drop\n}\n}\n"
_NO_MULTICAST = "table ip nomc {\nchain out {\ntype filter hook output priority 0; policy accept;\nip daddr 239.192.0.0/16 drop\n}\n}\n"


@pytest.fixture
def firewall_on_host2(project: Project) -> Iterator[Project]:
    project.exec("host2", "nft", "-f", "-", input=_WALL)
    yield project
    project.exec("host2", "nft", "delete", "table", "inet", "wall")


def test_auto_sends_by_what_works_for_each_host(firewall_on_host2: Project) -> None:
    project = firewall_on_host2
    project.lab.cut("host3")
    probed = project.start("fleetcast.core.probe").ended()
    assert probed.failed() == set()
    assert probed.said.count("recommended: multicast") == 1
    assert "a firewall on this host (or rp_filter) drops them" in probed.said
    assert "querier seen" in probed.said
    assert probed.changed() == set()
    assert project.listing("host1") == []
    assert not project.database.exists()

    project.lab.rejoin("host3")
    source = project.file("big.bin", 6_000_000)
    project.push(source, fleetcast_transport="auto").done()
    project.assert_arrived(source)
    project.all_states("succeeded")
    assert project.rows("bytes_multicast") == {"host1": 6_000_000, "host2": 0, "host3": 6_000_000}
    assert project.rows("bytes_unicast")["host2"] >= 6_000_000


@pytest.mark.further
def test_auto_takes_broadcast_where_there_is_no_multicast(project: Project) -> None:
    for name in project.lab.hosts:
        # The probe's group and the session's do not get in.
        project.exec(name, "nft", "-f", "-", input=_NO_MULTICAST.replace("output", "input").replace("chain out", "chain in"))
    try:
        source = project.file("big.bin", 6_000_000)
        played = project.push(source, "--limit", "host1,host2", fleetcast_transport="auto").done()
    finally:
        for name in project.lab.hosts:
            project.exec(name, "nft", "delete", "table", "ip", "nomc")
    assert played.said.count("recommended: broadcast") == 2
    project.assert_arrived(source, ["host1", "host2"])
    assert project.rows("bytes_multicast") == {"host1": 6_000_000, "host2": 6_000_000}
