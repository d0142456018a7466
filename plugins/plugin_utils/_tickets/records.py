# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alerts become records and counts. Everything here is one part of a caller's transaction, so that counts and records never drift."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from .._status import schema
from .._status.batches import chunks
from .._status.libraries import AVAILABLE
from . import tables
from .alert import Alert
from .classification import classify, failed_server
from .journal import Passed
from .locations import Found
from .rules import Rules

if AVAILABLE:
    import sqlalchemy as sa

#: A device and a failure type: what is counted, and what has at most one open ticket.
Pair = tuple[int, str]


@dataclass
class Counter:
    """How often a pair failed in its epoch; the row of `error_counter`."""

    device_id: int
    failure_type: str
    epoch: int = 1
    count: int = 0
    suppressed: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    last_playbook: str = ""
    passed_at: datetime | None = None
    stored: bool = False


@dataclass(frozen=True)
class Judged:
    """An alert with what the rules say about it.

    :param outage: reason of the planned outage in which it came, if any.
    :param settled: the resolved ticket that it was part of, though it was taken in only after that.
    """

    alert: Alert
    device_id: int
    failure_type: str
    found: Found
    outage: str | None
    distribution: str
    settled: int | None = None

    @property
    def pair(self) -> Pair:
        return self.device_id, self.failure_type


@dataclass
class Taken:
    """What became of a batch of alerts."""

    judged: list[Judged] = field(default_factory=list)
    #: Recorded, but no longer counted: a play that took its time saw them before their ticket was resolved.
    settled: list[Judged] = field(default_factory=list)
    replayed: int = 0
    counters: dict[Pair, Counter] = field(default_factory=dict)
    #: Pairs with an open ticket, and its identifier.
    tickets: dict[Pair, int] = field(default_factory=dict)

    def by_pair(self) -> dict[Pair, list[Judged]]:
        found: dict[Pair, list[Judged]] = {}
        for one in self.judged:
            found.setdefault(one.pair, []).append(one)
        return found


def take(connection: sa.Connection, rules: Rules, alerts: Iterable[Alert], now: datetime) -> Taken:
    """Record and count the alerts that are not recorded yet."""
    unique = {alert.key: alert for alert in alerts}
    known = {
        key
        for some in chunks(unique)
        for (key,) in connection.execute(sa.select(tables.error_record.c.event_key).where(tables.error_record.c.event_key.in_(some)))
    }
    # A reporter's clock may be ahead of ours: what is yet to come would count for ever.
    timely = (replace(alert, occurred_at=min(alert.occurred_at, now)) for key, alert in unique.items() if key not in known)
    fresh = sorted(timely, key=lambda alert: alert.occurred_at)
    taken = Taken(replayed=len(known))
    if not fresh:
        return taken
    ids = device_ids(connection, dict.fromkeys(alert.device for alert in fresh), now)
    distributions = _distributions(connection, fresh, ids)
    settled = _settled(connection, set(ids.values()), fresh[0].occurred_at)
    places: dict[str, Found] = {}
    for reported in fresh:
        alert = reported
        found = places.get(alert.location)
        if found is None:
            found = places[alert.location] = rules.location(alert.location)
        outage = rules.outage(alert.device, alert.groups, found.name, alert.occurred_at)
        distribution = alert.distribution or distributions.get((ids[alert.device], alert.origin.get("run", "")), "")
        failure_type = classify(alert, rules.patterns)
        alert = replace(alert, server=failed_server(alert, failure_type))
        one = Judged(alert, ids[alert.device], failure_type, found, outage.reason if outage else None, distribution)
        ticket_id, closed_at = settled.get(one.pair, (None, None))
        # Only of plays: their clock is the one by which tickets are closed.
        if closed_at is not None and alert.source == "play" and alert.occurred_at <= closed_at:
            taken.settled.append(replace(one, settled=ticket_id))
        else:
            taken.judged.append(one)
    taken.counters = load_counters(connection, set(ids.values()))
    taken.tickets = open_pairs(connection, set(ids.values()))
    _count(taken)
    connection.execute(sa.insert(tables.error_record), [_row(one, taken, now) for one in (*taken.judged, *taken.settled)])
    store_counters(connection, (taken.counters[pair] for pair in taken.by_pair()))
    return taken


def _count(taken: Taken) -> None:
    for one in taken.judged:
        counter = taken.counters.setdefault(one.pair, Counter(*one.pair))
        at = one.alert.occurred_at
        counter.count += 1
        counter.suppressed += one.outage is not None
        counter.first_at = min(counter.first_at or at, at)
        if counter.last_at is None or at >= counter.last_at:
            counter.last_at = at
            counter.last_playbook = one.alert.origin.get("playbook", "")


def _row(one: Judged, taken: Taken, now: datetime) -> dict[str, Any]:
    alert = one.alert
    return {
        "event_key": alert.key,
        "device_id": one.device_id,
        "failure_type": one.failure_type,
        "epoch": taken.counters[one.pair].epoch - (one.settled is not None),
        "kind": alert.kind,
        "text": alert.text,
        "source": alert.source,
        "module": alert.module,
        "return_code": alert.return_code,
        "origin": dict(alert.origin),
        "groups": list(alert.groups),
        "distribution_id": one.distribution or None,
        "server": alert.server or None,
        "reported_location": alert.location,
        "location": one.found.name,
        "location_match": one.found.match,
        "location_score": one.found.score,
        "outage": one.outage,
        "ticket_id": taken.tickets.get(one.pair) if one.settled is None else one.settled,
        "occurred_at": alert.occurred_at,
        "received_at": now,
        "cleared_at": None if one.settled is None else now,
    }


def _settled(connection: sa.Connection, devices: Iterable[int], since: datetime) -> dict[Pair, tuple[int, datetime]]:
    """The last ticket of each pair of these devices that was resolved since then, and when it was resolved."""
    table = tables.ticket_device
    return {
        (device_id, failure_type): (ticket_id, closed_at)
        for some in chunks(sorted(devices))
        for device_id, failure_type, ticket_id, closed_at in connection.execute(
            sa.select(table.c.device_id, table.c.failure_type, table.c.ticket_id, table.c.closed_at)
            .where(table.c.closed_at >= since, table.c.device_id.in_(some))
            .order_by(table.c.closed_at)
        )
    }


def device_ids(connection: sa.Connection, names: Iterable[str], now: datetime) -> dict[str, int]:
    """Ids of the devices' rows, which are made where there are none."""
    wanted = list(names)
    table = schema.device

    def known() -> dict[str, int]:
        return {
            name: device_id
            for some in chunks(wanted)
            for name, device_id in connection.execute(sa.select(table.c.name, table.c.id).where(table.c.name.in_(some)))
        }

    ids = known()
    missing = [{"name": name, "created_at": now} for name in wanted if name not in ids]
    if missing:
        connection.execute(sa.insert(table), missing)
        ids = known()
    return ids


def _distributions(connection: sa.Connection, alerts: Sequence[Alert], ids: dict[str, int]) -> dict[tuple[int, str], str]:
    """(device, run of the status table) -> the distribution that the run last worked on there."""
    attempt = schema.attempt
    runs = {alert.origin["run"] for alert in alerts if alert.origin.get("run")}
    if not runs:
        return {}
    return {
        (device_id, owner): distribution
        for some in chunks(sorted(set(ids.values())))
        for device_id, owner, distribution in connection.execute(
            sa.select(attempt.c.device_id, attempt.c.lease_owner, attempt.c.distribution_id)
            .where(attempt.c.lease_owner.in_(runs), attempt.c.device_id.in_(some))
            .order_by(attempt.c.id)
        )
    }


def load_counters(connection: sa.Connection, devices: Iterable[int]) -> dict[Pair, Counter]:
    """The counters of these devices."""
    rows = (
        row
        for some in chunks(sorted(devices))
        for row in connection.execute(sa.select(tables.error_counter).where(tables.error_counter.c.device_id.in_(some))).mappings()
    )
    return {(row["device_id"], row["failure_type"]): Counter(**row, stored=True) for row in rows}


def open_pairs(connection: sa.Connection, devices: Iterable[int]) -> dict[Pair, int]:
    """The pairs of these devices that have an open ticket, with its identifier."""
    table = tables.ticket_device
    return {
        (device_id, failure_type): ticket_id
        for some in chunks(sorted(devices))
        for device_id, failure_type, ticket_id in connection.execute(
            sa.select(table.c.device_id, table.c.failure_type, table.c.ticket_id).where(table.c.closed_at.is_(None), table.c.device_id.in_(some))
        )
    }


#: Not `passed_at`, which is noted apart.
_COUNTED = ("epoch", "count", "suppressed", "first_at", "last_at", "last_playbook")


def store_counters(connection: sa.Connection, counters: Iterable[Counter]) -> None:
    """Write the counters back."""
    new, changed = [], []
    for counter in counters:
        values = {name: getattr(counter, name) for name in _COUNTED}
        if counter.stored:
            changed.append({**values, "device": counter.device_id, "type": counter.failure_type})
        else:
            new.append({**values, "device_id": counter.device_id, "failure_type": counter.failure_type})
            counter.stored = True
    table = tables.error_counter
    if new:
        connection.execute(sa.insert(table), new)
    if changed:
        statement = sa.update(table).where(table.c.device_id == sa.bindparam("device"), table.c.failure_type == sa.bindparam("type"))
        connection.execute(statement.values({name: sa.bindparam(name) for name in _COUNTED}), changed)


def most_in_window(connection: sa.Connection, counter: Counter, window: timedelta, since: datetime) -> tuple[int, datetime | None]:
    """The most alerts of the counter's epoch within a window that ends with an alert not older than `since`, and the time of the first of them."""
    if counter.first_at is None or counter.last_at is None:
        return 0, None
    if counter.last_at - counter.first_at < window:
        return counter.count, counter.first_at
    table = tables.error_record
    rows = connection.execute(
        sa.select(table.c.occurred_at)
        .where(
            table.c.device_id == counter.device_id,
            table.c.failure_type == counter.failure_type,
            table.c.epoch == counter.epoch,
            table.c.occurred_at > since - window,
        )
        .order_by(table.c.occurred_at)
    )
    times = [at for (at,) in rows]
    most = first = 0
    began = None
    for last, at in enumerate(times):
        while at - times[first] >= window:
            first += 1
        if at >= since and last - first + 1 > most:
            most, began = last - first + 1, times[first]
    return most, began


def note_passed(connection: sa.Connection, passed: Iterable[Passed]) -> None:
    """Note for which counters a play showed that the failure is over: its playbook ran through, or the device was reached at all."""
    table, device = tables.error_counter, schema.device
    for one in passed:
        for some in chunks(one.devices):
            connection.execute(
                sa.update(table)
                .where(
                    table.c.device_id.in_(sa.select(device.c.id).where(device.c.name.in_(some))),
                    table.c.last_at < one.at,
                    sa.or_(table.c.passed_at.is_(None), table.c.passed_at < one.at),
                    sa.or_(table.c.failure_type.like("unreachable%"), table.c.last_playbook == one.playbook),
                )
                .values(passed_at=one.at)
            )
