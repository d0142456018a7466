# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From alerts to tickets: counts, thresholds, replays, outages, grouping, follow-ups, resolution. In each kind of database."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from ansible_collections.fleetcast.core.plugins.plugin_utils._status.database import Database
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets import alert
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets.alert import Alert
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets.desk import Desk
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets.errors import AlertError, RequestError
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets.journal import Passed

pytestmark = pytest.mark.tickets

MakeDesk = Callable[[str], Desk]
_NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
_serial = itertools.count()


def _full(device: str = "web1", minutes: float = 0, **values: Any) -> Alert:
    values.setdefault("key", f"k{next(_serial)}")
    return alert.make(device, "No space left on device", occurred_at=_at(minutes), **values)


def _gone(device: str, minutes: float = 0, **values: Any) -> Alert:
    text = "ssh: connect to host: Connection timed out"
    return alert.make(device, text, kind="unreachable", key=f"k{next(_serial)}", occurred_at=_at(minutes), **values)


def _at(minutes: float) -> datetime:
    return _NOON + timedelta(minutes=minutes)


def _rows(database: Database, sql: str) -> list[tuple[Any, ...]]:
    """What is in the tables, asked for in SQL of the test's own."""
    with database.read() as connection:
        return [tuple(row) for row in connection.execute(sa.text(sql))]


@pytest.mark.parametrize("limit", [0, 1, 2])
def test_the_alert_that_exceeds_the_limit_makes_the_ticket(limit: int, make_desk: MakeDesk) -> None:
    desk = make_desk(f"thresholds: [{{failure_type: disk_full, limit: {limit}}}]")
    for number in range(limit):
        assert desk.take_in([_full(minutes=number)], now=_at(number)).opened == []
    assert desk.take_in([_full(minutes=limit)], now=_at(limit)).opened == ["FC-1"]
    assert desk.tickets()[0]["ticket"]["count"] == limit + 1
    assert desk.take_in([_full(minutes=limit + 1)], now=_at(limit + 1)).opened == []
    assert desk.tickets()[0]["ticket"]["count"] == limit + 2


def test_a_replay_counts_once(make_desk: MakeDesk, database: Database) -> None:
    desk = make_desk("thresholds: [{limit: 1}]")
    same = _full(key="run:task:web1")
    for _ in range(3):
        desk.take_in([same, same], now=_NOON)
    assert _rows(database, "SELECT count FROM error_counter") == [(1,)]
    assert _rows(database, "SELECT count(*) FROM error_record") == [(1,)]
    assert desk.tickets() == []


def test_only_alerts_within_the_window_count(make_desk: MakeDesk) -> None:
    desk = make_desk("window: 1h\nthresholds: [{failure_type: disk_full, limit: 2}]")
    for minutes in (0, 50, 100, 150):
        assert desk.take_in([_full(minutes=minutes)], now=_at(minutes)).opened == []
    assert desk.take_in([_full(minutes=161)], now=_at(161)).opened == []
    assert desk.take_in([_full(minutes=165)], now=_at(165)).opened == ["FC-1"]
    assert desk.tickets()[0]["ticket"]["count"] == 3


def test_an_alert_that_comes_late_is_judged_by_its_own_time(make_desk: MakeDesk) -> None:
    desk = make_desk("window: 1h\nthresholds: [{failure_type: disk_full, limit: 1}]")
    desk.take_in([_full(minutes=0)], now=_at(0))
    assert desk.take_in([_full(minutes=200)], now=_at(200)).opened == []
    assert desk.take_in([_full(minutes=30)], now=_at(201)).opened == ["FC-1"]


def test_devices_and_failure_types_are_counted_apart(make_desk: MakeDesk) -> None:
    desk = make_desk("thresholds: [{failure_type: disk_full, limit: 1}, {failure_type: permission, limit: 1}]")
    denied = alert.make("web1", "Permission denied", key="p", occurred_at=_NOON)
    assert desk.take_in([_full("web1"), _full("web2"), denied], now=_NOON).opened == []
    assert desk.take_in([_full("web2", 1)], now=_at(1)).opened == ["FC-1"]
    assert [device["name"] for device in desk.tickets()[0]["devices"]] == ["web2"]


def test_resolving_starts_the_counts_again_and_a_new_ticket_knows_the_old_one(make_desk: MakeDesk, database: Database) -> None:
    desk = make_desk("thresholds: [{failure_type: disk_full, limit: 1}]")
    desk.take_in([_full(), _full(minutes=1)], now=_at(1))
    assert desk.resolve(1, "ann", "disk replaced", now=_at(1.5)) is True
    assert _rows(database, "SELECT epoch, count FROM error_counter") == [(2, 0)]
    assert _rows(database, "SELECT count(*) FROM error_record WHERE cleared_at IS NULL") == [(0,)]
    assert desk.take_in([_full(minutes=2)], now=_at(2)).opened == []
    assert desk.take_in([_full(minutes=3)], now=_at(3)).opened == ["FC-2"]
    new = desk.ticket(2)
    assert new["ticket"]["count"] == 2
    assert new["ticket"]["previous"]["label"] == "FC-1"
    assert [mail["kind"] for mail in desk.ticket(1)["mails"]] == ["opened", "closed"]
    with pytest.raises(RequestError, match=r"resolved already, since .* by ann"):
        desk.resolve(1, "bob", "again")
    with pytest.raises(RequestError, match="no ticket FC-9"):
        desk.resolve(9, "bob", "what")


_OUTAGE = """
thresholds: [{failure_type: disk_full, limit: 1}]
outages: [{devices: "web*", reason: move, from: 2026-03-02T12:00Z, to: 2026-03-02T14:00Z}]
"""


def test_during_an_outage_alerts_are_counted_and_at_its_end_what_still_fails_is_ticketed(make_desk: MakeDesk, database: Database) -> None:
    desk = make_desk(_OUTAGE)
    for minutes in (10, 20, 30):
        assert desk.take_in([_full(minutes=minutes)], now=_at(minutes)).opened == []
    assert _rows(database, "SELECT count, suppressed FROM error_counter") == [(3, 3)]
    assert _rows(database, "SELECT DISTINCT outage FROM error_record") == [("move",)]
    assert desk.take_in([], now=_at(119)).opened == []
    assert desk.take_in([], now=_at(121)).opened == ["FC-1"]
    assert desk.tickets()[0]["ticket"]["count"] == 3
    assert desk.take_in([], now=_at(122)).opened == []


def test_what_passed_before_the_end_of_an_outage_is_no_ticket(make_desk: MakeDesk) -> None:
    desk = make_desk(_OUTAGE)
    origin = {"playbook": "site.yml"}
    desk.take_in([_full(minutes=10, origin=origin), _full(minutes=20, origin=origin)], now=_at(20))
    desk.take_in([], [Passed("other.yml", ("web1",), _at(30)), Passed("site.yml", ("web2",), _at(30))], now=_at(30))
    desk.take_in([], [Passed("site.yml", ("web1",), _at(40))], now=_at(40))
    assert desk.take_in([], now=_at(121)).opened == []
    # It comes back: the counts are those of before.
    assert desk.take_in([_full(minutes=130, origin=origin)], now=_at(130)).opened == ["FC-1"]


def test_what_a_killed_run_saw_in_an_outage_and_the_next_run_shows_to_be_over_is_no_ticket(make_desk: MakeDesk, database: Database) -> None:
    desk = make_desk(_OUTAGE)
    origin = {"playbook": "site.yml"}
    desk.take_in([_full(minutes=10, origin=origin)], now=_at(10))
    left = [_full(minutes=20, origin=origin)]
    assert desk.take_in(left, [Passed("site.yml", ("web1",), _at(121))], now=_at(121)).opened == []
    ((passed_at,),) = _rows(database, "SELECT passed_at FROM error_counter")
    assert "14:01" in str(passed_at)
    assert desk.take_in([], now=_at(122)).opened == []


def test_another_playbook_does_not_show_that_a_failure_is_over_but_that_a_device_is_reachable(make_desk: MakeDesk) -> None:
    desk = make_desk(_OUTAGE.replace("disk_full", "unreachable*") + "groupings: []\n")
    for device in ("web1", "web2"):
        desk.take_in([_gone(device, 10), _gone(device, 20)], now=_at(20))
    desk.take_in([], [Passed("other.yml", ("web1",), _at(30))], now=_at(30))
    assert desk.take_in([], now=_at(121)).opened == ["FC-1"]
    assert [device["name"] for device in desk.ticket(1)["devices"]] == ["web2"]


def test_an_open_ticket_is_counted_on_but_not_written_about_during_an_outage(make_desk: MakeDesk) -> None:
    desk = make_desk(_OUTAGE.replace("limit: 1", "limit: 0") + "mail: {follow_up_every: 1m}\n")
    assert desk.take_in([_full(minutes=-30)], now=_at(-30)).opened == ["FC-1"]
    assert desk.take_in([_full(minutes=10)], now=_at(10)).follow_ups == 0
    assert desk.tickets()[0]["ticket"]["count"] == 2


def test_what_failed_before_an_outage_and_is_taken_in_during_it_is_judged_at_its_end(make_desk: MakeDesk) -> None:
    desk = make_desk(_OUTAGE.replace("limit: 1", "limit: 0"))
    assert desk.take_in([_full(minutes=-5)], now=_at(5)).opened == []
    assert desk.take_in([], now=_at(121)).opened == ["FC-1"]


_GROUPS = """
locations: [Hamburg, Kiel]
thresholds: [{limit: 0}, {failure_type: "unreachable*", limit: 0}]
groupings:
  - {name: place, failure_types: ["unreachable*"], by: location, devices: 3}
  - {name: servers, failure_types: [distribution_server_failed], by: server, devices: 2}
mail: {follow_up_every: 1h}
"""


def test_many_devices_behind_one_cause_are_one_ticket_that_lists_them(make_desk: MakeDesk, database: Database) -> None:
    desk = make_desk(_GROUPS)
    batch = [_gone(f"h{number}", location="Hamburg") for number in range(4)] + [_gone(f"k{number}", location="Kiel") for number in range(2)]
    assert len(desk.take_in(batch, now=_NOON).opened) == 3
    grouped = [ticket for ticket in desk.tickets() if ticket["ticket"]["grouping"] == "place"]
    assert [[device["name"] for device in ticket["devices"]] for ticket in grouped] == [["h0", "h1", "h2", "h3"]]
    # One more of the same cause joins it, and one failing again only raises its count.
    assert desk.take_in([_gone("h9", 5, location="Hamburg"), _gone("h0", 5, location="Hamburg")], now=_at(5)).opened == []
    ticket = desk.ticket(grouped[0]["ticket"]["id"])
    assert ticket["ticket"]["count"] == 6
    assert len(ticket["devices"]) == 5
    assert [mail["kind"] for mail in ticket["mails"]] == ["opened"]
    assert desk.take_in([], now=_at(61)).follow_ups == 1
    assert _rows(database, "SELECT max(n) FROM (SELECT count(*) AS n FROM ticket_device WHERE closed_at IS NULL GROUP BY device_id, failure_type) AS t") == [
        (1,)
    ]


def test_devices_that_fail_one_after_the_other_do_not_get_a_ticket_each(make_desk: MakeDesk) -> None:
    desk = make_desk(_GROUPS)
    opened = [desk.take_in([_gone(f"h{number}", number, location="Hamburg")], now=_at(number)).opened for number in range(6)]
    assert opened == [["FC-1"], ["FC-2"], ["FC-3"], [], [], []]
    common = desk.ticket(3)
    assert [device["name"] for device in common["devices"]] == ["h2", "h3", "h4", "h5"]
    assert (common["ticket"]["grouping"], common["related"]) == ("place", ["FC-1", "FC-2"])
    # Another place has nothing to do with it, and neither has what is long ago.
    assert desk.take_in([_gone("k1", 6, location="Kiel")], now=_at(6)).opened == ["FC-4"]
    assert desk.take_in([_gone("k2", 2000, location="Kiel"), _gone("k3", 2000, location="Kiel")], now=_at(2000)).opened == ["FC-5", "FC-6"]


def test_a_late_alert_does_not_make_the_last_one_of_a_ticket_an_earlier_one(make_desk: MakeDesk, database: Database) -> None:
    desk = make_desk(_GROUPS)
    assert desk.take_in([_gone(f"host{number}", 10, location="Kiel") for number in range(3)], now=_at(10)).opened == ["FC-1"]
    assert desk.take_in([_gone("host9", 5, location="Kiel")], now=_at(11)).opened == []
    ((count, last_at),) = _rows(database, "SELECT count, last_alert_at FROM ticket")
    assert count == 4 and "12:10" in str(last_at)


def test_a_common_cause_that_comes_back_names_the_ticket_it_had(make_desk: MakeDesk) -> None:
    desk = make_desk(_GROUPS)
    for first in (0, 60):
        desk.take_in([_gone(f"h{number}", first, location="Hamburg") for number in range(4)], now=_at(first))
        desk.resolve(1 if not first else 2, "ann", "switch on", now=_at(first + 10))
    assert desk.ticket(1)["ticket"]["previous"] is None
    assert desk.ticket(2)["ticket"]["previous"]["label"] == "FC-1"


def test_what_a_long_play_saw_before_a_ticket_was_resolved_is_part_of_it(make_desk: MakeDesk, database: Database) -> None:
    desk = make_desk("")
    desk.take_in([_full(minutes=0)], now=_at(0))
    desk.resolve(1, "ann", "disk replaced", now=_at(30))
    late = desk.take_in([_full(minutes=20)], now=_at(60))
    assert (late.recorded, late.opened) == (1, [])
    assert _rows(database, "SELECT count FROM error_counter") == [(0,)]
    assert _rows(database, "SELECT count(*) FROM error_record WHERE ticket_id = 1 AND epoch = 1 AND cleared_at IS NOT NULL") == [(2,)]
    assert desk.take_in([_full(minutes=40)], now=_at(61)).opened == ["FC-2"]
    # From outside: whose clock it was is not known, and a ticket too many is better than one too few.
    desk.resolve(2, "ann", "again", now=_at(90))
    assert desk.take_in([_full(minutes=70, source="json")], now=_at(100)).opened == ["FC-3"]


@pytest.mark.parametrize("code", [True, 2**63, -(2**70), "1"])
def test_a_return_code_that_is_none_keeps_nothing_out(code: object, make_desk: MakeDesk, database: Database) -> None:
    desk = make_desk("thresholds: [{failure_type: disk_full, limit: 0}]")
    assert desk.take_in([_full("web1", return_code=code), _full("web2", return_code=28)], now=_at(1)).opened == ["FC-1", "FC-2"]
    assert _rows(database, "SELECT return_code FROM error_record ORDER BY id") == [(1 if code is True else None,), (28,)]


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+00:00", "0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00"])
def test_a_time_that_cannot_be_right_is_told_before_it_spoils_a_count(at: str) -> None:
    with pytest.raises(AlertError, match="cannot be right"):
        alert.make("web1", "No space left on device", occurred_at=datetime.fromisoformat(at))


def test_an_alert_of_tomorrow_is_of_now(make_desk: MakeDesk, database: Database) -> None:
    desk = make_desk("thresholds: [{failure_type: disk_full, limit: 1}]")
    desk.take_in([_full(minutes=60 * 24 * 365)], now=_at(0))
    assert desk.take_in([_full(minutes=60 * 30)], now=_at(60 * 30)).opened == [], "it does not count for ever"
    assert desk.take_in([_full(minutes=60 * 31)], now=_at(60 * 31)).opened == ["FC-1"]


def test_recipients_of_a_failed_distribution_server_are_one_ticket_about_the_server(make_desk: MakeDesk, database: Database) -> None:
    desk = make_desk(_GROUPS)
    batch = [
        alert.make(
            f"r{number}",
            "The distribution server ds1 could not be reached, so nothing was sent to its hosts: timed out",
            key=str(number),
            # The variable of the recipients, where they have one, does not decide: somebody else may have been to send.
            server="ds9" if number else "",
            occurred_at=_NOON,
        )
        for number in range(3)
    ]
    assert desk.take_in(batch, now=_NOON).opened == ["FC-1"]
    ticket = desk.ticket(1)
    assert (ticket["subject_device"], ticket["ticket"]["failure_type"], len(ticket["devices"])) == ("ds1", "distribution_server_failed", 3)
    ((mime,),) = _rows(database, "SELECT mime FROM mail")
    assert "[FC-1] ds1: distribution server failed" in mime
    assert "ds1 needs your help: distribution server failed. 3 devices had nothing from it" in mime.replace("=\r\n", "")
    later = alert.make("r8", "The distribution server ds1 was lost while it sent (gone). This host is incomplete", key="8", occurred_at=_at(5))
    assert desk.take_in([later], now=_at(5)).opened == []
    other = alert.make("r9", "The distribution server ds2 failed before it could send anything to its hosts: x", key="9", occurred_at=_at(5))
    assert desk.take_in([other], now=_at(5)).opened == ["FC-2"]
    assert len(desk.ticket(1)["devices"]) == 4

def test_two_thousand_devices_are_one_ticket_and_one_mail(make_desk: MakeDesk, database: Database) -> None:
    desk = make_desk("thresholds: [{failure_type: 'unreachable*', limit: 0}]")
    assert desk.take_in([_gone(f"h{number}") for number in range(2000)], now=_NOON).opened == ["FC-1"]
    assert _rows(database, "SELECT count(*) FROM mail") == [(1,)]
    assert _rows(database, "SELECT count(*) FROM ticket_device WHERE ticket_id = 1") == [(2000,)]


def test_follow_ups_come_at_most_every_n_minutes_in_the_same_thread(make_desk: MakeDesk, database: Database) -> None:
    desk = make_desk("mail: {follow_up_every: 30m}")
    desk.take_in([_full()], now=_NOON)
    assert [desk.take_in([_full(minutes=minutes)], now=_at(minutes)).follow_ups for minutes in (5, 10, 31, 40, 59)] == [0, 0, 1, 0, 0]
    assert [desk.take_in([], now=_at(minutes)).follow_ups for minutes in (60, 62, 200)] == [0, 1, 0]
    mails = _rows(database, "SELECT seq, kind, message_id, mime FROM mail ORDER BY seq")
    assert [(seq, kind) for seq, kind, _, _ in mails] == [(1, "opened"), (2, "follow_up"), (3, "follow_up")]
    root = mails[0][2]
    assert len({message_id for _, _, message_id, _ in mails}) == 3
    assert all(f"References: {root}" in mime.replace("\r\n ", " ") for _, _, _, mime in mails[1:])
    assert "3 more alerts since the last mail, 4 in all" in mails[1][3]
    assert "2 more alerts since the last mail, 6 in all" in mails[2][3]


def test_a_corrected_location_chooses_the_centre_and_is_in_the_record(make_desk: MakeDesk, database: Database) -> None:
    desk = make_desk(
        "locations: [Hamburg]\ncentres:\n"
        "  - {name: north, addresses: north@example.org, language: de, locations: [Hamburg]}\n"
        "  - {name: head, addresses: head@example.org, default: true}\n"
    )
    desk.take_in([_full("web1", location="Hambrug"), _full("web2", location="Atlantis")], now=_NOON)
    rows = _rows(database, "SELECT reported_location, location, location_match FROM error_record ORDER BY id")
    assert rows == [("Hambrug", "Hamburg", "corrected"), ("Atlantis", None, "unmatched")]
    tickets = {ticket["devices"][0]["name"]: ticket for ticket in desk.tickets()}
    assert tickets["web1"]["centre"] == {"name": "north", "reason": "serves the location", "language": "de"}
    assert 80 < tickets["web1"]["location"]["score"] < 100
    assert tickets["web2"]["centre"]["name"] == "head"
    assert tickets["web2"]["location"]["match"] == "unmatched"


def test_a_plan_of_redistribution_is_sent_to_the_centre(make_desk: MakeDesk, database: Database) -> None:
    desk = make_desk("")
    desk.take_in([_full()], now=_NOON)
    assert desk.ticket(1)["plan"] is None
    desk.take_in([_full(minutes=1)], now=_at(1))
    assert desk.set_plan(1, "sha256:abc", "ansible-playbook redistribute.yml -e plan=abc", now=_at(2)) is True
    assert desk.set_plan(1, "sha256:abc", "ansible-playbook redistribute.yml -e plan=abc") is False, "told once"
    assert desk.ticket(1)["plan"] == {"digest": "sha256:abc", "command": "ansible-playbook redistribute.yml -e plan=abc"}
    ((mime,),) = _rows(database, "SELECT mime FROM mail WHERE kind = 'follow_up'")
    assert "1 more alert since the last mail" in mime
    assert "ansible-playbook redistribute.yml -e plan=3Dabc" in mime or "ansible-playbook redistribute.yml -e plan=abc" in mime
    with pytest.raises(RequestError, match="no open ticket FC-7"):
        desk.set_plan(7, "sha256:abc", "x")
