# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables, as SQLAlchemy Core sees them. The migrations make them; a test holds the two against each other.

Text states with CHECK, UTC times. `distribution.seq` orders distributions: a higher one is newer, whatever the clocks said.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from .libraries import AVAILABLE
from .states import ATTEMPT_STATES, DISTRIBUTION_STATES

#: Revision of the newest migration. Compared first, so that an up-to-date database is opened without loading Alembic.
SCHEMA_VERSION = "0005"
#: A table of our own: the database may be shared with a program that has an `alembic_version` too.
VERSION_TABLE = "fleetcast_schema_version"


def one_of(column: str, values: tuple[str, ...]) -> str:
    """The SQL of a CHECK: the column holds one of these words."""
    return "{} IN ({})".format(column, ", ".join(f"'{value}'" for value in values))


if AVAILABLE:
    import sqlalchemy as sa

    class UtcDateTime(sa.TypeDecorator[datetime]):
        """A point in time: aware in Python, `timestamptz` in PostgreSQL, UTC without an offset in SQLite (which has no such type)."""

        impl = sa.DateTime(timezone=True)
        cache_ok = True

        def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
            if value is None:
                return None
            if value.tzinfo is None:
                raise ValueError(f"a time without a time zone cannot be stored: {value!r}")
            value = value.astimezone(UTC)
            return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

        def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
            if value is None:
                return None
            instant: datetime = value
            return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)

    metadata = sa.MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )

    run = sa.Table(
        "run",
        metadata,
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("hostname", sa.Text, nullable=False),
        sa.Column("user_name", sa.Text, nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("process_started", sa.BigInteger),
        sa.Column("boot_id", sa.Text),
        sa.Column("pid_namespace", sa.Text),
        sa.Column("lease_seconds", sa.Integer, nullable=False),
        sa.Column("started_at", UtcDateTime, nullable=False),
        sa.Column("ended_at", UtcDateTime),
        sa.Column("ending", sa.Text),
        sa.CheckConstraint("ending IN ('finished', 'died', 'expired')", name="ending"),
        sa.Index(None, "ended_at"),
    )

    artifact = sa.Table(
        "artifact",
        metadata,
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("manifest", sa.Text, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
    )

    distribution = sa.Table(
        "distribution",
        metadata,
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("seq", sa.BigInteger, nullable=False, unique=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("artifact_digest", sa.Text, sa.ForeignKey("artifact.digest"), nullable=False),
        sa.Column("commands", sa.JSON, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("total_hosts", sa.Integer, nullable=False),
        sa.Column("parent_id", sa.String(36), sa.ForeignKey("distribution.id")),
        sa.Column("run_id", sa.String(36), sa.ForeignKey("run.id"), nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("finished_at", UtcDateTime),
        sa.CheckConstraint(one_of("status", DISTRIBUTION_STATES), name="status"),
        sa.Index(None, "name", "seq"),
        sa.Index(None, "run_id"),
        sa.Index(None, "status"),
    )

    device = sa.Table(
        "device",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("created_at", UtcDateTime, nullable=False),
    )

    attempt = sa.Table(
        "attempt",
        metadata,
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("distribution_id", sa.String(36), sa.ForeignKey("distribution.id"), nullable=False),
        sa.Column("device_id", sa.Integer, sa.ForeignKey("device.id"), nullable=False),
        sa.Column("attempt_no", sa.Integer, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("phase", sa.Text, nullable=False),
        sa.Column("code", sa.Text),
        sa.Column("detail", sa.Text),
        sa.Column("bytes_multicast", sa.BigInteger, nullable=False),
        sa.Column("bytes_unicast", sa.BigInteger, nullable=False),
        sa.Column("version", sa.Text),
        sa.Column("lease_owner", sa.String(36), sa.ForeignKey("run.id"), nullable=False),
        sa.Column("lease_token", sa.String(36), nullable=False),
        sa.Column("lease_expires_at", UtcDateTime),
        sa.Column("idem_key", sa.String(64), nullable=False, unique=True),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("changed_at", UtcDateTime, nullable=False),
        sa.Column("started_at", UtcDateTime),
        sa.Column("finished_at", UtcDateTime),
        sa.CheckConstraint(one_of("status", ATTEMPT_STATES), name="status"),
        sa.UniqueConstraint("distribution_id", "device_id", "attempt_no"),
        sa.Index(None, "status", "lease_expires_at"),
        sa.Index(None, "lease_owner"),
        sa.Index(None, "device_id"),
    )

    target = sa.Table(
        "target",
        metadata,
        sa.Column("distribution_id", sa.String(36), sa.ForeignKey("distribution.id"), primary_key=True),
        sa.Column("device_id", sa.Integer, sa.ForeignKey("device.id"), primary_key=True),
        sa.Column("current_attempt_id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), sa.ForeignKey("attempt.id"), nullable=False, unique=True),
        sa.Column("status", sa.Text, nullable=False),
        sa.CheckConstraint(one_of("status", ATTEMPT_STATES), name="status"),
        sa.Index(None, "distribution_id", "status"),
        sa.Index(None, "device_id"),
    )

    status_event = sa.Table(
        "status_event",
        metadata,
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("attempt_id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), sa.ForeignKey("attempt.id"), nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("from_status", sa.Text),
        sa.Column("to_status", sa.Text, nullable=False),
        sa.Column("accepted", sa.Boolean, nullable=False),
        sa.Column("occurred_at", UtcDateTime, nullable=False),
        sa.Column("received_at", UtcDateTime, nullable=False),
        sa.Column("code", sa.Text),
        sa.Column("detail", sa.Text),
        sa.Column("event_key", sa.Text, nullable=False, unique=True),
        sa.UniqueConstraint("attempt_id", "seq"),
    )
