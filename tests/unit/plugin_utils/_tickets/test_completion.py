# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A ticket about a distribution closes by itself when every one of its devices has, verified, what was to be distributed. Not earlier."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from ansible_collections.fleetcast.core.plugins.plugin_utils._status.database import Database
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets import alert
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets.desk import Desk
from ansible_collections.fleetcast.core.tests.unit.plugin_utils._status.table import Table, new_play

pytestmark = pytest.mark.tickets


def test_a_verified_completion_resolves_the_ticket(database: Database, make_desk: Callable[[str], Desk]) -> None:
    desk, table = make_desk("thresholds: [{limit: 0}]\ngroupings: [{name: all, failure_types: ['*'], by: location, devices: 2}]"), Table(database)
    play = new_play()
    started = table.start(play, ("web1", "web2"))
    alerts = [
        alert.make(host, "No space left on device", key=host, location="Hamburg", origin={"run": play.id}, occurred_at=datetime.now(UTC))
        for host in ("web1", "web2")
    ]
    assert desk.take_in(alerts).opened == ["FC-1"]
    assert {one["distribution"] for one in desk.ticket(1)["alerts"]} == {started.distribution_id}, "the run says which distribution failed"
    table.record(play, started.distribution_id, web1="dispatched", web2="dispatched")
    table.record(play, started.distribution_id, web1="succeeded", web2="failed")
    table.finish(play, started.distribution_id)
    assert desk.take_in([]).resolved == [], "one of two is not all"
    later = new_play()
    table.retry(later, started.distribution_id, ("web2",))
    table.record(later, started.distribution_id, web2="installing")
    assert desk.take_in([]).resolved == [], "on the way is not there"
    table.record(later, started.distribution_id, web2="succeeded")
    assert desk.take_in([]).resolved == ["FC-1"]
    ticket = desk.ticket(1)
    assert ticket["ticket"]["closed_by"] == "fleetcast"
    assert [mail["kind"] for mail in ticket["mails"]] == ["opened", "closed"]
