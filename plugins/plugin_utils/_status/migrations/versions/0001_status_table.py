# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Distributions, hosts, attempts and their events.

A migration repeats what it makes instead of importing it: the code goes on, the step from one version to the next must not.
"""

from __future__ import annotations

revision = "0001"
down_revision = None


def upgrade() -> None:
    # Imported here: a controller without these packages must still be able to import the file.
    import sqlalchemy as sa
    from alembic import op

    moment = sa.DateTime(timezone=True)
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    attempt_status = (
        "status IN ('pending', 'dispatched', 'transferring', 'installing', 'verifying', 'succeeded', 'already_installed', "
        "'suppressed', 'canceled', 'unreachable', 'failed', 'timed_out', 'unknown')"
    )
    op.create_table(
        "artifact",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("manifest", sa.Text(), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_artifact"),
    )
    op.create_table(
        "device",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_device"),
        sa.UniqueConstraint("name", name="uq_device_name"),
    )
    op.create_table(
        "run",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("hostname", sa.Text(), nullable=False),
        sa.Column("user_name", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("process_started", sa.BigInteger()),
        sa.Column("boot_id", sa.Text()),
        sa.Column("pid_namespace", sa.Text()),
        sa.Column("lease_seconds", sa.Integer(), nullable=False),
        sa.Column("started_at", moment, nullable=False),
        sa.Column("ended_at", moment),
        sa.Column("ending", sa.Text()),
        sa.CheckConstraint("ending IN ('finished', 'died', 'expired')", name="ck_run_ending"),
        sa.PrimaryKeyConstraint("id", name="pk_run"),
    )
    op.create_index("ix_run_ended_at", "run", ["ended_at"])
    op.create_table(
        "distribution",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("artifact_digest", sa.Text(), nullable=False),
        sa.Column("commands", sa.JSON(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("total_hosts", sa.Integer(), nullable=False),
        sa.Column("parent_id", sa.String(length=36)),
        sa.Column("run_id", sa.String(length=36), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("finished_at", moment),
        sa.CheckConstraint("status IN ('approved', 'running', 'finished', 'canceled')", name="ck_distribution_status"),
        sa.ForeignKeyConstraint(["artifact_digest"], ["artifact.digest"], name="fk_distribution_artifact_digest_artifact"),
        sa.ForeignKeyConstraint(["parent_id"], ["distribution.id"], name="fk_distribution_parent_id_distribution"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_distribution_run_id_run"),
        sa.PrimaryKeyConstraint("id", name="pk_distribution"),
        sa.UniqueConstraint("seq", name="uq_distribution_seq"),
    )
    op.create_index("ix_distribution_name_seq", "distribution", ["name", "seq"])
    op.create_index("ix_distribution_run_id", "distribution", ["run_id"])
    op.create_index("ix_distribution_status", "distribution", ["status"])
    op.create_table(
        "attempt",
        sa.Column("id", number, nullable=False),
        sa.Column("distribution_id", sa.String(length=36), nullable=False),
        sa.Column("device_id", sa.Integer(), nullable=False),
        sa.Column("attempt_no", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("code", sa.Text()),
        sa.Column("detail", sa.Text()),
        sa.Column("bytes_multicast", sa.BigInteger(), nullable=False),
        sa.Column("bytes_unicast", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Text()),
        sa.Column("lease_owner", sa.String(length=36), nullable=False),
        sa.Column("lease_token", sa.String(length=36), nullable=False),
        sa.Column("lease_expires_at", moment),
        sa.Column("idem_key", sa.String(length=64), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("changed_at", moment, nullable=False),
        sa.Column("started_at", moment),
        sa.Column("finished_at", moment),
        sa.CheckConstraint(attempt_status, name="ck_attempt_status"),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name="fk_attempt_device_id_device"),
        sa.ForeignKeyConstraint(["distribution_id"], ["distribution.id"], name="fk_attempt_distribution_id_distribution"),
        sa.ForeignKeyConstraint(["lease_owner"], ["run.id"], name="fk_attempt_lease_owner_run"),
        sa.PrimaryKeyConstraint("id", name="pk_attempt"),
        sa.UniqueConstraint("distribution_id", "device_id", "attempt_no", name="uq_attempt_distribution_id_device_id_attempt_no"),
        sa.UniqueConstraint("idem_key", name="uq_attempt_idem_key"),
    )
    op.create_index("ix_attempt_device_id", "attempt", ["device_id"])
    op.create_index("ix_attempt_lease_owner", "attempt", ["lease_owner"])
    op.create_index("ix_attempt_status_lease_expires_at", "attempt", ["status", "lease_expires_at"])
    op.create_table(
        "status_event",
        sa.Column("id", number, nullable=False),
        sa.Column("attempt_id", number, nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("from_status", sa.Text()),
        sa.Column("to_status", sa.Text(), nullable=False),
        sa.Column("accepted", sa.Boolean(), nullable=False),
        sa.Column("occurred_at", moment, nullable=False),
        sa.Column("received_at", moment, nullable=False),
        sa.Column("code", sa.Text()),
        sa.Column("detail", sa.Text()),
        sa.Column("event_key", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempt.id"], name="fk_status_event_attempt_id_attempt"),
        sa.PrimaryKeyConstraint("id", name="pk_status_event"),
        sa.UniqueConstraint("attempt_id", "seq", name="uq_status_event_attempt_id_seq"),
        sa.UniqueConstraint("event_key", name="uq_status_event_event_key"),
    )
    op.create_table(
        "target",
        sa.Column("distribution_id", sa.String(length=36), nullable=False),
        sa.Column("device_id", sa.Integer(), nullable=False),
        sa.Column("current_attempt_id", number, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.CheckConstraint(attempt_status, name="ck_target_status"),
        sa.ForeignKeyConstraint(["current_attempt_id"], ["attempt.id"], name="fk_target_current_attempt_id_attempt"),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name="fk_target_device_id_device"),
        sa.ForeignKeyConstraint(["distribution_id"], ["distribution.id"], name="fk_target_distribution_id_distribution"),
        sa.PrimaryKeyConstraint("distribution_id", "device_id", name="pk_target"),
        sa.UniqueConstraint("current_attempt_id", name="uq_target_current_attempt_id"),
    )
    op.create_index("ix_target_device_id", "target", ["device_id"])
    op.create_index("ix_target_distribution_id_status", "target", ["distribution_id", "status"])
