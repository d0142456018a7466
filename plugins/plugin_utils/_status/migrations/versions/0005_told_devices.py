# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which devices of a ticket a mail has told of."""

from __future__ import annotations

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    # Imported here: a controller without these packages must still be able to import the file.
    import sqlalchemy as sa
    from alembic import op

    # Tickets that are there have had mails, which did not mark anything as new.
    op.add_column("ticket_device", sa.Column("told", sa.Boolean(), nullable=False, server_default=sa.true()))
