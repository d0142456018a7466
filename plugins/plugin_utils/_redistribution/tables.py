# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of redistribution, beside those of the status table, as SQLAlchemy Core sees them. The migrations make them."""

from __future__ import annotations

from .._status.libraries import AVAILABLE
from .._status.schema import one_of
from .states import FAILURE_STATES, PLAN_STATES

if AVAILABLE:
    import sqlalchemy as sa

    from .._status.schema import UtcDateTime, metadata

    _number = sa.BigInteger().with_variant(sa.Integer, "sqlite")

    #: One row for each recipient to which a distribution failed. `server`: who was to send to it, as the inventory names it; `localhost` is
    #: the controller. `attempt_id`: the last that failed.
    failure_record = sa.Table(
        "failure_record",
        metadata,
        sa.Column("id", _number, primary_key=True),
        sa.Column("distribution_id", sa.String(36), sa.ForeignKey("distribution.id"), nullable=False),
        sa.Column("device_id", sa.Integer, sa.ForeignKey("device.id"), nullable=False),
        sa.Column("server", sa.Text, nullable=False),
        sa.Column("failure_type", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("attempt_id", _number, sa.ForeignKey("attempt.id"), nullable=False),
        sa.Column("ticket_id", sa.Integer, sa.ForeignKey("ticket.id")),
        sa.Column("opened_at", UtcDateTime, nullable=False),
        sa.Column("changed_at", UtcDateTime, nullable=False),
        sa.Column("resolved_at", UtcDateTime),
        sa.Column("resolved_by_attempt", _number, sa.ForeignKey("attempt.id")),
        sa.CheckConstraint(one_of("status", FAILURE_STATES), name="status"),
        sa.CheckConstraint("(status = 'resolved') = (resolved_at IS NOT NULL)", name="resolved"),
        sa.UniqueConstraint("distribution_id", "device_id"),
        sa.Index(None, "server", "status"),
        sa.Index(None, "status"),
    )

    #: What became of a failure record, in order; `reason` in words.
    failure_event = sa.Table(
        "failure_event",
        metadata,
        sa.Column("id", _number, primary_key=True),
        sa.Column("failure_id", _number, sa.ForeignKey("failure_record.id"), nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("from_status", sa.Text),
        sa.Column("to_status", sa.Text, nullable=False),
        sa.Column("occurred_at", UtcDateTime, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.UniqueConstraint("failure_id", "seq"),
    )

    #: A plan, by the SHA-256 of its document. `run_id`: the run that performs it, or did; `lease_expires_at`: when that counts as gone.
    redistribution_plan = sa.Table(
        "redistribution_plan",
        metadata,
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("distribution_id", sa.String(36), sa.ForeignKey("distribution.id"), nullable=False),
        sa.Column("server", sa.Text, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.Column("run_id", sa.String(36), sa.ForeignKey("run.id")),
        sa.Column("lease_expires_at", UtcDateTime),
        sa.CheckConstraint(one_of("status", PLAN_STATES), name="status"),
        sa.Index(None, "distribution_id", "server"),
        sa.Index(None, "status"),
    )

    #: Who did what to a plan, how (`terminal`, `digest`, `policy`, `workflow`; empty for what is no decision), and why.
    redistribution_event = sa.Table(
        "redistribution_event",
        metadata,
        sa.Column("id", _number, primary_key=True),
        sa.Column("plan_digest", sa.String(64), sa.ForeignKey("redistribution_plan.digest"), nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("from_status", sa.Text),
        sa.Column("to_status", sa.Text, nullable=False),
        sa.Column("occurred_at", UtcDateTime, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("how", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.UniqueConstraint("plan_digest", "seq"),
    )
