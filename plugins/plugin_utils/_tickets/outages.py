# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Planned outages: for whom, and when. During one, alerts are kept and counted, and no ticket is made."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from fnmatch import fnmatchcase
from zoneinfo import ZoneInfo

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True)
class Once:
    """From one time to another, both aware; the end is no longer part of it."""

    begins: datetime
    ends: datetime

    def contains(self, at: datetime) -> bool:
        return self.begins <= at < self.ends


@dataclass(frozen=True)
class Recurring:
    """Every one of these weekdays (0: Monday) from one local time to another, in its time zone.

    :param ends: a time that is not later than `begins` is one of the next day.
    :param weeks: which of the month's such weekdays: 1 is the first, -1 the last; empty: all of them.
    :param first_day, last_day: the first and the last day on which it begins, if there are any.
    """

    weekdays: frozenset[int]
    begins: time
    ends: time
    zone: ZoneInfo
    weeks: frozenset[int] = frozenset()
    first_day: date | None = None
    last_day: date | None = None

    def contains(self, at: datetime) -> bool:
        today = at.astimezone(self.zone).date()
        return any(self._window(day).contains(at) for day in (today - timedelta(days=1), today) if self._begins_on(day))

    def _begins_on(self, day: date) -> bool:
        if day.weekday() not in self.weekdays or (self.first_day and day < self.first_day) or (self.last_day and day > self.last_day):
            return False
        if not self.weeks:
            return True
        from_start = (day.day - 1) // 7 + 1
        following = day.replace(day=28) + timedelta(days=4)
        days_in_month = (following - timedelta(days=following.day)).day
        from_end = -((days_in_month - day.day) // 7 + 1)
        return from_start in self.weeks or from_end in self.weeks

    def _window(self, day: date) -> Once:
        last = day if self.ends > self.begins else day + timedelta(days=1)
        begins, ends = (instant(datetime.combine(*moment), self.zone) for moment in ((day, self.begins), (last, self.ends)))
        return Once(begins, ends)


def instant(local: datetime, zone: ZoneInfo) -> datetime:
    """When clocks in this zone show the time for the first time; where they jump over it, as summer time begins, the moment of the jump.

    In UTC: Python compares two times of one zone by their clocks.
    """
    late = local.replace(tzinfo=zone).astimezone(UTC)
    early = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    # Only of a time that no clock shows is the reading by the time after the jump (fold=1, PEP 495) the earlier one. The jump is between the two.
    while late - early > timedelta(seconds=1):
        middle = early + timedelta(seconds=(late - early) // timedelta(seconds=2))
        if middle.astimezone(zone).replace(tzinfo=None) < local:
            early = middle
        else:
            late = middle
    return late


@dataclass(frozen=True)
class Outage:
    """A planned outage of devices (a pattern as in an inventory, see :func:`matches`) or of locations, or of both together."""

    reason: str
    when: Once | Recurring
    devices: str = ""
    locations: frozenset[str] = frozenset()

    def covers(self, device: str, groups: Collection[str], location: str | None, at: datetime) -> bool:
        concerned = (self.devices and matches(self.devices, device, groups)) or (location is not None and location in self.locations)
        return bool(concerned) and self.when.contains(at)


def outage_of(outages: Sequence[Outage], device: str, groups: Collection[str], location: str | None, at: datetime) -> Outage | None:
    """The outage that the device is in at that time, if any."""
    return next((outage for outage in outages if outage.covers(device, groups, location, at)), None)


def matches(pattern: str, device: str, groups: Collection[str]) -> bool:
    """Whether a host pattern of Ansible takes the device: names of hosts and groups with wildcards, `~` regular expressions, joined by `:` or `,`;
    `&` keeps only what is also in this, `!` leaves out."""
    included, narrowed, excluded = _split(pattern)
    return (
        (not included or any(_takes(part, device, groups) for part in included))
        and all(_takes(part, device, groups) for part in narrowed)
        and not any(_takes(part, device, groups) for part in excluded)
    )


def checked_pattern(pattern: str) -> str:
    """The pattern, if it is one.

    :raises ValueError: when it is not, or uses a subscript (`web[0]`), whose meaning would change with the inventory.
    """
    parts = parts_of(pattern)
    if not parts:
        raise ValueError("it is empty")
    for part in parts:
        if part.startswith("~"):
            try:
                re.compile(part[1:])
            except re.error as error:
                raise ValueError(f"'{part[1:]}' is no regular expression: {error}") from None
        elif re.search(r"\[-?\d+(:-?\d*)?\]$", part):
            raise ValueError(f"subscripts as in '{part}' are not possible here")
    return pattern


def parts_of(pattern: str) -> list[str]:
    """The names, wildcards and expressions of a pattern."""
    return [part for group in _split(pattern) for part in group]


def takes(part: str, name: str) -> bool:
    """Whether a part of a pattern takes this host or group."""
    return _takes(part, name, ())


def _split(pattern: str) -> tuple[list[str], list[str], list[str]]:
    # A colon inside brackets belongs to a subscript or to an IPv6 address.
    parts = [part.strip() for part in re.split(r"[:,](?![^\[]*\])", pattern) if part.strip()]
    return (
        [part for part in parts if part[0] not in "&!"],
        [part[1:] for part in parts if part[0] == "&"],
        [part[1:] for part in parts if part[0] == "!"],
    )


def _takes(part: str, device: str, groups: Collection[str]) -> bool:
    if part == "all":
        return True
    names = (device, *groups)
    if part.startswith("~"):
        return any(re.match(part[1:], name) for name in names)
    return any(fnmatchcase(name, part) for name in names)
