# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting a distribution, recording what hosts report, finishing it. Each function is one part of a caller's transaction."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from . import attempts, errors, queries, reconcile, schema, states
from .batches import chunks
from .libraries import AVAILABLE
from .run import Run

if AVAILABLE:
    import sqlalchemy as sa


@dataclass(frozen=True)
class Request:
    """What is to be distributed, and to whom. `commands` is all that finishing a host later needs.

    `commands["of_hosts"]`, by host, is what a host's own commands are; kept where they are other than those of the distribution.
    """

    hosts: tuple[str, ...]
    lease_seconds: int
    distribution_id: str | None = None
    name: str = ""
    kind: str = ""
    digest: str = ""
    manifest: str = ""
    commands: Mapping[str, Any] = field(default_factory=dict)
    #: The distribution by which distribution servers got what they send in this one.
    parent_id: str | None = None


@dataclass
class Started:
    """What a start came to. Every host of the request is in exactly one of `attempts`, `completed`, `ended`, `busy`, `superseded`."""

    distribution_id: str
    joined: bool
    reconciled: int
    #: host -> number of the attempt that is this run's to work on, new or (a further batch) made before.
    attempts: dict[str, int] = field(default_factory=dict)
    new_hosts: list[str] = field(default_factory=list)
    completed: list[str] = field(default_factory=list)
    #: host -> how its attempt of this very run ended, without success, in an earlier batch.
    ended: dict[str, str] = field(default_factory=dict)
    #: host -> why another play's attempt stands in the way.
    busy: dict[str, str] = field(default_factory=dict)
    #: Hosts to which a newer distribution of the same name was started: nothing older is sent to them.
    superseded: list[str] = field(default_factory=list)
    #: Older distribution -> number of hosts on which this one supersedes it.
    supersedes: dict[str, int] = field(default_factory=dict)


def start(connection: sa.Connection, request: Request, run: Run, now: datetime) -> Started:
    """Write the distribution, or find the one that is meant, and give its hosts attempts of this run."""
    if not request.hosts:
        raise errors.RequestError("a distribution needs at least one host: `hosts` is empty. Does the play's pattern match any?")
    settled = reconcile.reconcile(connection, now)
    register(connection, run, request.lease_seconds)
    existing = _existing(connection, request, run)
    started = Started(existing or _create(connection, request, run, now), joined=existing is not None, reconciled=settled)
    if request.distribution_id is None:
        _keep_commands_of_hosts(connection, started.distribution_id, request.commands)
    row = queries.distribution_row(connection, started.distribution_id)
    devices = _devices(connection, request.hosts, now)
    overtaken = queries.hosts_with_newer(connection, started.distribution_id) if existing else frozenset[str]()
    holders = _holders(connection)
    wanted: dict[int, int] = {}
    held_by_host = {held.host: held for held in attempts.load(connection, schema.target.c.distribution_id == started.distribution_id)} if existing else {}
    for host in request.hosts:
        held = held_by_host.get(host)
        if held is not None and held.status in states.COMPLETED:
            started.completed.append(host)
        elif host in overtaken:
            started.superseded.append(host)
        elif held is not None and held.status in states.TERMINAL and held.lease_owner == run.id and request.distribution_id is None:
            # A later batch of the same play names all hosts again; what failed in an earlier one has had its try.
            started.ended[host] = held.status
        elif held is None or held.status in states.TERMINAL:
            wanted[devices[host]] = started.attempts[host] = held.number + 1 if held else 1
            started.new_hosts.append(host)
        elif held.lease_owner == run.id:
            started.attempts[host] = held.number
        else:
            started.busy[host] = f"{held.status} in {holders[held.lease_owner]}"
    lease = attempts.Lease(run.id, run.token, now + timedelta(seconds=request.lease_seconds))
    attempts.create(connection, started.distribution_id, str(row["artifact_digest"]), wanted, lease, now)
    attempts.renew(connection, run.id, now)
    _count_hosts(connection, started.distribution_id)
    started.supersedes = _supersede(connection, row, lease, now)
    return started


def record(
    connection: sa.Connection, distribution_id: str, reports: Mapping[str, attempts.Report], run: Run, now: datetime
) -> list[attempts.Refusal]:
    """Follow what is reported of hosts, in one transaction for all, and renew the run's leases; returns what was refused."""
    queries.distribution_row(connection, distribution_id)
    held_by_host = {held.host: held for held in attempts.load(connection, schema.target.c.distribution_id == distribution_id)}
    strangers = [
        attempts.Refusal(host, report.status, "none", "the distribution has no attempt for this host")
        for host, report in reports.items()
        if host not in held_by_host
    ]
    known = [(held_by_host[host], _legal(held_by_host[host], report)) for host, report in reports.items() if host in held_by_host]
    refused = attempts.advance(connection, known, now, run.token)
    attempts.renew(connection, run.id, now)
    return refused + strangers


def _legal(held: attempts.Held, report: attempts.Report) -> attempts.Report:
    """A host that went away in the middle of the work has failed: `unreachable` says that nothing was begun."""
    if report.status == states.UNREACHABLE and held.status in states.ACTIVE[1:]:
        return attempts.Report(states.FAILED, report.code or states.HOST_UNREACHABLE, report.detail, report.bytes_multicast, report.bytes_unicast)
    return report


def finish(connection: sa.Connection, distribution_id: str, hosts: Iterable[str] | None, run: Run, now: datetime) -> None:
    """End what this run still has open for these hosts (None: all), by the last problem seen of each; close the distribution when nothing is open."""
    queries.distribution_row(connection, distribution_id)
    wanted = None if hosts is None else frozenset(hosts)
    open_attempts = attempts.load(
        connection,
        schema.target.c.distribution_id == distribution_id,
        schema.attempt.c.status.in_(states.OPEN),
        schema.attempt.c.lease_token == run.token,
    )
    reports = [(held, reconcile.ending(held, held.code, held.detail)) for held in open_attempts if wanted is None or held.host in wanted]
    attempts.advance(connection, reports, now, run.token)
    reconcile.finish_distributions(connection, now)


def register(connection: sa.Connection, run: Run, lease_seconds: int) -> None:
    """Write the run's row with its first distribution: a play without one leaves no trace."""
    table = schema.run
    if connection.execute(sa.update(table).where(table.c.id == run.id).values(lease_seconds=lease_seconds)).rowcount:
        return
    connection.execute(
        sa.insert(table).values(
            id=run.id,
            hostname=run.hostname,
            user_name=run.user,
            pid=run.pid,
            process_started=run.process_started,
            boot_id=run.boot_id,
            pid_namespace=run.pid_namespace,
            lease_seconds=lease_seconds,
            started_at=run.started_at,
        )
    )


def _existing(connection: sa.Connection, request: Request, run: Run) -> str | None:
    """The distribution that is named, or the one that an earlier batch (`serial`) of the same run began."""
    if request.distribution_id is not None:
        return str(queries.distribution_row(connection, request.distribution_id)["id"])
    table = schema.distribution
    return connection.execute(
        sa.select(table.c.id)
        .where(table.c.run_id == run.id, table.c.name == request.name, table.c.artifact_digest == request.digest)
        .order_by(table.c.seq.desc())
    ).scalar()


def _create(connection: sa.Connection, request: Request, run: Run, now: datetime) -> str:
    artifact, table = schema.artifact, schema.distribution
    if connection.execute(sa.select(artifact.c.digest).where(artifact.c.digest == request.digest)).first() is None:
        connection.execute(sa.insert(artifact).values(digest=request.digest, manifest=request.manifest, created_at=now))
    parent = None if request.parent_id is None else queries.distribution_row(connection, request.parent_id)["id"]
    distribution_id = str(uuid.uuid4())
    connection.execute(
        sa.insert(table).values(
            id=distribution_id,
            seq=connection.execute(sa.select(sa.func.coalesce(sa.func.max(table.c.seq), 0) + 1)).scalar_one(),
            name=request.name,
            kind=request.kind,
            artifact_digest=request.digest,
            commands=dict(request.commands),
            status=states.RUNNING,
            total_hosts=0,
            parent_id=parent,
            run_id=run.id,
            created_by=f"{run.user}@{run.hostname}",
            created_at=now,
        )
    )
    return distribution_id


def _keep_commands_of_hosts(connection: sa.Connection, distribution_id: str, commands: Mapping[str, Any]) -> None:
    """Keep what is asked for single hosts, beside what an earlier batch of the play has kept for its own."""
    table = schema.distribution
    kept = dict(queries.distribution_row(connection, distribution_id)["commands"])
    of_hosts = {**kept.pop("of_hosts", {}), **commands.get("of_hosts", {})}
    other = {host: asked for host, asked in of_hosts.items() if asked != kept}
    connection.execute(sa.update(table).where(table.c.id == distribution_id).values(commands={**kept, "of_hosts": other} if other else kept))


def _devices(connection: sa.Connection, hosts: Iterable[str], now: datetime) -> dict[str, int]:
    """Ids of the hosts' rows in `device`, which are made where there are none."""
    table = schema.device
    names = list(hosts)

    def known() -> dict[str, int]:
        return {
            name: device_id
            for some in chunks(names)
            for name, device_id in connection.execute(sa.select(table.c.name, table.c.id).where(table.c.name.in_(some)))
        }

    ids = known()
    missing = [{"name": name, "created_at": now} for name in names if name not in ids]
    if missing:
        connection.execute(sa.insert(table), missing)
        ids = known()
    return ids


def _holders(connection: sa.Connection) -> dict[str, str]:
    table = schema.run
    rows = connection.execute(sa.select(table.c.id, table.c.user_name, table.c.hostname, table.c.pid).where(table.c.ended_at.is_(None)))
    return {run_id: f"a play of {user} on {hostname} (process {pid})" for run_id, user, hostname, pid in rows}


def _count_hosts(connection: sa.Connection, distribution_id: str) -> None:
    counted = sa.select(sa.func.count()).where(schema.target.c.distribution_id == distribution_id).scalar_subquery()
    connection.execute(sa.update(schema.distribution).where(schema.distribution.c.id == distribution_id).values(total_hosts=counted))


def _supersede(connection: sa.Connection, row: Mapping[str, Any], lease: attempts.Lease, now: datetime) -> dict[str, int]:
    """Set aside what older distributions of the same name have not completed on the hosts of this one.

    What is pending is suppressed. What ended without success stays as it ended: a further attempt, suppressed at once, says that
    nobody will come back to it. What another play is working on is left to it, and is older all the same when it ends.
    """
    distribution, target = schema.distribution, schema.target
    mine = sa.select(target.c.device_id).where(target.c.distribution_id == row["id"])
    older = sa.select(distribution.c.id).where(distribution.c.name == row["name"], distribution.c.seq < row["seq"])
    conditions = (target.c.distribution_id.in_(older), target.c.device_id.in_(mine))
    ended = attempts.load(connection, *conditions, target.c.status.in_([state for state in states.NOT_COMPLETED if state in states.TERMINAL]))
    digests = dict(connection.execute(sa.select(distribution.c.id, distribution.c.artifact_digest).where(distribution.c.id.in_(older))).tuples().all())
    again: dict[str, dict[int, int]] = {}
    for held in ended:
        again.setdefault(held.distribution_id, {})[held.device_id] = held.number + 1
    for older_id, numbers in again.items():
        attempts.create(connection, older_id, digests[older_id], numbers, lease, now)
    pending = attempts.load(connection, *conditions, target.c.status == states.PENDING)
    report = attempts.Report(states.SUPPRESSED, states.SUPERSEDED, f"distribution {row['id']} of the same name is newer")
    attempts.advance(connection, [(held, report) for held in pending], now, token=None)
    reconcile.finish_distributions(connection, now)
    counts: dict[str, int] = {}
    for held in pending:
        counts[held.distribution_id] = counts.get(held.distribution_id, 0) + 1
    return counts
