# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A policy approves what is small, in its time, of its kinds of failure; the rest waits for a person."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from ansible_collections.fleetcast.core.tests.integration.redistribution.depot import RECIPIENTS, Depot

pytestmark = [pytest.mark.redistribution, pytest.mark.lab, pytest.mark.timeout(900)]


def test_a_policy_approves_what_it_allows_and_nothing_else(depot: Depot) -> None:
    depot.fail("host2", "host3")
    now = datetime.now(UTC)

    def window(begins: int, ends: int) -> dict[str, str]:
        return {**{word: f"{now + timedelta(hours=hours):%H:%M}" for word, hours in (("from", begins), ("to", ends))}, "time_zone": "UTC"}

    def try_policy(*only: str, **policy: object) -> str:
        options = {"fleetcast_redistribute_policy": policy, "fleetcast_redistribute_hosts": only}
        return depot.redistribute(fleetcast_redistribute_approval="policy", **options).done().said

    assert "the plan has 2 recipients, the policy approves up to 1" in try_policy(max_hosts=1)
    assert "is in none of the policy's windows" in try_policy(max_hosts=2, windows=[window(3, 5)])
    assert "the policy is not for the failure of host2" in try_policy("host2", max_hosts=1, failure_types=["disk_full"])
    assert depot.records() == dict.fromkeys(RECIPIENTS, "open")
    assert depot.decisions() == []

    (failure_type,) = {kind for (kind,) in depot.sql("SELECT failure_type FROM failure_record")}
    try_policy(max_hosts=2, windows=[window(-1, 2)], failure_types=["disk_full", failure_type])
    depot.assert_arrived(depot.source, RECIPIENTS)
    assert depot.records() == dict.fromkeys(RECIPIENTS, "resolved")
    assert [decision[:3] for decision in depot.decisions()] == [("approved", "policy", "policy")]
