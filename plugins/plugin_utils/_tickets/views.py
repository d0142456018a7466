# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A ticket as plain data: what the mail says, what is attached to it, and what the modules return. Times are ISO 8601 in UTC."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from .._status import schema
from .._status.libraries import AVAILABLE
from . import tables
from .classification import SERVER_FAILED
from .composing import SCHEMA, label
from .states import OPEN, RESOLVED

if AVAILABLE:
    import sqlalchemy as sa

_RELATED = 20
#: Alerts that are shown with a ticket, the newest first.
ALERTS = 20


def ticket_view(connection: sa.Connection, ticket_id: int, kind: str = "", new_alerts: int = 0) -> dict[str, Any]:
    """The ticket with its devices and newest alerts (docs/ticket.schema.json).

    :param kind: the kind of mail that it is for.
    """
    row = connection.execute(sa.select(tables.ticket).where(tables.ticket.c.id == ticket_id)).mappings().one()
    devices = _devices(connection, ticket_id)
    alerts = _alerts(connection, ticket_id)
    previous = None
    if row["previous_id"] is not None:
        closed_at = connection.execute(sa.select(tables.ticket.c.closed_at).where(tables.ticket.c.id == row["previous_id"])).scalar()
        previous = {"label": label(row["previous_id"]), "closed_at": iso(closed_at)} if closed_at else None
    return {
        "schema": SCHEMA,
        "mail": kind,
        "subject_device": _subject(row, devices, alerts),
        "ticket": {
            "id": row["id"],
            "label": label(row["id"]),
            "status": row["status"],
            "failure_type": row["failure_type"],
            "grouping": row["grouping"],
            "count": row["count"],
            "threshold": row["threshold"],
            "new_alerts": new_alerts,
            "opened_at": iso(row["opened_at"]),
            "first_alert_at": min(device["first_at"] for device in devices),
            "last_alert_at": iso(row["last_alert_at"]),
            "closed_at": iso(row["closed_at"]),
            "closed_by": row["closed_by"],
            "resolution": row["resolution"],
            "previous": previous,
        },
        "location": {
            "reported": row["reported_location"],
            "name": row["location"],
            "match": row["location_match"],
            "score": row["location_score"],
        },
        "centre": {"name": row["centre"], "reason": row["routing_reason"], "language": row["language"]},
        "devices": devices,
        "alerts": alerts,
        "plan": {"digest": row["plan_digest"], "command": row["plan_command"]} if row["plan_digest"] else None,
        "related": [label(number) for number in _related(connection, row)],
    }


def _related(connection: sa.Connection, row: Any) -> list[int]:
    """Of an open ticket for many devices: the other open tickets at its place, of the same failure type, which were there before it."""
    table = tables.ticket
    if row["grouping"] is None or row["status"] != OPEN or row["location"] is None:
        return []
    return list(
        connection.execute(
            sa.select(table.c.id)
            .where(table.c.status == OPEN, table.c.id < row["id"], table.c.location == row["location"], table.c.failure_type == row["failure_type"])
            .order_by(table.c.id)
            .limit(_RELATED)
        ).scalars()
    )


def _subject(row: Any, devices: list[dict[str, Any]], alerts: list[dict[str, Any]]) -> str:
    """What is to be repaired: the device, or how many there are; of a failed distribution server that server, and not its recipients."""
    if row["failure_type"] == SERVER_FAILED and alerts and alerts[0]["server"]:
        return str(alerts[0]["server"])
    return str(devices[0]["name"]) if len(devices) == 1 else f"{len(devices)} devices"


def _devices(connection: sa.Connection, ticket_id: int) -> list[dict[str, Any]]:
    table, device = tables.ticket_device, schema.device
    rows = connection.execute(
        sa.select(device.c.name, table.c.failure_type, table.c.count, table.c.first_at, table.c.last_at, table.c.told)
        .join(device, device.c.id == table.c.device_id)
        .where(table.c.ticket_id == ticket_id)
        .order_by(device.c.name, table.c.failure_type)
    ).mappings()
    return [
        {
            **{key: row[key] for key in ("name", "failure_type", "count")},
            **{key: iso(row[key]) for key in ("first_at", "last_at")},
            "new": not row["told"],
        }
        for row in rows
    ]


def _alerts(connection: sa.Connection, ticket_id: int) -> list[dict[str, Any]]:
    table, device = tables.error_record, schema.device
    rows = connection.execute(
        sa.select(
            device.c.name.label("device"),
            table.c.failure_type,
            table.c.occurred_at,
            table.c.source,
            table.c.module,
            table.c.return_code,
            table.c.text,
            table.c.reported_location,
            table.c.distribution_id.label("distribution"),
            table.c.server,
            table.c.outage,
            table.c.origin,
            table.c.event_key,
        )
        .join(device, device.c.id == table.c.device_id)
        .where(table.c.ticket_id == ticket_id)
        .order_by(table.c.occurred_at.desc(), table.c.id.desc())
        .limit(ALERTS)
    ).mappings()
    return [{**row, "occurred_at": iso(row["occurred_at"])} for row in rows]


def mails(connection: sa.Connection, ticket_id: int) -> list[dict[str, Any]]:
    """The ticket's mails in their order, with what became of them for each recipient."""
    table, recipient = tables.mail, tables.mail_recipient
    found = []
    for row in connection.execute(sa.select(table).where(table.c.ticket_id == ticket_id).order_by(table.c.seq)).mappings().all():
        recipients = connection.execute(sa.select(recipient).where(recipient.c.mail_id == row["id"]).order_by(recipient.c.address)).mappings()
        found.append(
            {
                **{key: row[key] for key in ("seq", "kind", "message_id", "status", "attempts")},
                "next_at": iso(row["next_at"]) if row["status"] == "waiting" else None,
                "created_at": iso(row["created_at"]),
                "finished_at": iso(row["finished_at"]),
                "recipients": [
                    {key: iso(value) if isinstance(value, datetime) else value for key, value in one.items() if key != "mail_id"} for one in recipients
                ],
            }
        )
    return found


def ticket_ids(connection: sa.Connection, status: str = OPEN, device: str = "") -> list[int]:
    """Identifiers of tickets, the newest first. `status`: open, resolved or all."""
    table, member = tables.ticket, tables.ticket_device
    wanted = sa.select(table.c.id).order_by(table.c.id.desc())
    if status in (OPEN, RESOLVED):
        wanted = wanted.where(table.c.status == status)
    if device:
        of_device = sa.select(member.c.ticket_id).join(schema.device, schema.device.c.id == member.c.device_id).where(schema.device.c.name == device)
        wanted = wanted.where(table.c.id.in_(of_device))
    return list(connection.execute(wanted).scalars())


def iso(at: datetime | None) -> str | None:
    return at.isoformat(timespec="seconds") if at else None
