# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A distribution that failed behind a distribution server is planned there, approved, and sent again from there."""

from __future__ import annotations

import pytest
from ansible_collections.fleetcast.core.tests.integration.redistribution.depot import RECIPIENTS, SERVER, Depot

pytestmark = [pytest.mark.redistribution, pytest.mark.lab, pytest.mark.timeout(900)]


def test_planned_approved_and_completed_without_bytes_from_the_controller(depot: Depot) -> None:
    distribution = depot.fail("host2", "host3")
    assert depot.records() == {"host2": "open", "host3": "open"}
    # One got it meanwhile, by hand.
    depot.exec("host3", "mkdir", "-p", depot.destination)
    depot.lab.host("host3").exec(["sh", "-c", f"cat > {depot.destination}tool.bin"], input=depot.source.read_bytes(), check=True)
    before = depot.sent_bytes()
    digest = depot.plan()
    assert depot.records() == {"host2": "open", "host3": "resolved"}
    assert depot.states(2) == {"host2": "failed", "host3": "already_installed"}
    assert depot.plans() == ["proposed"]
    played = depot.redistribute(approved_plan=digest, fleetcast_redistribute_reason="the disk was cleared").done()
    depot.assert_arrived(depot.source, RECIPIENTS)
    assert depot.records() == dict.fromkeys(RECIPIENTS, "resolved")
    assert depot.states(2) == {"host2": "succeeded", "host3": "already_installed"}
    assert depot.plans() == ["finished"]
    ((status, _who, how, why),) = depot.decisions()
    assert (status, how, why) == ("approved", "digest", "the disk was cleared")
    # Two playbooks with their modules, and no package of 8 MB.
    assert depot.sent_bytes() - before < 4_000_000
    kinds = [record["type"] for record in depot.job_log()]
    assert kinds[-3:] == ["redistributing", "recorded", "redistributed"]
    assert depot.sql("SELECT count(*) FROM distribution WHERE id = ?", distribution) == [(1,)]
    assert "1 of 1 recipients have it, verified." in played.said
    # Once more there is nothing to do, and the approval is spent.
    assert "No distribution server has failed" in depot.redistribute().done().said
    again = depot.redistribute(approved_plan=digest)
    assert again.status != 0
    assert "is finished and cannot be approved any more" in again.said
    assert SERVER in played.said


@pytest.mark.further
def test_a_redistribution_that_helps_nobody_is_concluded_too(depot: Depot) -> None:
    depot.fail("host2")
    digest = depot.plan()
    depot.exec("host2", "mkdir", "-p", f"{depot.destination}tool.bin/in-the-way")
    played = depot.redistribute(approved_plan=digest)
    assert played.status != 0
    assert "0 of 1 recipients have it, verified; not host2: make a new plan when the cause is found." in played.said
    assert (depot.plans(), depot.records()) == (["unfinished"], {"host2": "open"})
    assert depot.states(2) == {"host2": "failed", "host3": "succeeded"}
    begun, ended = depot.job_log()[-2:]
    assert (begun["type"], ended["type"], ended["data"]["failures"]) == ("redistributing", "redistributed", ["host2"])
