# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which run performs a redistribution plan, and until when the table waits to hear of it."""

from __future__ import annotations

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    # Imported here: a controller without these packages must still be able to import the file.
    import sqlalchemy as sa
    from alembic import op

    # SQLite adds a column with its foreign key, but no foreign key to a column that is there: so this is no `op.add_column`.
    op.execute("ALTER TABLE redistribution_plan ADD COLUMN run_id VARCHAR(36) CONSTRAINT fk_redistribution_plan_run_id_run REFERENCES run (id)")
    op.add_column("redistribution_plan", sa.Column("lease_expires_at", sa.DateTime(timezone=True)))
    op.create_index("ix_redistribution_plan_status", "redistribution_plan", ["status"])
