# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is over and old goes; what is open, unsent or still counts stays. In each kind of database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from ansible_collections.fleetcast.core.plugins.plugin_utils._status.database import Database
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets import alert
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets.desk import Desk
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets.errors import RequestError
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets.retention import Pruned
from ansible_collections.fleetcast.core.tests.unit.plugin_utils._status.table import Table, moment, new_play

pytestmark = pytest.mark.tickets

_NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
_LONG_AGO = _NOW - timedelta(days=100)
_AGE = timedelta(days=90)
_RULES = "thresholds: [{limit: 0}, {failure_type: timeout, limit: 3}]"


def _full(device: str, at: datetime, source: str = "play", text: str = "No space left on device") -> alert.Alert:
    return alert.make(device, text, key=f"{device} {at} {text}", source=source, occurred_at=at)


def _rows(database: Database, query: str) -> list[tuple[Any, ...]]:
    with database.read() as connection:
        return [tuple(row) for row in connection.execute(sa.text(query))]


def _change(database: Database, statement: str) -> None:
    with database.write() as connection:
        connection.execute(sa.text(statement))


def test_only_what_is_over_and_old_goes(make_desk: Callable[[str], Desk], database: Database) -> None:
    desk = make_desk(_RULES)
    devices = ("old", "unsent", "dead", "young", "open")
    for device in devices:
        desk.take_in([_full(device, _LONG_AGO)], now=_LONG_AGO)
    for number, closed in ((1, _LONG_AGO), (2, _LONG_AGO), (3, _LONG_AGO), (4, _NOW)):
        desk.resolve(number, "ann", "repaired", now=closed)
    _change(database, "UPDATE mail SET status = 'delivered'")
    _change(database, "UPDATE mail SET status = 'waiting' WHERE ticket_id = 2 AND kind = 'closed'")
    _change(database, "UPDATE mail SET status = 'dead' WHERE ticket_id = 3 AND kind = 'opened'")
    # Below its threshold, long ago and now.
    desk.take_in([_full("slow", _LONG_AGO, text="Timed out")], now=_LONG_AGO)
    desk.take_in([_full("slow", _NOW, text="Timed out")], now=_NOW)
    # The old problem is back, as a ticket that names the one before.
    desk.take_in([_full("old", _NOW)], now=_NOW)

    expected = Pruned([1], mails=2, alerts=2)
    assert desk.prune(_AGE, dry_run=True, now=_NOW) == expected
    assert desk.prune(_AGE, now=_NOW) == expected
    assert desk.prune(_AGE, now=_NOW) == Pruned([])
    assert [ticket["ticket"]["id"] for ticket in desk.tickets("all")] == [6, 5, 4, 3, 2]
    assert desk.ticket(6)["ticket"]["previous"] is None
    assert _rows(database, "SELECT count(*) FROM error_record") == [(6,)]
    assert _rows(database, "SELECT count(*) FROM mail_recipient WHERE mail_id NOT IN (SELECT id FROM mail)") == [(0,)]


def test_an_alert_from_outside_that_is_read_again_does_not_count_again(make_desk: Callable[[str], Desk], database: Database) -> None:
    desk = make_desk(_RULES)
    outside = _full("web1", _LONG_AGO, source="mail")
    desk.take_in([outside], now=_LONG_AGO)
    desk.resolve(1, "ann", "repaired", now=_LONG_AGO)
    _change(database, "UPDATE mail SET status = 'delivered'")
    assert desk.prune(_AGE, now=_NOW) == Pruned([1], mails=2, alerts=1)
    assert _rows(database, "SELECT text FROM error_record") == [("",)]
    again = desk.take_in([outside], now=_NOW)
    assert (again.replayed, again.opened) == (1, [])


def test_what_still_counts_cannot_be_removed(make_desk: Callable[[str], Desk]) -> None:
    with pytest.raises(RequestError, match="must be longer than the longest window of the thresholds, which is 172800 s"):
        make_desk("window: 2d\nthresholds: [{limit: 1}]").prune(timedelta(days=2), now=_NOW)


def test_resolved_failure_records_go_and_a_ticket_that_an_open_one_names_stays(make_desk: Callable[[str], Desk], database: Database) -> None:
    desk, table, play = make_desk(_RULES), Table(database), new_play()
    started = table.start(play, hosts=["h1", "h2"])
    table.record(play, started.distribution_id, h1="dispatched", h2="dispatched")
    table.record(play, started.distribution_id, h1="failed", h2="failed")
    seen = [alert.make(host, "No space left on device", key=host, distribution=started.distribution_id, occurred_at=moment()) for host in ("h1", "h2")]
    desk.take_in(seen)
    again = new_play()
    table.retry(again, started.distribution_id, ["h1"])
    table.record(again, started.distribution_id, h1="already_installed")
    for number in (1, 2):
        desk.resolve(number, "ann", "repaired")
    _change(database, "UPDATE mail SET status = 'delivered'")
    later = moment() + timedelta(days=200)
    pruned = desk.prune(_AGE, now=later)
    assert (len(pruned.tickets), pruned.failure_records) == (1, 1)
    assert _rows(database, "SELECT d.name, f.status FROM failure_record f JOIN device d ON d.id = f.device_id") == [("h2", "ticketed")]
    assert [ticket["devices"][0]["name"] for ticket in desk.tickets("all")] == ["h2"]
    assert table.states(started.distribution_id) == {"h1": "already_installed", "h2": "failed"}
