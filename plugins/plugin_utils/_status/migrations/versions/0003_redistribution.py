# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Failure records of distributions, redistribution plans, and what became of both."""

from __future__ import annotations

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    # Imported here: a controller without these packages must still be able to import the file.
    import sqlalchemy as sa
    from alembic import op

    moment = sa.DateTime(timezone=True)
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    failure_states = "status IN ('open', 'ticketed', 'redistributing', 'resolved', 'regressed')"
    plan_states = "status IN ('proposed', 'approved', 'rejected', 'expired', 'running', 'finished', 'unfinished')"
    op.create_table(
        "failure_record",
        sa.Column("id", number, nullable=False),
        sa.Column("distribution_id", sa.String(length=36), nullable=False),
        sa.Column("device_id", sa.Integer(), nullable=False),
        sa.Column("server", sa.Text(), nullable=False),
        sa.Column("failure_type", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("attempt_id", number, nullable=False),
        sa.Column("ticket_id", sa.Integer()),
        sa.Column("opened_at", moment, nullable=False),
        sa.Column("changed_at", moment, nullable=False),
        sa.Column("resolved_at", moment),
        sa.Column("resolved_by_attempt", number),
        sa.CheckConstraint(failure_states, name="ck_failure_record_status"),
        sa.CheckConstraint("(status = 'resolved') = (resolved_at IS NOT NULL)", name="ck_failure_record_resolved"),
        sa.ForeignKeyConstraint(["distribution_id"], ["distribution.id"], name="fk_failure_record_distribution_id_distribution"),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name="fk_failure_record_device_id_device"),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempt.id"], name="fk_failure_record_attempt_id_attempt"),
        sa.ForeignKeyConstraint(["resolved_by_attempt"], ["attempt.id"], name="fk_failure_record_resolved_by_attempt_attempt"),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name="fk_failure_record_ticket_id_ticket"),
        sa.PrimaryKeyConstraint("id", name="pk_failure_record"),
        sa.UniqueConstraint("distribution_id", "device_id", name="uq_failure_record_distribution_id_device_id"),
    )
    op.create_index("ix_failure_record_server_status", "failure_record", ["server", "status"])
    op.create_index("ix_failure_record_status", "failure_record", ["status"])
    op.create_table(
        "failure_event",
        sa.Column("id", number, nullable=False),
        sa.Column("failure_id", number, nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("from_status", sa.Text()),
        sa.Column("to_status", sa.Text(), nullable=False),
        sa.Column("occurred_at", moment, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["failure_id"], ["failure_record.id"], name="fk_failure_event_failure_id_failure_record"),
        sa.PrimaryKeyConstraint("id", name="pk_failure_event"),
        sa.UniqueConstraint("failure_id", "seq", name="uq_failure_event_failure_id_seq"),
    )
    op.create_table(
        "redistribution_plan",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("distribution_id", sa.String(length=36), nullable=False),
        sa.Column("server", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("expires_at", moment, nullable=False),
        sa.CheckConstraint(plan_states, name="ck_redistribution_plan_status"),
        sa.ForeignKeyConstraint(["distribution_id"], ["distribution.id"], name="fk_redistribution_plan_distribution_id_distribution"),
        sa.PrimaryKeyConstraint("digest", name="pk_redistribution_plan"),
    )
    op.create_index("ix_redistribution_plan_distribution_id_server", "redistribution_plan", ["distribution_id", "server"])
    op.create_table(
        "redistribution_event",
        sa.Column("id", number, nullable=False),
        sa.Column("plan_digest", sa.String(length=64), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("from_status", sa.Text()),
        sa.Column("to_status", sa.Text(), nullable=False),
        sa.Column("occurred_at", moment, nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("how", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["plan_digest"], ["redistribution_plan.digest"], name="fk_redistribution_event_plan_digest_redistribution_plan"),
        sa.PrimaryKeyConstraint("id", name="pk_redistribution_event"),
        sa.UniqueConstraint("plan_digest", "seq", name="uq_redistribution_event_plan_digest_seq"),
    )
