# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tickets' tables, in the same database and metadata as the status table's. The migrations make them."""

from __future__ import annotations

from .._status.libraries import AVAILABLE
from .._status.schema import one_of
from .states import MAIL_KINDS, MAIL_STATES, MATCHES, RECIPIENT_STATES, TICKET_STATES

if AVAILABLE:
    import sqlalchemy as sa

    from .._status.schema import UtcDateTime, metadata

    _number = sa.BigInteger().with_variant(sa.Integer, "sqlite")

    #: One row per alert; `event_key` makes a replay count once. `epoch` is that of its counter when it came.
    error_record = sa.Table(
        "error_record",
        metadata,
        sa.Column("id", _number, primary_key=True),
        sa.Column("event_key", sa.String(64), nullable=False, unique=True),
        sa.Column("device_id", sa.Integer, sa.ForeignKey("device.id"), nullable=False),
        sa.Column("failure_type", sa.Text, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("module", sa.Text, nullable=False),
        sa.Column("return_code", sa.BigInteger),
        sa.Column("origin", sa.JSON, nullable=False),
        sa.Column("groups", sa.JSON, nullable=False),
        sa.Column("distribution_id", sa.Text),
        sa.Column("server", sa.Text),
        sa.Column("reported_location", sa.Text, nullable=False),
        sa.Column("location", sa.Text),
        sa.Column("location_match", sa.Text, nullable=False),
        sa.Column("location_score", sa.Float, nullable=False),
        sa.Column("outage", sa.Text),
        sa.Column("ticket_id", sa.Integer, sa.ForeignKey("ticket.id")),
        sa.Column("occurred_at", UtcDateTime, nullable=False),
        sa.Column("received_at", UtcDateTime, nullable=False),
        sa.Column("cleared_at", UtcDateTime),
        sa.CheckConstraint(one_of("location_match", MATCHES), name="location_match"),
        sa.Index(None, "device_id", "failure_type", "epoch", "occurred_at"),
        sa.Index(None, "distribution_id"),
        sa.Index(None, "ticket_id"),
    )

    #: How often a device failed in one way since its last ticket of this kind was resolved (which opens a new epoch).
    #: `suppressed` of these came during an outage that has not been judged yet. `passed_at`: when a play last showed that it is over.
    error_counter = sa.Table(
        "error_counter",
        metadata,
        sa.Column("device_id", sa.Integer, sa.ForeignKey("device.id"), primary_key=True),
        sa.Column("failure_type", sa.Text, primary_key=True),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("suppressed", sa.Integer, nullable=False),
        sa.Column("first_at", UtcDateTime),
        sa.Column("last_at", UtcDateTime),
        sa.Column("last_playbook", sa.Text, nullable=False),
        sa.Column("passed_at", UtcDateTime),
    )

    #: A job ticket, for one device or for many behind one cause (`grouping`, `group_key`).
    ticket = sa.Table(
        "ticket",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("grouping", sa.Text),
        sa.Column("group_key", sa.Text),
        sa.Column("failure_type", sa.Text, nullable=False),
        sa.Column("reported_location", sa.Text, nullable=False),
        sa.Column("location", sa.Text),
        sa.Column("location_match", sa.Text, nullable=False),
        sa.Column("location_score", sa.Float, nullable=False),
        sa.Column("centre", sa.Text, nullable=False),
        sa.Column("routing_reason", sa.Text, nullable=False),
        sa.Column("language", sa.Text, nullable=False),
        sa.Column("addresses", sa.JSON, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("threshold", sa.Integer, nullable=False),
        sa.Column("unmailed", sa.Integer, nullable=False),
        sa.Column("opened_at", UtcDateTime, nullable=False),
        sa.Column("last_alert_at", UtcDateTime, nullable=False),
        sa.Column("mailed_at", UtcDateTime, nullable=False),
        sa.Column("closed_at", UtcDateTime),
        sa.Column("closed_by", sa.Text),
        sa.Column("resolution", sa.Text),
        sa.Column("root_message_id", sa.Text, nullable=False, unique=True),
        sa.Column("previous_id", sa.Integer, sa.ForeignKey("ticket.id")),
        sa.Column("plan_digest", sa.Text),
        sa.Column("plan_command", sa.Text),
        sa.CheckConstraint(one_of("status", TICKET_STATES), name="status"),
        sa.CheckConstraint("(status = 'resolved') = (closed_at IS NOT NULL)", name="closed"),
        sa.CheckConstraint(one_of("location_match", MATCHES), name="location_match"),
        sa.Index(None, "status"),
        sa.Index(
            "uq_ticket_open_group_key", "group_key", unique=True, sqlite_where=sa.text("closed_at IS NULL"), postgresql_where=sa.text("closed_at IS NULL")
        ),
        # A number is never used again, also not after the last tickets were deleted.
        sqlite_autoincrement=True,
    )

    #: The devices of a ticket. The partial unique index is the rule: one open ticket per device and failure type. `told`: a mail has named it.
    ticket_device = sa.Table(
        "ticket_device",
        metadata,
        sa.Column("ticket_id", sa.Integer, sa.ForeignKey("ticket.id"), primary_key=True),
        sa.Column("device_id", sa.Integer, sa.ForeignKey("device.id"), primary_key=True),
        sa.Column("failure_type", sa.Text, primary_key=True),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("first_at", UtcDateTime, nullable=False),
        sa.Column("last_at", UtcDateTime, nullable=False),
        sa.Column("closed_at", UtcDateTime),
        sa.Column("told", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.Index(
            "uq_ticket_device_open",
            "device_id",
            "failure_type",
            unique=True,
            sqlite_where=sa.text("closed_at IS NULL"),
            postgresql_where=sa.text("closed_at IS NULL"),
        ),
    )

    #: The outbox. A mail is committed with what it is about, and keeps its Message-ID for ever.
    mail = sa.Table(
        "mail",
        metadata,
        sa.Column("id", _number, primary_key=True),
        sa.Column("ticket_id", sa.Integer, sa.ForeignKey("ticket.id"), nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("message_id", sa.Text, nullable=False, unique=True),
        sa.Column("mime", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_at", UtcDateTime, nullable=False),
        sa.Column("lease_token", sa.String(36)),
        sa.Column("lease_expires_at", UtcDateTime),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("finished_at", UtcDateTime),
        sa.CheckConstraint(one_of("status", MAIL_STATES), name="status"),
        sa.CheckConstraint(one_of("kind", MAIL_KINDS), name="kind"),
        sa.UniqueConstraint("ticket_id", "seq"),
        sa.Index(None, "status", "next_at"),
    )

    #: What became of a mail for each of its recipients, in the server's words.
    mail_recipient = sa.Table(
        "mail_recipient",
        metadata,
        sa.Column("mail_id", _number, sa.ForeignKey("mail.id"), primary_key=True),
        sa.Column("address", sa.Text, primary_key=True),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("code", sa.Integer),
        sa.Column("enhanced", sa.Text),
        sa.Column("reply", sa.Text),
        sa.Column("server", sa.Text),
        sa.Column("changed_at", UtcDateTime, nullable=False),
        sa.CheckConstraint(one_of("status", RECIPIENT_STATES), name="status"),
    )
