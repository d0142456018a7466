# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's play is killed while the server sends: its plan comes to an end all the same, and a new one completes."""

from __future__ import annotations

import contextlib
import os
import signal

import pytest
from ansible_collections.fleetcast.core.tests.integration.redistribution.depot import RECIPIENTS, SERVER, Depot

pytestmark = [pytest.mark.redistribution, pytest.mark.lab, pytest.mark.timeout(600)]


def test_a_redistribution_that_was_killed_is_over_and_the_next_completes(depot: Depot) -> None:
    depot.variables |= {"fleetcast_rate": "10M", "fleetcast_server_rate": ""}  # six seconds
    depot.fail(*RECIPIENTS)
    by_policy = {"fleetcast_redistribute_approval": "policy", "fleetcast_redistribute_policy": {"max_hosts": 2}}
    play = depot.start_redistribute(**by_policy)
    play.wait_for_task("Send to all receivers at once")
    before = depot.sent_bytes(SERVER)
    play.wait_for(lambda: depot.sent_bytes(SERVER) - before > 1_000_000, "a part of the file is sent")
    assert depot.plans() == ["running"]
    assert depot.records() == dict.fromkeys(RECIPIENTS, "redistributing")
    play.kill()
    # What it has begun would go on for a while, and could even complete. Here it ends too. (Modules run in a Python without a name of theirs.)
    for process in [pid for host in (SERVER, *RECIPIENTS) for pid in depot.running_on(host, "python")]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)

    again = depot.redistribute(**by_policy).done()
    assert "is unfinished: the play of" in again.said
    assert "ended before it said what came of it; not completed: host2, host3. Now a new one is made" in again.said
    assert depot.plans() == ["unfinished", "finished"]
    depot.assert_arrived(depot.source, RECIPIENTS)
    assert depot.states(2) == dict.fromkeys(RECIPIENTS, "succeeded")
    assert depot.records() == dict.fromkeys(RECIPIENTS, "resolved")
    history = depot.sql(
        "SELECT e.to_status, e.reason FROM failure_event e JOIN failure_record f ON f.id = e.failure_id JOIN device d ON d.id = f.device_id "
        "WHERE d.name = 'host2' ORDER BY e.seq"
    )
    assert [status for status, _ in history] == ["open", "redistributing", "open", "redistributing", "resolved"]
    assert "ended without saying what became of this host" in history[2][1]
