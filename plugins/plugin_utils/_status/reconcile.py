# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the table concludes by itself: plays that died, leases that are over, distributions that are done."""

from __future__ import annotations

from datetime import datetime

from .._redistribution import performances
from . import attempts, run, schema, states
from .libraries import AVAILABLE
from .text import bounded

if AVAILABLE:
    import sqlalchemy as sa


def reconcile(connection: sa.Connection, now: datetime) -> int:
    """End as `unknown` the attempts of runs that are dead and those whose lease is over, and the plans that these performed.

    Returns how many attempts those were.
    """
    settled = _settle_dead_runs(connection, now) + _settle_expired_leases(connection, now)
    for run_id in performances.settle(connection, now):
        if not attempts.load(connection, _open_of(run_id)):
            end_run(connection, run_id, "expired", now)
    finish_distributions(connection, now)
    return settled


def _settle_dead_runs(connection: sa.Connection, now: datetime) -> int:
    table = schema.run
    holds_some = sa.exists().where(schema.attempt.c.lease_owner == table.c.id, schema.attempt.c.status.in_(states.OPEN))
    settled = 0
    for row in connection.execute(sa.select(table).where(sa.or_(table.c.ended_at.is_(None), holds_some))).mappings().all():
        ended = row["ended_at"] is not None
        if ended or run.is_dead(row):
            left = attempts.load(connection, _open_of(str(row["id"])))
            settled += _settle(connection, left, states.RUN_DIED, f"{run.described(row)} ended without saying what became of this host", now)
            if not ended:
                end_run(connection, str(row["id"]), "died", now)
    return settled


def _settle_expired_leases(connection: sa.Connection, now: datetime) -> int:
    expired = attempts.load(connection, schema.attempt.c.status.in_(states.OPEN), schema.attempt.c.lease_expires_at < now)
    settled = 0
    for owner in sorted({held.lease_owner for held in expired}):
        row = connection.execute(sa.select(schema.run).where(schema.run.c.id == owner)).mappings().one()
        mine = [held for held in expired if held.lease_owner == owner]
        settled += _settle(connection, mine, states.LEASE_EXPIRED, f"nothing was heard of {run.described(row)} until its lease was over", now)
        if not attempts.load(connection, _open_of(owner)):
            end_run(connection, owner, "expired", now)
    return settled


def _open_of(run_id: str) -> sa.ColumnElement[bool]:
    return sa.and_(schema.attempt.c.lease_owner == run_id, schema.attempt.c.status.in_(states.OPEN))


def _settle(connection: sa.Connection, open_attempts: list[attempts.Held], code: str, reason: str, now: datetime) -> int:
    reports = [(held, attempts.Report(states.UNKNOWN, code, _with_last_seen(reason, held))) for held in open_attempts]
    attempts.advance(connection, reports, now, token=None)
    return len(reports)


def end_run(connection: sa.Connection, run_id: str, ending: str, now: datetime) -> None:
    """The run is over: `finished` by its own word, `died` or `expired` by the table's."""
    connection.execute(sa.update(schema.run).where(schema.run.c.id == run_id).values(ended_at=now, ending=ending))


def finish_distributions(connection: sa.Connection, now: datetime) -> None:
    """Running distributions without an open attempt are finished. A later catch-up does not open them again."""
    distribution, target = schema.distribution, schema.target
    still_open = sa.exists().where(target.c.distribution_id == distribution.c.id, target.c.status.in_(states.OPEN))
    connection.execute(
        sa.update(distribution).where(distribution.c.status == states.RUNNING, ~still_open).values(status=states.FINISHED, finished_at=now)
    )


def ending(held: attempts.Held, code: str | None, detail: str | None) -> attempts.Report:
    """How an attempt ends that is still open when its play is over; `code` is the last problem seen, if any counts.

    A host that cannot be reached before anything was sent is `unreachable`; one that goes away in the middle has failed.
    """
    if code == states.HOST_UNREACHABLE:
        status = states.UNREACHABLE if states.path(held.status, states.UNREACHABLE) else states.FAILED
        return attempts.Report(status, code, detail)
    if code is not None:
        return attempts.Report(states.FAILED, code, detail)
    if held.status == states.PENDING:
        return attempts.Report(states.CANCELED, states.NEVER_STARTED, _with_last_seen("the play ended before anything was done for this host", held))
    return attempts.Report(states.UNKNOWN, states.NOT_FINISHED, _with_last_seen(f"the play ended while this host was {held.status}", held))


def _with_last_seen(reason: str, held: attempts.Held) -> str:
    return bounded(f"{reason}; seen last: {held.detail}" if held.detail else reason)
