# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The outage list of the user's file, entry by entry."""

from __future__ import annotations

from datetime import date, datetime, time
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from .document import Entry
from .outages import WEEKDAYS, Once, Outage, Recurring, checked_pattern, instant

_KEYS = ("devices", "locations", "reason", "from", "to", "time_zone", "days", "weeks", "first_day", "last_day")


def outage(item: Entry, known_locations: set[str], default_zone: ZoneInfo | None) -> Outage:
    """One entry: with `days` a recurring window with clock times, without it a single one with dates and times.

    :raises RulesError: with file, line and key.
    """
    keys = item.keys(*_KEYS, required=("reason", "from", "to"))
    if "devices" not in keys and "locations" not in keys:
        raise item.error("says when, but not for whom: give devices (a host pattern) or locations")
    for location in keys["locations"].some() if "locations" in keys else ():
        if location.text() not in known_locations:
            raise location.error(f"'{location.text()}' is not among the locations")
    local = keys["time_zone"].converted(zone, "time zone") if "time_zone" in keys else default_zone
    return Outage(
        reason=keys["reason"].text(),
        when=_recurring(item, keys, local) if "days" in keys else _once(keys, local),
        devices=keys["devices"].converted(checked_pattern, "host pattern") if "devices" in keys else "",
        locations=frozenset(keys["locations"].texts()) if "locations" in keys else frozenset(),
    )


def _once(keys: dict[str, Entry], local: ZoneInfo | None) -> Once:
    for key in ("weeks", "first_day", "last_day"):
        if key in keys:
            raise keys[key].error("is only for recurring outages, which have `days`")
    begins, ends = (keys[key].converted(lambda text: moment(text, local), "time") for key in ("from", "to"))
    if ends <= begins:
        raise keys["to"].error("is not after `from`")
    return Once(begins, ends)


def _recurring(item: Entry, keys: dict[str, Entry], local: ZoneInfo | None) -> Recurring:
    if local is None:
        raise item.error("a recurring outage needs a time_zone such as Europe/Berlin or UTC, here or for the whole file")
    names = [day.one_of(*WEEKDAYS, "daily") for day in keys["days"].some()]
    begins, ends = (keys[key].converted(_clock, "clock time such as 02:30") for key in ("from", "to"))
    weeks = [week.number(-5, 5) for week in keys["weeks"].some()] if "weeks" in keys else []
    if 0 in weeks:
        raise keys["weeks"].error("weeks of a month are 1 to 5, or -1 to -5 from its end")
    first, last = (keys[key].converted(date.fromisoformat, "date") if key in keys else None for key in ("first_day", "last_day"))
    if first and last and last < first:
        raise keys["last_day"].error("is before `first_day`: this outage would never be")
    return Recurring(
        weekdays=frozenset(range(7)) if "daily" in names else frozenset(WEEKDAYS.index(name) for name in names),
        begins=begins,
        ends=ends,
        zone=local,
        weeks=frozenset(weeks),
        first_day=first,
        last_day=last,
    )


def zone(name: str) -> ZoneInfo:
    """The time zone of this name.

    :raises ValueError: when there is none.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError) as error:
        raise ValueError(f"'{name}' is not in the time zone database of this machine ({error})") from None


def moment(text: str, local: ZoneInfo | None) -> datetime:
    """An aware time from ISO 8601; one without an offset is of the time zone `local`.

    :raises ValueError: when it is none, or has neither offset nor zone.
    """
    at = datetime.fromisoformat(text.strip())
    if at.tzinfo is None:
        if local is None:
            raise ValueError(f"'{text}' has neither an offset (+01:00, Z) nor a time_zone")
        at = instant(at, local)
    return at


def _clock(text: str) -> time:
    at = time.fromisoformat(text.strip())
    if at.tzinfo is not None:
        raise ValueError("the zone is said with time_zone")
    return at
