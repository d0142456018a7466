# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a device is in a planned outage: single and recurring windows, time zones, whom they concern."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets.outages import matches
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets.rules import Rules

pytestmark = pytest.mark.tickets

Load = Callable[[str], Rules]


def _in_outage(rules: Rules, at: str, device: str = "web1", groups: tuple[str, ...] = (), location: str | None = None) -> bool:
    return rules.outage(device, groups, location, datetime.fromisoformat(at)) is not None


def test_a_single_outage_begins_at_its_time_and_ends_before_its_end(load_rules: Load) -> None:
    rules = load_rules("outages: [{devices: web1, reason: move, from: 2026-03-01T10:00, to: 2026-03-01T12:00, time_zone: Europe/Berlin}]")
    times = {"2026-03-01T08:59:59Z": False, "2026-03-01T09:00:00Z": True, "2026-03-01T10:59:59Z": True, "2026-03-01T11:00:00Z": False}
    assert {at: _in_outage(rules, at) for at in times} == times
    assert not _in_outage(rules, "2026-03-01T09:30:00Z", device="web2")


@pytest.mark.parametrize(
    ("at", "inside"),
    [
        ("2026-01-04T01:30:00+01:00", True),  # a Sunday
        ("2026-01-04T04:00:00+01:00", False),
        ("2026-01-03T02:00:00+01:00", False),  # a Saturday
        ("2026-01-04T00:30:00Z", True),  # 01:30 in Berlin in winter
        ("2026-07-05T00:30:00Z", True),  # 02:30 in Berlin in summer
        ("2026-07-05T02:30:00Z", False),  # 04:30 in Berlin in summer, 03:30 it would be in winter
        ("2026-03-29T00:59:00Z", True),  # the clock jumps from 02:00 to 03:00 within the window
        ("2026-03-29T01:59:00Z", True),
        ("2026-03-29T02:00:00Z", False),
    ],
)
def test_a_weekly_outage_follows_the_local_clock(at: str, inside: bool, load_rules: Load) -> None:
    rules = load_rules("outages: [{devices: all, reason: weekly, days: sunday, from: '01:00', to: '04:00', time_zone: Europe/Berlin}]")
    assert _in_outage(rules, at) is inside


@pytest.mark.parametrize("days", ["days: sunday, from: '{}', to: '{}'", "from: 2026-03-29T{}, to: 2026-03-29T{}"], ids=["recurring", "single"])
@pytest.mark.parametrize(
    ("begins", "ends", "first", "last"),
    [
        ("02:30", "04:00", "01:00:00", "01:59:59"),  # no clock shows 02:30: at 03:00, when it would have been 02:00, it is past it
        ("01:00", "02:30", "00:00:00", "00:59:59"),
        ("03:00", "03:30", "01:00:00", "01:29:59"),
    ],
)
def test_a_time_that_the_clock_jumps_over_is_that_of_the_jump(begins: str, ends: str, first: str, last: str, days: str, load_rules: Load) -> None:
    rules = load_rules(f"outages: [{{devices: all, reason: night, {days.format(begins, ends)}, time_zone: Europe/Berlin}}]")
    night = datetime(2026, 3, 28, 23, tzinfo=UTC)
    times = [night + timedelta(minutes=minute, seconds=second) for minute in range(240) for second in (0, 59)]
    inside = [at for at in times if rules.outage("web1", (), None, at)]
    assert (f"{inside[0]:%H:%M:%S}", f"{inside[-1]:%H:%M:%S}") == (first, last)
    assert inside == [at for at in times if inside[0] <= at <= inside[-1]]


def test_an_outage_in_an_hour_that_there_is_not_is_none(load_rules: Load) -> None:
    rules = load_rules("outages: [{devices: all, reason: night, days: daily, from: '02:00', to: '03:00', time_zone: Europe/Berlin}]")
    assert not any(_in_outage(rules, f"2026-03-29T{hour:02}:30:00Z") for hour in range(24))
    assert _in_outage(rules, "2026-03-28T01:30:00Z")


@pytest.mark.parametrize(
    ("at", "inside"),
    [
        ("2026-10-25T00:29:59Z", False),
        ("2026-10-25T00:30:00Z", True),  # 02:30 in summer time
        ("2026-10-25T01:00:00Z", True),  # 02:00 for the second time
        ("2026-10-25T01:59:59Z", True),
        ("2026-10-25T02:00:00Z", False),  # 03:00
    ],
)
def test_a_time_that_clocks_show_twice_is_the_first_of_the_two(at: str, inside: bool, load_rules: Load) -> None:
    rules = load_rules("outages: [{devices: all, reason: weekly, days: sunday, from: '02:30', to: '03:00', time_zone: Europe/Berlin}]")
    assert _in_outage(rules, at) is inside


def test_a_window_over_midnight_belongs_to_the_day_on_which_it_begins(load_rules: Load) -> None:
    rules = load_rules("time_zone: UTC\noutages: [{devices: all, reason: nightly, days: [friday], from: '22:00', to: '02:00'}]")
    times = {
        "2026-01-02T21:59:00Z": False,
        "2026-01-02T23:00:00Z": True,
        "2026-01-03T01:59:00Z": True,
        "2026-01-03T02:00:00Z": False,
        "2026-01-02T01:00:00Z": False,
    }
    assert {at: _in_outage(rules, at) for at in times} == times


def test_weeks_of_the_month_and_first_and_last_day(load_rules: Load) -> None:
    rules = load_rules(
        "time_zone: UTC\noutages:\n"
        "  - {devices: patch, reason: second tuesday, days: tuesday, weeks: [2], from: '20:00', to: '21:00'}\n"
        "  - {devices: last, reason: last friday, days: friday, weeks: [-1], from: '20:00', to: '21:00', first_day: 2026-02-01, last_day: 2026-03-31}\n"
    )
    assert [day for day in range(1, 29) if _in_outage(rules, f"2026-01-{day:02}T20:30:00Z", "patch")] == [13]
    fridays = [f"2026-{month:02}-{day:02}" for month in range(1, 5) for day in range(1, 29) if _in_outage(rules, f"2026-{month:02}-{day:02}T20:30:00Z", "last")]
    assert fridays == ["2026-02-27", "2026-03-27"]


def test_locations_and_inventory_patterns(load_rules: Load) -> None:
    rules = load_rules(
        "locations: [Hamburg]\noutages:\n"
        "  - {devices: 'web*:&stage:!web9', reason: stage, from: 2026-01-01T00:00Z, to: 2026-01-02T00:00Z}\n"
        "  - {locations: [Hamburg], reason: power, from: 2026-02-01T00:00Z, to: 2026-02-02T00:00Z}\n"
    )
    january, february = "2026-01-01T12:00:00Z", "2026-02-01T12:00:00Z"
    assert _in_outage(rules, january, "web1", ("stage",))
    assert not _in_outage(rules, january, "web1", ("live",))
    assert not _in_outage(rules, january, "web9", ("stage",))
    assert _in_outage(rules, february, "any", (), "Hamburg")
    assert not _in_outage(rules, february, "any", (), "Kiel")


@pytest.mark.parametrize(
    ("pattern", "taken"),
    [
        ("all", True),
        ("web1", True),
        ("web2", False),
        ("live", True),
        ("web1:web2", True),
        ("web1,db1", True),
        ("!web1", False),
        ("live:&web*", True),
        ("live:!web*", False),
        ("~web\\d$", True),
        ("*:!~.*1$", False),
    ],
)
def test_a_host_pattern_is_read_as_ansible_does(pattern: str, taken: bool) -> None:
    assert matches(pattern, "web1", ("live", "all")) is taken
