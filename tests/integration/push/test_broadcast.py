# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A push by broadcast."""

from __future__ import annotations

import ipaddress

import pytest
from ansible_collections.fleetcast.core.tests.integration.push.project import Project

pytestmark = [pytest.mark.engine, pytest.mark.push, pytest.mark.lab, pytest.mark.timeout(400)]


def test_push_by_broadcast(project: Project) -> None:
    source = project.file("big.bin", 8_000_000)
    before = project.sent_bytes()
    project.push(source, fleetcast_transport="broadcast").done()
    sent = project.sent_bytes() - before
    project.assert_arrived(source)
    project.all_states("succeeded")
    assert project.rows("bytes_multicast") == dict.fromkeys(project.lab.hosts, 8_000_000)
    assert sent < 2 * 8_000_000, "once for all three"
    # The address in its place, and a family that has none.
    directed = str(ipaddress.ip_network(f"{project.lab.addresses[0]}/24", strict=False).broadcast_address)
    other = project.file("other.bin", 1_000_000, seed=2)
    project.push(other, "--limit", "host1", fleetcast_address=directed).done()
    project.assert_arrived(other, ["host1"])
    refused = project.push(other, "--limit", "host1", fleetcast_transport="broadcast", fleetcast_address="ff15::77")
    assert refused.status != 0
    assert "broadcast exists in IPv4 only" in refused.said
