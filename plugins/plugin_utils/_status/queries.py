# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the status table: what is pending for a host, and how distributions stand. Results are plain data, times ISO 8601 in UTC."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from . import errors, schema, states
from .batches import chunks
from .libraries import AVAILABLE

if AVAILABLE:
    import sqlalchemy as sa

#: Characters of an identifier that are enough to show, and the fewest that are accepted for one.
SHORT_ID = 8


def distribution_row(connection: sa.Connection, distribution_id: str) -> Mapping[str, Any]:
    """The row of the distribution with this identifier, or of the only one whose identifier begins with it."""
    table = schema.distribution
    # LIKE's wildcards and what is too short to mean one thing are no identifiers.
    if len(distribution_id) >= SHORT_ID and "%" not in distribution_id and "_" not in distribution_id:
        rows = connection.execute(sa.select(table).where(table.c.id.like(distribution_id + "%"))).mappings().all()
        if len(rows) == 1:
            return dict(rows[0])
    raise errors.RequestError(
        f"there is no distribution {distribution_id!r} in the status table: fleetcast.core.distribution_status_info with `distribution: all` "
        f"lists those there are, and the first {SHORT_ID} characters of an identifier are enough"
    )


def hosts_with_newer(connection: sa.Connection, distribution_id: str) -> frozenset[str]:
    """Hosts of the distribution to which a newer one of the same name was started."""
    target, device = schema.target, schema.device
    rows = connection.execute(
        sa.select(device.c.name)
        .select_from(target.join(device, device.c.id == target.c.device_id).join(schema.distribution, schema.distribution.c.id == target.c.distribution_id))
        .where(target.c.distribution_id == distribution_id, newer_exists())
    )
    return frozenset(str(name) for (name,) in rows)


def newer_exists() -> sa.ColumnElement[bool]:
    """Whether the host of `target` has a target in a newer distribution of the same name."""
    newer, newer_target = schema.distribution.alias("newer"), schema.target.alias("newer_target")
    return (
        sa.exists()
        .where(
            newer_target.c.device_id == schema.target.c.device_id,
            newer.c.id == newer_target.c.distribution_id,
            newer.c.name == schema.distribution.c.name,
            newer.c.seq > schema.distribution.c.seq,
        )
        .correlate(schema.target, schema.distribution)
    )


def pending(connection: sa.Connection, hosts: Iterable[str] | None, only: str | None = None) -> dict[str, Any]:
    """What is still to be done, for these hosts or (None) for all that have anything left to do; `only`: of the distribution with this identifier.

    ``{"hosts": {name: {"known": bool, "completed": int, "pending": [{"distribution", "name", "status", "attempt", "code", "detail",
    "in_progress"}]}}, "distributions": {id: {..., "manifest", "commands"}}}``; a distribution stands once, however many hosts wait for it.
    """
    distribution, device, target, attempt = schema.distribution, schema.device, schema.target, schema.attempt
    wanted = None if hosts is None else list(dict.fromkeys(hosts))
    joined = target.join(device, device.c.id == target.c.device_id).join(distribution, distribution.c.id == target.c.distribution_id)
    chosen = sa.true() if only is None else target.c.distribution_id == distribution_row(connection, only)["id"]
    select_pending = (
        sa.select(device.c.name, distribution.c.id, distribution.c.name, target.c.status, attempt.c.attempt_no, attempt.c.code, attempt.c.detail)
        .select_from(joined.join(attempt, attempt.c.id == target.c.current_attempt_id))
        .where(target.c.status.in_(states.NOT_COMPLETED), ~newer_exists(), chosen)
        .order_by(device.c.name, distribution.c.seq)
    )
    select_completed = (
        sa.select(device.c.name, sa.func.count())
        .select_from(target.join(device, device.c.id == target.c.device_id))
        .where(target.c.status.in_(states.COMPLETED), chosen)
        .group_by(device.c.name)
    )
    found: dict[str, dict[str, Any]] = {}
    if wanted is not None:
        known = {name for some in chunks(wanted) for (name,) in connection.execute(sa.select(device.c.name).where(device.c.name.in_(some)))}
        found = {name: {"known": name in known, "completed": 0, "pending": []} for name in wanted}
    used: set[str] = set()
    for condition in [sa.true()] if wanted is None else [device.c.name.in_(some) for some in chunks(wanted)]:
        for name, distribution_id, distribution_name, status, number, code, detail in connection.execute(select_pending.where(condition)):
            used.add(distribution_id)
            found.setdefault(name, {"known": True, "completed": 0, "pending": []})["pending"].append(
                {
                    "distribution": distribution_id,
                    "name": distribution_name,
                    "status": status,
                    "attempt": number,
                    "code": code,
                    "detail": detail,
                    "in_progress": status in states.OPEN,
                }
            )
        for name, count in connection.execute(select_completed.where(condition)):
            if name in found:
                found[name]["completed"] = count
    return {"hosts": found, "distributions": {distribution_id: _with_artifact(connection, distribution_id) for distribution_id in sorted(used)}}


def _with_artifact(connection: sa.Connection, distribution_id: str) -> dict[str, Any]:
    row = distribution_row(connection, distribution_id)
    manifest = connection.execute(sa.select(schema.artifact.c.manifest).where(schema.artifact.c.digest == row["artifact_digest"])).scalar_one()
    return {**_described(row), "manifest": manifest, "commands": row["commands"]}


def _described(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "distribution": row["id"],
        "name": row["name"],
        "kind": row["kind"],
        "digest": row["artifact_digest"],
        "status": row["status"],
        "total_hosts": row["total_hosts"],
        "created_by": row["created_by"],
        "created_at": iso(row["created_at"]),
        "finished_at": iso(row["finished_at"]),
    }


def iso(instant: datetime | None) -> str | None:
    return instant.isoformat(timespec="seconds").replace("+00:00", "Z") if instant else None


def selected(connection: sa.Connection, which: str) -> list[Mapping[str, Any]]:
    """The rows of `all` distributions (newest first), of the `last` one (none in an empty table), or of the one with this identifier."""
    if which not in ("all", "last"):
        return [distribution_row(connection, which)]
    rows = connection.execute(sa.select(schema.distribution).order_by(schema.distribution.c.seq.desc()).limit(1 if which == "last" else None))
    return [dict(row) for row in rows.mappings()]


def of_run(connection: sa.Connection, run_id: str) -> list[Mapping[str, Any]]:
    """The rows of the distributions for which the run made attempts that are current, oldest first."""
    mine = (
        sa.select(schema.target.c.distribution_id)
        .join(schema.attempt, schema.attempt.c.id == schema.target.c.current_attempt_id)
        .where(schema.attempt.c.lease_owner == run_id, schema.attempt.c.status != states.SUPPRESSED)
    )
    rows = connection.execute(sa.select(schema.distribution).where(schema.distribution.c.id.in_(mine)).order_by(schema.distribution.c.seq))
    return [dict(row) for row in rows.mappings()]


def status(connection: sa.Connection, row: Mapping[str, Any], hosts: Iterable[str] = (), only: Iterable[str] = (), summary: bool = False) -> dict[str, Any]:
    """How one distribution stands.

    `counts` (state -> hosts, in the order of :data:`states.ATTEMPT_STATES`, without zeros) is over all its hosts and sums up to
    `total_hosts`; `hosts` are the rows that the filters `hosts` (names) and `only` (states) leave, none when `summary`.
    """
    target, attempt, device = schema.target, schema.attempt, schema.device
    counted = dict(
        connection.execute(sa.select(target.c.status, sa.func.count()).where(target.c.distribution_id == row["id"]).group_by(target.c.status)).tuples().all()
    )
    counts = {state: counted[state] for state in states.ATTEMPT_STATES if state in counted}
    multicast, unicast = connection.execute(
        sa.select(sa.func.coalesce(sa.func.sum(attempt.c.bytes_multicast), 0), sa.func.coalesce(sa.func.sum(attempt.c.bytes_unicast), 0)).where(
            attempt.c.distribution_id == row["id"]
        )
    ).one()
    columns = (
        device.c.name.label("host"),
        attempt.c.status,
        attempt.c.phase,
        attempt.c.attempt_no.label("attempt"),
        attempt.c.code,
        attempt.c.detail,
        attempt.c.bytes_multicast,
        attempt.c.bytes_unicast,
        attempt.c.version,
        attempt.c.started_at,
        attempt.c.changed_at,
        attempt.c.finished_at,
    )
    listed: list[dict[str, Any]] = []
    if not summary:
        chosen = (
            sa.select(*columns)
            .select_from(target.join(attempt, attempt.c.id == target.c.current_attempt_id).join(device, device.c.id == target.c.device_id))
            .where(target.c.distribution_id == row["id"])
            .order_by(device.c.name)
        )
        names, only = list(hosts), list(only)
        if only:
            chosen = chosen.where(target.c.status.in_(only))
        for some in chunks(names) if names else [None]:
            result = connection.execute(chosen if some is None else chosen.where(device.c.name.in_(some)))
            listed.extend({str(key): iso(value) if isinstance(value, datetime) else value for key, value in found.items()} for found in result.mappings())
    return {
        **_described(row),
        "parent": _parent(connection, row["parent_id"]),
        "counts": counts,
        "completed": sum(counts.get(state, 0) for state in states.COMPLETED),
        "not_completed": sum(counts.get(state, 0) for state in states.NOT_COMPLETED),
        "bytes_multicast": int(multicast),
        "bytes_unicast": int(unicast),
        "hosts": listed,
    }


def _parent(connection: sa.Connection, parent_id: str | None) -> dict[str, Any] | None:
    """How the distribution stands by which distribution servers got what they send: its identifier, and how many of them have it."""
    if parent_id is None:
        return None
    target = schema.target
    of_parent = sa.select(sa.func.count()).where(target.c.distribution_id == parent_id)
    return {
        "distribution": parent_id,
        "total_hosts": connection.execute(of_parent).scalar_one(),
        "completed": connection.execute(of_parent.where(target.c.status.in_(states.COMPLETED))).scalar_one(),
    }


def not_completed(connection: sa.Connection, distribution_id: str, hosts: Iterable[str] | None) -> list[str]:
    """Names of the distribution's hosts, of all or of these, that are not known to have succeeded and are not superseded."""
    target, device = schema.target, schema.device
    rows = connection.execute(
        sa.select(device.c.name)
        .select_from(target.join(device, device.c.id == target.c.device_id))
        .where(target.c.distribution_id == distribution_id, target.c.status.in_(states.NOT_COMPLETED))
        .order_by(device.c.name)
    )
    wanted = None if hosts is None else frozenset(hosts)
    return [str(name) for (name,) in rows if wanted is None or name in wanted]
