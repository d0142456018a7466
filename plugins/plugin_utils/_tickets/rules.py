# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules: everything a user can say about alerts, tickets and mail, as one value that is checked as a whole."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from zoneinfo import ZoneInfo

from . import locations as places
from .classification import FailurePattern
from .inventory_names import Named
from .locations import Location
from .outages import Outage, outage_of
from .smtp import Server
from .thresholds import Threshold, threshold_for

#: What a grouping can go by.
GROUPED_BY = ("location", "server")


@dataclass(frozen=True)
class Centre:
    """A maintenance centre.

    :param locations: names of the locations it serves, the most important first.
    """

    name: str
    addresses: tuple[str, ...]
    language: str = "en"
    locations: tuple[str, ...] = ()
    default: bool = False


@dataclass(frozen=True)
class Grouping:
    """Many devices behind one cause: from `devices` devices on with these failure types at one location, or behind one server, one ticket."""

    name: str
    failure_types: tuple[str, ...]
    by: str
    devices: int

    def fits(self, failure_type: str) -> bool:
        return any(fnmatchcase(failure_type, pattern) for pattern in self.failure_types)


@dataclass(frozen=True)
class Mail:
    """How mail is written and sent.

    :param follow_up_every: the least time between two follow-ups of a ticket.
    :param attempts: how often a mail is tried in all; after that it is dead.
    :param retry_first, retry_factor, retry_longest: the wait after the first failed attempt, how many times longer each further one is, and the longest.
    :param domain: the right side of the Message-IDs.
    :param templates: directory whose files go before those of the collection.
    :param zone: in which times are written; UTC without it.
    """

    sender: str
    domain: str
    servers: tuple[Server, ...]
    reply_to: str = ""
    subject_prefix: str = ""
    follow_up_every: timedelta = timedelta(hours=1)
    attempts: int = 10
    retry_first: timedelta = timedelta(minutes=1)
    retry_factor: int = 2
    retry_longest: timedelta = timedelta(hours=6)
    templates: Path | None = None
    zone: ZoneInfo | None = None

    def retry_after(self, attempts: int) -> timedelta:
        """How long to wait after so many failed attempts."""
        try:
            factor: int = self.retry_factor ** (attempts - 1)
            return min(self.retry_first * factor, self.retry_longest)
        except OverflowError:
            return self.retry_longest


@dataclass(frozen=True)
class Rules:
    """All rules. Made by :func:`.loading.load`, which sees to it that they hold together."""

    patterns: tuple[FailurePattern, ...]
    thresholds: tuple[Threshold, ...]
    centres: tuple[Centre, ...]
    mail: Mail
    outages: tuple[Outage, ...] = ()
    locations: tuple[Location, ...] = ()
    location_score: float = 80.0
    groupings: tuple[Grouping, ...] = field(default=())
    named: tuple[Named, ...] = ()

    def threshold(self, device: str, groups: Collection[str], failure_type: str) -> Threshold:
        return threshold_for(self.thresholds, device, groups, failure_type)

    def outage(self, device: str, groups: Collection[str], location: str | None, at: datetime) -> Outage | None:
        return outage_of(self.outages, device, groups, location, at)

    def location(self, reported: str) -> places.Found:
        return places.find(reported, self.locations, self.location_score)

    def grouping(self, failure_type: str) -> Grouping | None:
        return next((grouping for grouping in self.groupings if grouping.fits(failure_type)), None)

    @property
    def default_centre(self) -> Centre:
        return next(centre for centre in self.centres if centre.default)

    def centre(self, location: str | None) -> tuple[Centre, str]:
        """The maintenance centre of a location, and why it is that one.

        Of several that serve the location it is the one that names it earlier in its list.
        """
        serving = [centre for centre in self.centres if location is not None and location in centre.locations]
        if serving:
            chosen = min(serving, key=lambda centre: centre.locations.index(str(location)))
            return chosen, "serves the location"
        if location is None:
            return self.default_centre, "default: the location is not known"
        return self.default_centre, "default: no centre serves the location"
