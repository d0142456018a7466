# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Error records, their counters, job tickets, and the outbox of their mails."""

from __future__ import annotations

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    # Imported here: a controller without these packages must still be able to import the file.
    import sqlalchemy as sa
    from alembic import op

    moment = sa.DateTime(timezone=True)
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    location_match = "location_match IN ('exact', 'alias', 'corrected', 'unmatched', 'none')"
    still_open = sa.text("closed_at IS NULL")
    op.create_table(
        "ticket",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("grouping", sa.Text()),
        sa.Column("group_key", sa.Text()),
        sa.Column("failure_type", sa.Text(), nullable=False),
        sa.Column("reported_location", sa.Text(), nullable=False),
        sa.Column("location", sa.Text()),
        sa.Column("location_match", sa.Text(), nullable=False),
        sa.Column("location_score", sa.Float(), nullable=False),
        sa.Column("centre", sa.Text(), nullable=False),
        sa.Column("routing_reason", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("addresses", sa.JSON(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("threshold", sa.Integer(), nullable=False),
        sa.Column("unmailed", sa.Integer(), nullable=False),
        sa.Column("opened_at", moment, nullable=False),
        sa.Column("last_alert_at", moment, nullable=False),
        sa.Column("mailed_at", moment, nullable=False),
        sa.Column("closed_at", moment),
        sa.Column("closed_by", sa.Text()),
        sa.Column("resolution", sa.Text()),
        sa.Column("root_message_id", sa.Text(), nullable=False),
        sa.Column("previous_id", sa.Integer()),
        sa.Column("plan_digest", sa.Text()),
        sa.Column("plan_command", sa.Text()),
        sa.CheckConstraint("status IN ('open', 'resolved')", name="ck_ticket_status"),
        sa.CheckConstraint("(status = 'resolved') = (closed_at IS NOT NULL)", name="ck_ticket_closed"),
        sa.CheckConstraint(location_match, name="ck_ticket_location_match"),
        sa.ForeignKeyConstraint(["previous_id"], ["ticket.id"], name="fk_ticket_previous_id_ticket"),
        sa.PrimaryKeyConstraint("id", name="pk_ticket"),
        sa.UniqueConstraint("root_message_id", name="uq_ticket_root_message_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_ticket_status", "ticket", ["status"])
    op.create_index("uq_ticket_open_group_key", "ticket", ["group_key"], unique=True, sqlite_where=still_open, postgresql_where=still_open)
    op.create_table(
        "error_record",
        sa.Column("id", number, nullable=False),
        sa.Column("event_key", sa.String(length=64), nullable=False),
        sa.Column("device_id", sa.Integer(), nullable=False),
        sa.Column("failure_type", sa.Text(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("module", sa.Text(), nullable=False),
        sa.Column("return_code", sa.BigInteger()),
        sa.Column("origin", sa.JSON(), nullable=False),
        sa.Column("groups", sa.JSON(), nullable=False),
        sa.Column("distribution_id", sa.Text()),
        sa.Column("server", sa.Text()),
        sa.Column("reported_location", sa.Text(), nullable=False),
        sa.Column("location", sa.Text()),
        sa.Column("location_match", sa.Text(), nullable=False),
        sa.Column("location_score", sa.Float(), nullable=False),
        sa.Column("outage", sa.Text()),
        sa.Column("ticket_id", sa.Integer()),
        sa.Column("occurred_at", moment, nullable=False),
        sa.Column("received_at", moment, nullable=False),
        sa.Column("cleared_at", moment),
        sa.CheckConstraint(location_match, name="ck_error_record_location_match"),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name="fk_error_record_device_id_device"),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name="fk_error_record_ticket_id_ticket"),
        sa.PrimaryKeyConstraint("id", name="pk_error_record"),
        sa.UniqueConstraint("event_key", name="uq_error_record_event_key"),
    )
    op.create_index("ix_error_record_device_id_failure_type_epoch_occurred_at", "error_record", ["device_id", "failure_type", "epoch", "occurred_at"])
    op.create_index("ix_error_record_distribution_id", "error_record", ["distribution_id"])
    op.create_index("ix_error_record_ticket_id", "error_record", ["ticket_id"])
    op.create_table(
        "error_counter",
        sa.Column("device_id", sa.Integer(), nullable=False),
        sa.Column("failure_type", sa.Text(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("suppressed", sa.Integer(), nullable=False),
        sa.Column("first_at", moment),
        sa.Column("last_at", moment),
        sa.Column("last_playbook", sa.Text(), nullable=False),
        sa.Column("passed_at", moment),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name="fk_error_counter_device_id_device"),
        sa.PrimaryKeyConstraint("device_id", "failure_type", name="pk_error_counter"),
    )
    op.create_table(
        "ticket_device",
        sa.Column("ticket_id", sa.Integer(), nullable=False),
        sa.Column("device_id", sa.Integer(), nullable=False),
        sa.Column("failure_type", sa.Text(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("first_at", moment, nullable=False),
        sa.Column("last_at", moment, nullable=False),
        sa.Column("closed_at", moment),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name="fk_ticket_device_ticket_id_ticket"),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name="fk_ticket_device_device_id_device"),
        sa.PrimaryKeyConstraint("ticket_id", "device_id", "failure_type", name="pk_ticket_device"),
    )
    op.create_index("uq_ticket_device_open", "ticket_device", ["device_id", "failure_type"], unique=True, sqlite_where=still_open, postgresql_where=still_open)
    op.create_table(
        "mail",
        sa.Column("id", number, nullable=False),
        sa.Column("ticket_id", sa.Integer(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("mime", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", moment, nullable=False),
        sa.Column("lease_token", sa.String(length=36)),
        sa.Column("lease_expires_at", moment),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("finished_at", moment),
        sa.CheckConstraint("status IN ('waiting', 'delivered', 'dead', 'given_up')", name="ck_mail_status"),
        sa.CheckConstraint("kind IN ('opened', 'follow_up', 'closed')", name="ck_mail_kind"),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name="fk_mail_ticket_id_ticket"),
        sa.PrimaryKeyConstraint("id", name="pk_mail"),
        sa.UniqueConstraint("message_id", name="uq_mail_message_id"),
        sa.UniqueConstraint("ticket_id", "seq", name="uq_mail_ticket_id_seq"),
    )
    op.create_index("ix_mail_status_next_at", "mail", ["status", "next_at"])
    op.create_table(
        "mail_recipient",
        sa.Column("mail_id", number, nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("code", sa.Integer()),
        sa.Column("enhanced", sa.Text()),
        sa.Column("reply", sa.Text()),
        sa.Column("server", sa.Text()),
        sa.Column("changed_at", moment, nullable=False),
        sa.CheckConstraint("status IN ('waiting', 'accepted', 'deferred', 'rejected')", name="ck_mail_recipient_status"),
        sa.ForeignKeyConstraint(["mail_id"], ["mail.id"], name="fk_mail_recipient_mail_id_mail"),
        sa.PrimaryKeyConstraint("mail_id", "address", name="pk_mail_recipient"),
    )
