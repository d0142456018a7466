# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing is sent again without an approval of exactly this plan, in time, of what it still is about."""

from __future__ import annotations

import pytest
from ansible_collections.fleetcast.core.tests.integration.redistribution.depot import SERVER, STATE, Depot

pytestmark = [pytest.mark.redistribution, pytest.mark.lab, pytest.mark.timeout(900)]


def _nothing_was_sent(depot: Depot) -> None:
    assert depot.records() == {"host2": "open"}
    assert depot.states(2) == {"host2": "failed", "host3": "succeeded"}
    assert depot.sums("tool.bin", ["host2"]) == {"host2": ""}
    assert "redistributing" not in [record["type"] for record in depot.job_log()]


def test_plans_that_must_not_be_performed(depot: Depot) -> None:
    depot.fail("host2")
    # Nobody has a terminal here, so nobody has decided.
    played = depot.redistribute().done()
    assert "Nobody has decided yet" in played.said
    _nothing_was_sent(depot)

    # Rejected, with who and why; and then nobody can approve it any more.
    digest = depot.planned(played)
    depot.redistribute(rejected_plan=digest, fleetcast_redistribute_who="anna", fleetcast_redistribute_reason="not during the fair").done()
    assert depot.decisions() == [("rejected", "anna", "digest", "not during the fair")]
    noted = depot.job_log()[-1]
    assert (noted["type"], noted["data"]["plan"]) == ("rejected", digest)
    assert noted["data"]["rejection"].items() >= {"who": "anna", "how": "digest", "reason": "not during the fair"}.items()
    refused = depot.redistribute(approved_plan=digest)
    assert refused.status != 0
    assert "is rejected and cannot be approved any more" in refused.said
    _nothing_was_sent(depot)

    # Edited on the server after it was made.
    digest = depot.plan()
    path = f"{STATE}/jobs/*/plan-{digest}.json"
    depot.exec(SERVER, "sh", "-ec", f"sed -i 's/tool.bin/tool.exe/' {path}")
    refused = depot.redistribute(approved_plan=digest)
    assert refused.status != 0
    assert "was changed after it was made" in refused.said
    _nothing_was_sent(depot)

    # Older than its validity.
    digest = depot.plan(fleetcast_redistribute_validity=1)
    refused = depot.redistribute(approved_plan=digest)
    assert refused.status != 0
    assert "cannot be approved any more: make a new one" in refused.said
    _nothing_was_sent(depot)

    # The package changed after the approval.
    digest = depot.plan()
    package = depot.package()
    depot.exec(SERVER, "cp", "-p", package, f"{STATE}/copy")
    depot.exec(SERVER, "sh", "-ec", f"printf x | dd of={package} bs=1 seek=5000 conv=notrunc 2>/dev/null")
    refused = depot.redistribute(approved_plan=digest)
    assert refused.status != 0
    assert "is not what it was: tool.bin has 8000000 bytes with sha256" in refused.said
    _nothing_was_sent(depot)
    # And a new plan says the same, and what can be done.
    refused = depot.redistribute()
    assert refused.status != 0
    assert "is not what it was" in refused.said
    assert "fleetcast_redistribute_fetch=true" in refused.said

    # With leave to fetch, that is a step of the plan, and approved with it.
    digest = depot.plan(fleetcast_redistribute_fetch=True)
    _nothing_was_sent(depot)
    depot.redistribute(approved_plan=digest).done()
    assert depot.exec(SERVER, "sha256sum", package).split()[0] == depot.sum_of(depot.source)
    depot.assert_arrived(depot.source, ["host2"])
    assert depot.records() == {"host2": "resolved"}


def test_a_job_log_that_is_lost_is_fetched_as_an_approved_step(depot: Depot) -> None:
    distribution = depot.fail("host2")
    log = f"{STATE}/jobs/{distribution}/log"
    depot.exec(SERVER, "sh", "-ec", f"printf X | dd of={log} bs=1 seek=200 conv=notrunc 2>/dev/null")
    refused = depot.redistribute()
    assert refused.status != 0
    assert f"the job log {log} is damaged" in refused.said
    assert "the commands, the distribution list and the package list of this job are lost" in refused.said
    depot.exec(SERVER, "rm", log)
    refused = depot.redistribute()
    assert f"there is no job log {log} on this server" in refused.said
    digest = depot.plan(fleetcast_redistribute_fetch=True)
    depot.redistribute(approved_plan=digest).done()
    depot.assert_arrived(depot.source, ["host2"])
    assert depot.records() == {"host2": "resolved"}
    assert [record["type"] for record in depot.job_log()] == ["opened", "redistributing", "recorded", "redistributed"]
