# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that is off holds nobody up, is known as unreachable, and is finished alone when it is back."""

from __future__ import annotations

from datetime import datetime

import pytest
from ansible_collections.fleetcast.core.tests.integration.push.project import Project

pytestmark = [pytest.mark.push, pytest.mark.lab, pytest.mark.timeout(400)]

_SIZE = 20_000_000
_READY_TIMEOUT = 60


def _longest_seconds(project: Project) -> float:
    """The longest that a host of the newest distribution took from the begin of the transfer to its success."""
    times = project.sql(
        "SELECT max(e.occurred_at) FILTER (WHERE e.to_status = 'succeeded'), min(e.occurred_at) FILTER (WHERE e.to_status = 'transferring') "
        "FROM status_event e JOIN target t ON t.current_attempt_id = e.attempt_id WHERE t.status = 'succeeded' GROUP BY e.attempt_id"
    )
    return max((datetime.fromisoformat(succeeded) - datetime.fromisoformat(began)).total_seconds() for succeeded, began in times)


def test_a_host_that_is_off_is_finished_when_it_is_back(project_of_eight: Project) -> None:
    project = project_of_eight
    source = project.file("big.bin", _SIZE)
    others = [host for host in project.lab.hosts if host != "host5"]
    project.lab.set_rate(200)
    for host in project.lab.hosts:
        project.lab.set_loss(host, 1.0)
    project.lab.host("host5").power_off(power_cut=True)

    played = project.push(source, fleetcast_ready_timeout=_READY_TIMEOUT)

    assert {host for host, counts in played.recap.items() if counts["unreachable"]} == {"host5"}
    assert not played.failed()
    project.assert_arrived(source, others)
    assert project.states() == {**dict.fromkeys(others, "succeeded"), "host5": "unreachable"}
    assert project.rows("code")["host5"] == "unreachable"
    assert _longest_seconds(project) < _READY_TIMEOUT, "the sender waited for the host that is off"
    assert "7 of 8 hosts completed" in played.output

    project.lab.host("host5").power_on()
    before = project.sent_bytes()
    caught_up = project.catch_up("host5").done()
    assert caught_up.changed() == {"host5"}
    assert project.sent_bytes() - before >= _SIZE
    project.assert_arrived(source)
    project.all_states("succeeded")
    assert project.rows("bytes_unicast")["host5"] >= _SIZE
    assert project.rows("bytes_multicast")["host5"] == 0
    assert not project.leftovers("host5")

    events = project.sql("SELECT count(*) FROM status_event")
    counted = project.lab.count_bytes()
    again = project.catch_up("host5").done()
    assert "nothing to do" in again.said
    assert again.changed() == set()
    assert project.lab.count_bytes()["host5"]["rx_bytes"] - counted["host5"]["rx_bytes"] < 10_000, "not even a connection is needed"
    assert project.sql("SELECT count(*) FROM status_event") == events
    project.all_states("succeeded")


def test_catch_up_of_all_works_only_on_those_that_are_not_completed(project: Project) -> None:
    source = project.file()
    project.lab.host("host2").power_off()
    project.push(source)
    assert project.states() == {"host1": "succeeded", "host2": "unreachable", "host3": "succeeded"}

    still_off = project.catch_up()
    assert still_off.status != 0
    assert project.states() == {"host1": "succeeded", "host2": "unreachable", "host3": "succeeded"}
    assert project.rows("attempt_no") == {"host1": 1, "host2": 2, "host3": 1}

    project.lab.host("host2").power_on()
    before = project.lab.count_bytes()
    played = project.catch_up().done()
    after = project.lab.count_bytes()
    assert played.changed() == {"host2"}
    assert after["host2"]["rx_bytes"] - before["host2"]["rx_bytes"] > source.stat().st_size
    for host in ("host1", "host3"):
        assert after[host]["rx_bytes"] - before[host]["rx_bytes"] < 10_000
    project.assert_arrived(source)
    project.all_states("succeeded")
