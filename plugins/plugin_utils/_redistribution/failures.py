# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Failure records: they arise and end in the transaction that ends an attempt in the status table. Parts of a caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from .._status import schema
from .._status.batches import chunks
from .._status.errors import StatusError
from .._status.libraries import AVAILABLE
from .._status.states import ACTIVE, ALREADY_INSTALLED, CANCELED, FAILED, PENDING, SUCCEEDED, SUPPRESSED, TIMED_OUT, UNKNOWN, UNREACHABLE
from .._tickets import tables as tickets
from . import tables
from .classifying import failure_types
from .states import FAILURE_PREDECESSORS, OPEN, REDISTRIBUTING, REGRESSED, RESOLVED, TICKETED, UNRESOLVED

if AVAILABLE:
    import sqlalchemy as sa

_FAILURES = (FAILED, UNREACHABLE, TIMED_OUT, UNKNOWN, CANCELED)
#: Why a record is resolved, by the state in which the recipient's attempt ended.
_RESOLUTIONS = {
    SUCCEEDED: "verified on the recipient",
    ALREADY_INSTALLED: "the recipient was found to have it",
    SUPPRESSED: "a newer distribution of the same name took over",
}
#: Who sends when the commands do not say it.
CONTROLLER = "localhost"


class Ended(NamedTuple):
    """An attempt that has just ended, in which state and with which words."""

    attempt_id: int
    distribution_id: str
    device_id: int
    host: str
    status: str
    code: str | None
    detail: str | None


class _Known(NamedTuple):
    id: int
    distribution_id: str
    device_id: int
    status: str
    ticket_id: int | None
    last_seq: int


def follow(connection: sa.Connection, ended: Sequence[Ended], now: datetime) -> None:
    """Open or regress the records of what failed, and resolve those of what was completed."""
    concerned = [one for one in ended if one.status in _FAILURES or one.status in _RESOLUTIONS]
    if not concerned:
        return
    known = _load(connection, concerned)
    failed = [one for one in concerned if one.status in _FAILURES]
    if failed:
        _fail(connection, failed, known, now)
        link_tickets(connection, now)
    for status, reason in _RESOLUTIONS.items():
        of_status = {known[key].id: one.attempt_id for one in concerned if one.status == status and (key := (one.distribution_id, one.device_id)) in known}
        resolved = _move(connection, [row for row in known.values() if row.id in of_status and row.status in UNRESOLVED], RESOLVED, reason, now)
        if resolved:
            table = tables.failure_record
            connection.execute(
                sa.update(table).where(table.c.id == sa.bindparam("failure")).values(resolved_by_attempt=sa.bindparam("attempt")),
                [{"failure": failure_id, "attempt": of_status[failure_id]} for failure_id in resolved],
            )


def _fail(connection: sa.Connection, failed: Sequence[Ended], known: Mapping[tuple[str, int], _Known], now: datetime) -> None:
    types = failure_types([(one.host, one.detail or "", UNREACHABLE in (one.status, one.code)) for one in failed])
    servers = _servers(connection, failed)
    new, again = [], []
    for one, failure_type in zip(failed, types, strict=True):
        values = {
            "failure_type": failure_type,
            "text": one.detail or one.code or one.status,
            "attempt_id": one.attempt_id,
            "server": servers[one.distribution_id, one.host],
        }
        row = known.get((one.distribution_id, one.device_id))
        if row is None:
            new.append({**values, "distribution_id": one.distribution_id, "device_id": one.device_id, "status": OPEN, "opened_at": now, "changed_at": now})
        else:
            again.append((row, one, values))
    table = tables.failure_record
    if new:
        connection.execute(sa.insert(table), new)
        made = _load(connection, failed)
        reasons = {(one.distribution_id, one.device_id): _said(one) for one in failed}
        _write_events(connection, [(row, None, OPEN, reasons[key]) for key, row in made.items() if key not in known], now)
    for row, one, _values in again:
        # After a redistribution that did not help, the record is what it was before it.
        following = {RESOLVED: REGRESSED, REDISTRIBUTING: TICKETED if row.ticket_id else OPEN}.get(row.status)
        if following:
            _move(connection, [row], following, _said(one), now)
        else:
            _write_events(connection, [(row, row.status, row.status, _said(one))], now)
    if again:
        connection.execute(
            sa.update(table)
            .where(table.c.id == sa.bindparam("failure"))
            .values(failure_type=sa.bindparam("type"), text=sa.bindparam("said"), attempt_id=sa.bindparam("attempt"), changed_at=now),
            [{"failure": row.id, "type": values["failure_type"], "said": values["text"], "attempt": values["attempt_id"]} for row, _one, values in again],
        )


def _said(one: Ended) -> str:
    return f"{one.status}: {one.detail}" if one.detail else one.status


def _servers(connection: sa.Connection, ended: Iterable[Ended]) -> dict[tuple[str, str], str]:
    """(distribution, host) -> who was to send to it, by the commands of the distribution."""
    commands = {
        distribution_id: found
        for some in chunks({one.distribution_id for one in ended})
        for distribution_id, found in connection.execute(
            sa.select(schema.distribution.c.id, schema.distribution.c.commands).where(schema.distribution.c.id.in_(some))
        )
    }
    return {(one.distribution_id, one.host): server_of(commands[one.distribution_id], one.host) for one in ended}


def server_of(commands: Mapping[str, Any], host: str) -> str:
    """Who sends to the host by these commands of a distribution."""
    own = commands.get("of_hosts", {}).get(host, {})
    return str(own.get("sender") or commands.get("sender") or CONTROLLER)


def link_tickets(connection: sa.Connection, now: datetime) -> None:
    """Records of failures of which a job ticket was made become `ticketed`, with the failure type that the ticket has."""
    record, error, ticket = tables.failure_record, tickets.error_record, tickets.ticket
    rows = connection.execute(
        sa.select(record.c.id, error.c.ticket_id, error.c.failure_type)
        .select_from(
            record.join(error, (error.c.device_id == record.c.device_id) & (error.c.distribution_id == record.c.distribution_id)).join(
                ticket, ticket.c.id == error.c.ticket_id
            )
        )
        .where(record.c.status.in_((OPEN, REGRESSED)), ticket.c.closed_at.is_(None))
        .order_by(error.c.occurred_at, error.c.id)
    )
    found = {failure_id: (ticket_id, failure_type) for failure_id, ticket_id, failure_type in rows}
    by_ticket: dict[int, list[int]] = {}
    for failure_id, (ticket_id, _type) in found.items():
        by_ticket.setdefault(ticket_id, []).append(failure_id)
    for ticket_id, ids in by_ticket.items():
        _move(connection, _load_ids(connection, ids), TICKETED, f"job ticket FC-{ticket_id}", now)
    if found:
        connection.execute(
            sa.update(record).where(record.c.id == sa.bindparam("failure")).values(ticket_id=sa.bindparam("ticket"), failure_type=sa.bindparam("type")),
            [{"failure": failure_id, "ticket": ticket_id, "type": failure_type} for failure_id, (ticket_id, failure_type) in found.items()],
        )


def begin(connection: sa.Connection, distribution_id: str, hosts: Iterable[str], plan_digest: str, now: datetime) -> list[str]:
    """Records of the hosts become `redistributing`; returns the hosts that have a record."""
    record, device = tables.failure_record, schema.device
    names = {
        failure_id: name
        for some in chunks(hosts)
        for failure_id, name in connection.execute(
            sa.select(record.c.id, device.c.name)
            .join(device, device.c.id == record.c.device_id)
            .where(record.c.distribution_id == distribution_id, device.c.name.in_(some), record.c.status.in_(FAILURE_PREDECESSORS[REDISTRIBUTING]))
        )
    }
    _move(connection, _load_ids(connection, names), REDISTRIBUTING, f"plan {plan_digest}", now)
    return sorted(names.values())


def give_back(connection: sa.Connection, distribution_id: str, hosts: Iterable[str], reason: str, now: datetime) -> None:
    """Records that a redistribution to these hosts left without an outcome are what they were before it."""
    record, device = tables.failure_record, schema.device
    open_targets = sa.exists().where(
        schema.target.c.distribution_id == record.c.distribution_id,
        schema.target.c.device_id == record.c.device_id,
        schema.target.c.status.in_((PENDING, *ACTIVE)),
    )
    left = sa.and_(record.c.distribution_id == distribution_id, record.c.status == REDISTRIBUTING, ~open_targets)
    ids = [
        failure_id
        for some in chunks(hosts)
        for failure_id in connection.execute(
            sa.select(record.c.id).join(device, device.c.id == record.c.device_id).where(left, device.c.name.in_(some))
        ).scalars()
    ]
    rows = _load_ids(connection, ids)
    _move(connection, [row for row in rows if row.ticket_id], TICKETED, reason, now)
    _move(connection, [row for row in rows if not row.ticket_id], OPEN, reason, now)


def _load(connection: sa.Connection, ended: Iterable[Ended]) -> dict[tuple[str, int], _Known]:
    devices: dict[str, list[int]] = {}
    for one in ended:
        devices.setdefault(one.distribution_id, []).append(one.device_id)
    table = tables.failure_record
    rows = [
        row
        for distribution_id, ids in devices.items()
        for some in chunks(ids)
        for row in _select(connection, table.c.distribution_id == distribution_id, table.c.device_id.in_(some))
    ]
    return {(row.distribution_id, row.device_id): row for row in rows}


def _load_ids(connection: sa.Connection, ids: Iterable[int]) -> list[_Known]:
    return [row for some in chunks(ids) for row in _select(connection, tables.failure_record.c.id.in_(some))]


def _select(connection: sa.Connection, *conditions: sa.ColumnElement[bool]) -> list[_Known]:
    table, event = tables.failure_record, tables.failure_event
    last_seq = sa.select(sa.func.coalesce(sa.func.max(event.c.seq), 0)).where(event.c.failure_id == table.c.id).scalar_subquery()
    rows = connection.execute(
        sa.select(table.c.id, table.c.distribution_id, table.c.device_id, table.c.status, table.c.ticket_id, last_seq).where(*conditions).order_by(table.c.id)
    )
    return [_Known(*row) for row in rows]


def _move(connection: sa.Connection, rows: Sequence[_Known], to_status: str, reason: str, now: datetime) -> list[int]:
    """The only code that changes the status of a record: guarded, with the events. Returns the ids."""
    table = tables.failure_record
    values: dict[str, Any] = {"status": to_status, "changed_at": now, "resolved_at": now if to_status == RESOLVED else None}
    if to_status == REGRESSED:
        values.update(ticket_id=None, resolved_by_attempt=None)
    for some in chunks(rows):
        ids = [row.id for row in some]
        guarded = sa.update(table).where(table.c.id.in_(ids), table.c.status.in_(FAILURE_PREDECESSORS[to_status])).values(values)
        changed = connection.execute(guarded).rowcount
        if changed != len(ids):
            raise StatusError(f"{len(ids) - changed} failure record(s) changed while they were being moved to {to_status}: nothing was kept; run it again")
    _write_events(connection, [(row, row.status, to_status, reason) for row in rows], now)
    return [row.id for row in rows]


def _write_events(connection: sa.Connection, changes: Sequence[tuple[_Known, str | None, str, str]], now: datetime) -> None:
    if changes:
        connection.execute(
            sa.insert(tables.failure_event),
            [
                {"failure_id": row.id, "seq": row.last_seq + 1, "from_status": before, "to_status": after, "occurred_at": now, "reason": reason}
                for row, before, after, reason in changes
            ],
        )
