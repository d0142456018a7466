# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans and what was decided about them, in the status table's database. Parts of a caller's transaction."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from .._status import queries, schema
from .._status.batches import chunks
from .._status.errors import RequestError
from .._status.libraries import AVAILABLE
from .._tickets import tables as tickets
from .._tickets import tickets as ticket_desk
from . import tables
from .failures import CONTROLLER, server_of
from .performances import OURSELVES, Decision, load, move, write_event
from .states import APPROVED, EXPIRED, PLAN_PREDECESSORS, PROPOSED, REJECTED, RUNNING, UNFINISHED

if AVAILABLE:
    import sqlalchemy as sa

#: What in the commands of a host is not the same for all recipients of a server by itself.
_OF_SENDER = ("src", "sender", "sender_become", "dest")


def register(connection: sa.Connection, digest: str, document: str, by: str, now: datetime) -> list[int]:
    """Record a plan that a server has made, and put it into the open tickets of its recipients; returns the tickets' identifiers."""
    if hashlib.sha256(document.encode()).hexdigest() != digest:
        raise RequestError(f"the plan {digest} does not have this digest")
    values = json.loads(document)
    table = tables.redistribution_plan
    if connection.execute(sa.select(table.c.digest).where(table.c.digest == digest)).first() is None:
        connection.execute(
            sa.insert(table).values(
                digest=digest,
                distribution_id=queries.distribution_row(connection, values["distribution"])["id"],
                server=values["server"],
                document=document,
                status=PROPOSED,
                created_at=now,
                expires_at=datetime.fromisoformat(values["expires_at"]),
            )
        )
        write_event(connection, digest, None, PROPOSED, Decision(by, "", ""), now)
    _expire(connection, values["distribution"], digest, now)
    command = f"ansible-playbook fleetcast.core.redistribute -e approved_plan={digest}"
    numbers = _open_tickets(connection, values["distribution"], [one["name"] for one in values["recipients"]])
    for number in numbers:
        ticket_desk.set_plan(connection, number, digest, command)
    return numbers


def _expire(connection: sa.Connection, distribution_id: str, but: str, now: datetime) -> None:
    """Note of the distribution's plans, but for one, that nobody has begun them in time."""
    table = tables.redistribution_plan
    late = sa.and_(table.c.distribution_id == distribution_id, table.c.status.in_(PLAN_PREDECESSORS[EXPIRED]), table.c.expires_at < now, table.c.digest != but)
    for digest, status in connection.execute(sa.select(table.c.digest, table.c.status).where(late)).all():
        move(connection, digest, status, EXPIRED, Decision(OURSELVES, "", "its validity is over"), now)


def _open_tickets(connection: sa.Connection, distribution_id: str, hosts: Iterable[str]) -> list[int]:
    record, device, ticket = tables.failure_record, schema.device, tickets.ticket
    found: set[int] = set()
    for some in chunks(hosts):
        rows = connection.execute(
            sa.select(record.c.ticket_id)
            .join(device, device.c.id == record.c.device_id)
            .join(ticket, ticket.c.id == record.c.ticket_id)
            .where(record.c.distribution_id == distribution_id, device.c.name.in_(some), ticket.c.closed_at.is_(None))
        )
        found.update(number for (number,) in rows)
    return sorted(found)


def decide(connection: sa.Connection, digest: str, status: str, decision: Decision, now: datetime) -> bool:
    """Approve or reject; returns whether that is news. One who decides the same again changes nothing.

    :raises RequestError: the plan is past that.
    """
    row = load(connection, digest)
    if row["status"] == status:
        return False
    if status == APPROVED and now > row["expires_at"]:
        raise RequestError(f"the plan {digest} was valid until {row['expires_at']:%Y-%m-%d %H:%M} UTC and cannot be approved any more: make a new one")
    if row["status"] not in PLAN_PREDECESSORS[status]:
        raise RequestError(f"the plan {digest} is {_standing(connection, row)} and cannot be {status} any more: make a new one")
    move(connection, digest, row["status"], status, decision, now)
    return True


def _standing(connection: sa.Connection, row: Mapping[str, Any]) -> str:
    """The plan's state, with the reason where it has one of its own."""
    event = tables.redistribution_event
    if row["status"] != UNFINISHED:
        return str(row["status"])
    reason = connection.execute(sa.select(event.c.reason).where(event.c.plan_digest == row["digest"]).order_by(event.c.seq.desc())).scalars().first()
    return f"{row['status']} ({reason})"


def _decision(connection: sa.Connection, digest: str) -> dict[str, Any] | None:
    """The last decision about the plan: `who`, `how`, `reason`, `at`."""
    event = tables.redistribution_event
    chosen = sa.select(event).where(event.c.plan_digest == digest, event.c.to_status.in_((APPROVED, REJECTED))).order_by(event.c.seq.desc())
    last = connection.execute(chosen).mappings().first()
    return None if last is None else {**{key: last[key] for key in ("who", "how", "reason")}, "at": queries.iso(last["occurred_at"])}


def rejection(connection: sa.Connection, digest: str) -> dict[str, Any]:
    """The rejection of a plan as data for its server.

    :raises RequestError: nobody has rejected it.
    """
    row, last = load(connection, digest), _decision(connection, digest)
    if row["status"] != REJECTED or last is None:
        raise RequestError(f"the plan {digest} is {_standing(connection, row)}, and not rejected")
    return {"plan": digest, "decision": REJECTED, **last}


def approval(connection: sa.Connection, digest: str, now: datetime) -> dict[str, Any]:
    """The decision about a plan as data for its server, which judges it: `plan`, `decision`, `who`, `how`, `reason`, `at`."""
    row = load(connection, digest)
    last = _decision(connection, digest)
    expired = row["status"] in (PROPOSED, APPROVED) and now > row["expires_at"]
    if row["status"] == APPROVED and last is not None and not expired:
        return {"plan": digest, "decision": APPROVED, **last}
    why = {
        PROPOSED: "nobody has approved it yet",
        REJECTED: f"it was rejected by {last['who']}{': ' + last['reason'] if last['reason'] else ''}" if last else "it was rejected",
        RUNNING: "it is being performed",
    }.get(row["status"], f"it is {_standing(connection, row)}: make a new one")
    return {"plan": digest, "decision": "none", "reason": "its validity is over: make a new one" if expired else why}


def controller_copy(connection: sa.Connection, distribution_id: str, server: str, parameters: Mapping[str, Any]) -> tuple[dict[str, Any] | None, str | None]:
    """What the controller can give back to a server: its job as the status table knows it, and where the package lies on the controller."""
    row = queries.distribution_row(connection, distribution_id)
    commands = dict(row["commands"])
    of_hosts = commands.pop("of_hosts", {})
    target, device = schema.target, schema.device
    names = connection.execute(
        sa.select(device.c.name).join(target, target.c.device_id == device.c.id).where(target.c.distribution_id == row["id"]).order_by(device.c.name)
    ).scalars()
    asked = {name: {**commands, **of_hosts.get(name, {})} for name in names if server_of(row["commands"], name) == server}
    src = _controllers_source(connection, row, commands)
    if not asked:
        return None, src
    artifact = schema.artifact
    manifest = connection.execute(sa.select(artifact.c.manifest).where(artifact.c.digest == row["artifact_digest"])).scalar_one()
    first = next(iter(asked.values()))
    job = {
        "name": row["name"],
        "parameters": dict(parameters),
        "install": first,
        "recipients": [
            {"name": name, "dest": own["dest"], "commands": {key: value for key, value in own.items() if first.get(key) != value and key not in _OF_SENDER}}
            for name, own in asked.items()
        ],
        "packages": [{"path": first["src"], "manifest": manifest, "digest": row["artifact_digest"]}],
    }
    return job, src


def _controllers_source(connection: sa.Connection, row: Mapping[str, Any], commands: Mapping[str, Any]) -> str | None:
    """The path from which the server had the package, or the other recipients of the controller have it."""
    if row.get("parent_id"):
        commands = queries.distribution_row(connection, row["parent_id"])["commands"]
    return str(commands["src"]) if commands.get("sender", CONTROLLER) == CONTROLLER and commands.get("src") else None


def affected(connection: sa.Connection, distribution_id: str | None, server: str | None, resolved: bool) -> list[dict[str, Any]]:
    """Which servers are affected by which failed distributions, with recipients and history."""
    record, device, distribution, event = tables.failure_record, schema.device, schema.distribution, tables.failure_event
    chosen = (
        sa.select(record, device.c.name.label("host"), distribution.c.name.label("name"))
        .join(device, device.c.id == record.c.device_id)
        .join(distribution, distribution.c.id == record.c.distribution_id)
        .order_by(distribution.c.seq.desc(), record.c.server, device.c.name)
    )
    if distribution_id:
        chosen = chosen.where(record.c.distribution_id == queries.distribution_row(connection, distribution_id)["id"])
    if server:
        chosen = chosen.where(record.c.server == server)
    if not resolved:
        chosen = chosen.where(record.c.status != "resolved")
    rows = connection.execute(chosen).mappings().all()
    history: dict[int, list[dict[str, Any]]] = {}
    for some in chunks([row["id"] for row in rows]):
        for one in connection.execute(sa.select(event).where(event.c.failure_id.in_(some)).order_by(event.c.failure_id, event.c.seq)).mappings():
            history.setdefault(one["failure_id"], []).append(_step(one))
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        entry = found.setdefault(
            (row["distribution_id"], row["server"]),
            {"distribution": row["distribution_id"], "name": row["name"], "server": row["server"], "recipients": []},
        )
        entry["recipients"].append(
            {
                "host": row["host"],
                "status": row["status"],
                "failure_type": row["failure_type"],
                "text": row["text"],
                "ticket": f"FC-{row['ticket_id']}" if row["ticket_id"] else None,
                "opened_at": queries.iso(row["opened_at"]),
                "changed_at": queries.iso(row["changed_at"]),
                "resolved_at": queries.iso(row["resolved_at"]),
                "history": history.get(row["id"], []),
            }
        )
    return list(found.values())


def _step(event: Mapping[Any, Any]) -> dict[str, Any]:
    shown = {"from": event["from_status"], "to": event["to_status"], "at": queries.iso(event["occurred_at"])}
    return {**shown, **{key: event[key] for key in ("who", "how", "reason") if key in event}}


def listed(connection: sa.Connection, distribution_id: str | None, server: str | None, digest: str | None) -> list[dict[str, Any]]:
    """The plans, newest first; the one with the digest has its document."""
    table, event = tables.redistribution_plan, tables.redistribution_event
    chosen = sa.select(table).order_by(table.c.created_at.desc(), table.c.digest)
    if digest:
        load(connection, digest)
        chosen = chosen.where(table.c.digest == digest)
    if distribution_id:
        chosen = chosen.where(table.c.distribution_id == queries.distribution_row(connection, distribution_id)["id"])
    if server:
        chosen = chosen.where(table.c.server == server)
    plans = []
    for row in connection.execute(chosen).mappings().all():
        values = json.loads(row["document"])
        steps = connection.execute(sa.select(event).where(event.c.plan_digest == row["digest"]).order_by(event.c.seq)).mappings()
        plan = {
            "plan": row["digest"],
            "distribution": row["distribution_id"],
            "server": row["server"],
            "status": row["status"],
            "created_at": queries.iso(row["created_at"]),
            "expires_at": queries.iso(row["expires_at"]),
            "hosts": [one["name"] for one in values["recipients"]],
            "history": [_step(one) for one in steps],
        }
        plans.append({**plan, "document": values} if digest else plan)
    return plans
