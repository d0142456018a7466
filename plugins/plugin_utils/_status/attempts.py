# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attempts and their changes: guarded updates with their events, the only code that writes a status of a host."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from .._redistribution import failures, performances
from . import errors, schema, states
from .batches import chunks
from .libraries import AVAILABLE

if AVAILABLE:
    import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass
class Held:
    """An attempt as read in the transaction that is about to change it."""

    id: int
    host: str
    device_id: int
    distribution_id: str
    number: int
    status: str
    code: str | None
    detail: str | None
    last_seq: int
    idem_key: str
    lease_owner: str
    lease_token: str


@dataclass(frozen=True)
class Report:
    """What is said of a host. None leaves a value as it is; bytes are those of the attempt so far."""

    status: str
    code: str | None = None
    detail: str | None = None
    bytes_multicast: int | None = None
    bytes_unicast: int | None = None
    version: str | None = None


@dataclass(frozen=True)
class Lease:
    """Who may change an attempt, and until when the table waits to hear of it."""

    owner: str
    token: str
    expires_at: datetime


@dataclass(frozen=True)
class Refusal:
    """A report that the table did not follow, and why."""

    host: str
    status: str
    current: str
    reason: str


@dataclass
class _Journal:
    """Event rows that are written together at the end."""

    now: datetime
    rows: list[dict[str, Any]] = field(default_factory=list)

    def add(self, held: Held, from_status: str | None, to_status: str, key: str, report: Report | None = None, accepted: bool = True) -> None:
        held.last_seq += 1
        self.rows.append(
            {
                "attempt_id": held.id,
                "seq": held.last_seq,
                "from_status": from_status,
                "to_status": to_status,
                "accepted": accepted,
                "occurred_at": self.now,
                "received_at": self.now,
                "code": report.code if report else None,
                "detail": report.detail if report else None,
                "event_key": f"{held.idem_key}:{key}",
            }
        )

    def write(self, connection: sa.Connection) -> None:
        if self.rows:
            connection.execute(sa.insert(schema.status_event), self.rows)


def idem_key(distribution_id: str, device_id: int, digest: str, number: int) -> str:
    """The key that makes a replayed creation of the same attempt collide with the first."""
    return hashlib.sha256(f"{distribution_id}\n{device_id}\n{digest}\n{number}".encode()).hexdigest()


def load(connection: sa.Connection, *conditions: sa.ColumnElement[bool]) -> list[Held]:
    """Current attempts of targets that fulfil the conditions, in the order in which they were made."""
    attempt, device, event, target = schema.attempt, schema.device, schema.status_event, schema.target
    rows = connection.execute(
        sa.select(
            attempt.c.id,
            device.c.name,
            attempt.c.device_id,
            attempt.c.distribution_id,
            attempt.c.attempt_no,
            attempt.c.status,
            attempt.c.code,
            attempt.c.detail,
            sa.select(sa.func.coalesce(sa.func.max(event.c.seq), 0)).where(event.c.attempt_id == attempt.c.id).scalar_subquery(),
            attempt.c.idem_key,
            attempt.c.lease_owner,
            attempt.c.lease_token,
        )
        .select_from(target.join(attempt, target.c.current_attempt_id == attempt.c.id).join(device, target.c.device_id == device.c.id))
        .where(*conditions)
        .order_by(attempt.c.id)
    )
    return [Held(*row) for row in rows]


def create(connection: sa.Connection, distribution_id: str, digest: str, devices: Mapping[int, int], lease: Lease, now: datetime) -> None:
    """Give each device (id -> number of its new attempt) a pending attempt, and make that its target's current one."""
    attempt, target = schema.attempt, schema.target
    keys = {idem_key(distribution_id, device_id, digest, number): device_id for device_id, number in devices.items()}
    if not keys:
        return
    connection.execute(
        sa.insert(attempt),
        [
            {
                "distribution_id": distribution_id,
                "device_id": device_id,
                "attempt_no": devices[device_id],
                "status": states.PENDING,
                "phase": states.PENDING,
                "bytes_multicast": 0,
                "bytes_unicast": 0,
                "lease_owner": lease.owner,
                "lease_token": lease.token,
                "lease_expires_at": lease.expires_at,
                "idem_key": key,
                "created_at": now,
                "changed_at": now,
            }
            for key, device_id in keys.items()
        ],
    )
    made = {
        device_id: attempt_id
        for some in chunks(keys)
        for device_id, attempt_id in connection.execute(sa.select(attempt.c.device_id, attempt.c.id).where(attempt.c.idem_key.in_(some)))
    }
    first = [device_id for device_id, number in devices.items() if number == 1]
    if first:
        connection.execute(
            sa.insert(target),
            [
                {"distribution_id": distribution_id, "device_id": device_id, "current_attempt_id": made[device_id], "status": states.PENDING}
                for device_id in first
            ],
        )
    again = [device_id for device_id, number in devices.items() if number > 1]
    if again:
        connection.execute(
            sa.update(target)
            .where(target.c.distribution_id == distribution_id, target.c.device_id == sa.bindparam("device"))
            .values(current_attempt_id=sa.bindparam("made"), status=states.PENDING),
            [{"device": device_id, "made": made[device_id]} for device_id in again],
        )
    journal = _Journal(now)
    for held in load_attempts(connection, made.values()):
        journal.add(held, None, states.PENDING, states.PENDING)
    journal.write(connection)


def load_attempts(connection: sa.Connection, attempt_ids: Iterable[int]) -> list[Held]:
    """The current attempts with these ids."""
    return [held for ids in chunks(attempt_ids) for held in load(connection, schema.attempt.c.id.in_(ids))]


def load_open_of(connection: sa.Connection, run_id: str) -> list[Held]:
    """Current attempts that the run holds and that have not ended."""
    return load(connection, schema.attempt.c.lease_owner == run_id, schema.attempt.c.status.in_(states.OPEN))


def load_latest_of(connection: sa.Connection, run_id: str, hosts: Iterable[str]) -> dict[str, list[Held]]:
    """host -> the attempts of the run that news of the host concerns: those that are open, or else the last."""
    latest: dict[str, list[Held]] = {}
    for names in chunks(dict.fromkeys(hosts)):
        for held in load(connection, schema.attempt.c.lease_owner == run_id, schema.attempt.c.status != states.SUPPRESSED, schema.device.c.name.in_(names)):
            before = [earlier for earlier in latest.get(held.host, []) if earlier.status in states.OPEN]
            latest[held.host] = [*before, held]
    return {host: [held for held in found if held.status in states.OPEN] or found[-1:] for host, found in latest.items()}


def observe(connection: sa.Connection, held: Held, code: str, detail: str, key: str, now: datetime, counts: bool = True) -> None:
    """Keep what was seen of a host without a change of its state: an event from the state to itself. A replay of `key` is dropped.

    What `counts` is also kept as the attempt's last problem, by which it ends if nothing follows.
    """
    event = schema.status_event
    event_key = f"{held.idem_key}:{key}"
    if connection.execute(sa.select(event.c.id).where(event.c.event_key == event_key)).first() is not None:
        return
    journal = _Journal(now)
    open_still = held.status in states.OPEN
    journal.add(held, held.status, held.status, key, Report(held.status, code, detail), accepted=open_still)
    journal.write(connection)
    if open_still and counts:
        connection.execute(
            sa.update(schema.attempt)
            .where(schema.attempt.c.id == held.id, schema.attempt.c.status.in_(states.OPEN))
            .values(code=code, detail=detail, changed_at=now)
        )


def renew(connection: sa.Connection, run_id: str, now: datetime) -> int:
    """Let the leases of all that the run still holds begin anew; returns the seconds that they last (0: the run holds nothing yet)."""
    attempt = schema.attempt
    lease_seconds: int | None = connection.execute(sa.select(schema.run.c.lease_seconds).where(schema.run.c.id == run_id)).scalar()
    if lease_seconds is None:
        return 0
    expires_at = now + timedelta(seconds=lease_seconds)
    connection.execute(
        sa.update(attempt).where(attempt.c.lease_owner == run_id, attempt.c.status.in_(states.OPEN)).values(lease_expires_at=expires_at)
    )
    performances.renew(connection, run_id, expires_at)
    return lease_seconds


def advance(connection: sa.Connection, reports: Iterable[tuple[Held, Report]], now: datetime, token: str | None) -> list[Refusal]:
    """Follow the reports that are legal, refuse the others, and keep an event of each.

    `token` is the lease token of the run that reports; None is the table itself, which needs no lease for its conclusions.
    Status and counts change for a whole group of hosts in one statement: a few statements serve 2,000 hosts.
    """
    journal = _Journal(now)
    refusals: list[Refusal] = []
    walks: list[tuple[Held, Report, tuple[str, ...]]] = []
    for held, report in reports:
        if token is not None and held.lease_token != token:
            reason: str | None = "another run holds this attempt"
        elif held.status == report.status:
            # A replay, or news of a state that goes on (bytes so far): no step, so no event.
            reason = None
            walks.append((held, report, ()))
        else:
            way = states.path(held.status, report.status)
            reason = None if way else f"{report.status} does not follow {held.status}"
            if way:
                walks.append((held, report, way))
        if reason:
            journal.add(held, held.status, report.status, f"{held.last_seq + 1}:refused", report, accepted=False)
            refusals.append(Refusal(held.host, report.status, held.status, reason))
    _walk(connection, walks, journal, token)
    _keep_values(connection, walks)
    journal.write(connection)
    failures.follow(connection, [_ended(held, report) for held, report, way in walks if way and held.status in states.TERMINAL], now)
    return refusals


def _ended(held: Held, report: Report) -> failures.Ended:
    return failures.Ended(held.id, held.distribution_id, held.device_id, held.host, held.status, report.code, report.detail)


def _walk(connection: sa.Connection, walks: list[tuple[Held, Report, tuple[str, ...]]], journal: _Journal, token: str | None) -> None:
    for step in range(max((len(walk[2]) for walk in walks), default=0)):
        groups: dict[tuple[str, str], list[tuple[Held, Report, bool]]] = {}
        for held, report, way in walks:
            if step < len(way):
                groups.setdefault((held.status, way[step]), []).append((held, report, step == len(way) - 1))
        for (from_status, to_status), members in groups.items():
            _change(connection, [member[0] for member in members], to_status, journal.now, token)
            for held, report, last in members:
                journal.add(held, from_status, to_status, to_status, report if last else None)
                held.status = to_status


def _change(connection: sa.Connection, members: Sequence[Held], to_status: str, now: datetime, token: str | None) -> None:
    attempt, target = schema.attempt, schema.target
    values: dict[str, Any] = {"status": to_status, "changed_at": now, "code": None, "detail": None}
    if to_status == states.DISPATCHED:
        values["started_at"] = now
    if to_status in states.ACTIVE:
        values["phase"] = to_status
    if to_status in states.TERMINAL:
        values.update(finished_at=now, lease_expires_at=None)
    for ids in chunks(held.id for held in members):
        guarded = sa.update(attempt).where(attempt.c.id.in_(ids), attempt.c.status.in_(states.PREDECESSORS[to_status]))
        if token is not None:
            guarded = guarded.where(attempt.c.lease_token == token)
        changed = connection.execute(guarded.values(values)).rowcount
        if changed != len(ids):
            raise errors.StatusError(
                f"{len(ids) - changed} attempt(s) changed while they were being moved to {to_status}: somebody writes to the status table "
                "without its lock. Nothing of this report was kept; run it again"
            )
        connection.execute(sa.update(target).where(target.c.current_attempt_id.in_(ids)).values(status=to_status))


def _keep_values(connection: sa.Connection, walks: list[tuple[Held, Report, tuple[str, ...]]]) -> None:
    """Code, detail, bytes and version of the reports that were followed; a replay of a terminal state changes nothing."""
    attempt = schema.attempt
    rows = [
        {
            "attempt": held.id,
            "code_": report.code,
            "detail_": report.detail,
            "multicast": report.bytes_multicast,
            "unicast": report.bytes_unicast,
            "version_": report.version,
        }
        for held, report, way in walks
        if way or held.status not in states.TERMINAL
        if any(value is not None for value in (report.code, report.detail, report.bytes_multicast, report.bytes_unicast, report.version))
    ]
    if rows:
        statement = (
            sa.update(attempt)
            .where(attempt.c.id == sa.bindparam("attempt"))
            .values(
                code=sa.func.coalesce(sa.bindparam("code_", type_=sa.Text), attempt.c.code),
                detail=sa.func.coalesce(sa.bindparam("detail_", type_=sa.Text), attempt.c.detail),
                bytes_multicast=sa.func.coalesce(sa.bindparam("multicast", type_=sa.BigInteger), attempt.c.bytes_multicast),
                bytes_unicast=sa.func.coalesce(sa.bindparam("unicast", type_=sa.BigInteger), attempt.c.bytes_unicast),
                version=sa.func.coalesce(sa.bindparam("version_", type_=sa.Text), attempt.c.version),
            )
        )
        connection.execute(statement, rows)
