# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The performance of a plan, which a run of ansible-playbook holds as it holds its attempts: with a lease, so that every plan comes to an end.

Parts of a caller's transaction. Knows the rows of the status table and not the code that changes them, which calls it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from .._status import run, schema
from .._status.batches import chunks
from .._status.errors import RequestError
from .._status.libraries import AVAILABLE
from .._status.states import COMPLETED
from . import failures, tables
from .states import APPROVED, FINISHED, PLAN_PREDECESSORS, RUNNING, UNFINISHED

if AVAILABLE:
    import sqlalchemy as sa

#: Who did what the table concludes by itself.
OURSELVES = "fleetcast"


class Decision(NamedTuple):
    """Who decided, how (`terminal`, `digest`, `policy`, `workflow`), and why."""

    who: str
    how: str
    reason: str


def load(connection: sa.Connection, digest: str) -> dict[str, Any]:
    """The plan's row, with its document understood as `values`.

    :raises RequestError: there is none, or the document is not what the digest says.
    """
    row = connection.execute(sa.select(tables.redistribution_plan).where(tables.redistribution_plan.c.digest == digest)).mappings().first()
    if row is None:
        raise RequestError(f"there is no plan {digest!r}: fleetcast.core.redistribution_info lists those there are. Give all 64 characters of the digest")
    found = hashlib.sha256(row["document"].encode()).hexdigest()
    if found != digest:
        raise RequestError(f"the plan {digest} was changed in the database after it was made: its digest is {found}. Make a new one")
    return {**row, "values": json.loads(row["document"])}


def begin(connection: sa.Connection, digest: str, run_id: str, lease_seconds: int, who: str, now: datetime) -> None:
    """The approved plan is being performed by this run, which the table knows; its approval is spent, and its records are `redistributing`.

    :raises RequestError: it is not approved, or another play sends to one of its recipients.
    """
    row = load(connection, digest)
    refuse_beside_another(connection, row)
    move(connection, digest, APPROVED, RUNNING, Decision(who, "", ""), now)
    table = tables.redistribution_plan
    held = {"run_id": run_id, "lease_expires_at": now + timedelta(seconds=lease_seconds)}
    connection.execute(sa.update(table).where(table.c.digest == digest).values(held))
    failures.begin(connection, row["distribution_id"], _hosts(row), digest, now)


def refuse_beside_another(connection: sa.Connection, row: Mapping[str, Any]) -> None:
    """Two plans are not performed for the same recipient at once."""
    for other in running(connection):
        if other["digest"] != row["digest"] and other["distribution_id"] == row["distribution_id"]:
            both = sorted(set(_hosts(other)) & set(_hosts(row)))
            if both:
                raise RequestError(
                    f"the plan {other['digest']} is being performed for {', '.join(both)} by {run.described(other)}: "
                    "wait for its end, and make a new plan then for whom that has left. A play that died gives way by itself"
                )


def running(connection: sa.Connection) -> list[dict[str, Any]]:
    """The plans that are being performed, with what the table knows of the run that does it."""
    plan, holder = tables.redistribution_plan, schema.run
    known = (holder.c.hostname, holder.c.user_name, holder.c.pid, holder.c.started_at, holder.c.ended_at)
    chosen = sa.select(plan, *known).outerjoin(holder, holder.c.id == plan.c.run_id).where(plan.c.status == RUNNING).order_by(plan.c.digest)
    return [{**row, "values": json.loads(row["document"])} for row in connection.execute(chosen).mappings()]


def renew(connection: sa.Connection, run_id: str, lease_expires_at: datetime) -> None:
    """The run lives, and so does what it performs."""
    table = tables.redistribution_plan
    connection.execute(sa.update(table).where(table.c.run_id == run_id, table.c.status == RUNNING).values(lease_expires_at=lease_expires_at))


def conclude(connection: sa.Connection, row: Mapping[str, Any], who: str, now: datetime, why: str = "") -> list[str]:
    """The performance of the plan with this row is over, `why` where its play did not say so; returns the recipients that have not got it.

    Records that were left without an outcome are what they were before. Once it is over, this changes nothing.
    """
    digest, hosts = row["digest"], _hosts(row)
    failed = _not_completed(connection, row["distribution_id"], hosts)
    if row["status"] == RUNNING:
        said = f"not completed: {', '.join(failed)}" if failed else "verified on every recipient"
        move(connection, digest, RUNNING, UNFINISHED if failed else FINISHED, Decision(who, "", f"{why}; {said}" if why else said), now)
        failures.give_back(connection, row["distribution_id"], hosts, why or f"plan {digest} was performed without an outcome for it", now)
    return failed


def conclude_of(connection: sa.Connection, run_id: str, why: str, now: datetime) -> None:
    """The run ends, and what it still performs with it."""
    for row in running(connection):
        if row["run_id"] == run_id:
            conclude(connection, row, OURSELVES, now, why)


def settle(connection: sa.Connection, now: datetime) -> list[str]:
    """End what runs perform that have ended or whose lease is over. Comes after the runs and their attempts are settled.

    Returns the runs whose lease is over.
    """
    expired = []
    for row in running(connection):
        if row["ended_at"] is not None:
            conclude(connection, row, OURSELVES, now, f"{run.described(row)} ended before it said what came of it")
        elif row["lease_expires_at"] is None or row["lease_expires_at"] < now:
            conclude(connection, row, OURSELVES, now, f"nothing was heard of {run.described(row)} until its lease was over")
            if row["run_id"]:
                expired.append(str(row["run_id"]))
    return expired


def move(connection: sa.Connection, digest: str, before: str, after: str, decision: Decision, now: datetime) -> None:
    """The only code that changes the status of a plan: guarded, with the event."""
    table = tables.redistribution_plan
    guarded = sa.update(table).where(table.c.digest == digest, table.c.status.in_(PLAN_PREDECESSORS[after])).values(status=after)
    if connection.execute(guarded).rowcount != 1:
        raise RequestError(f"the plan {digest} is {load(connection, digest)['status']}, and cannot become {after}: make a new one")
    write_event(connection, digest, before, after, decision, now)


def write_event(connection: sa.Connection, digest: str, before: str | None, after: str, decision: Decision, now: datetime) -> None:
    """Keep what became of a plan."""
    event = tables.redistribution_event
    seq = 1 + connection.execute(sa.select(sa.func.coalesce(sa.func.max(event.c.seq), 0)).where(event.c.plan_digest == digest)).scalar_one()
    connection.execute(sa.insert(event).values(plan_digest=digest, seq=seq, from_status=before, to_status=after, occurred_at=now, **decision._asdict()))


def _hosts(row: Mapping[str, Any]) -> list[str]:
    return [str(one["name"]) for one in row["values"]["recipients"]]


def _not_completed(connection: sa.Connection, distribution_id: str, hosts: list[str]) -> list[str]:
    target, device = schema.target, schema.device
    completed = {
        name
        for some in chunks(hosts)
        for (name,) in connection.execute(
            sa.select(device.c.name)
            .join(target, target.c.device_id == device.c.id)
            .where(target.c.distribution_id == distribution_id, device.c.name.in_(some), target.c.status.in_(COMPLETED))
        )
    }
    return sorted(set(hosts) - completed)
