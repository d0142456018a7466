# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alembic runs this for each command: over the connection that the caller has open, within the caller's transaction."""

from __future__ import annotations


def run() -> None:
    # Imported here, because only Alembic runs this file, and a controller without Alembic must still be able to import it.
    from alembic import context

    settings = context.config.attributes
    context.configure(
        connection=settings["connection"],
        target_metadata=settings["metadata"],
        version_table=settings["version_table"],
        # SQLite cannot alter a column in place; in batch mode Alembic copies the table.
        render_as_batch=settings["connection"].dialect.name == "sqlite",
    )
    with context.begin_transaction():
        context.run_migrations()


# The name under which Alembic loads this file; under any other it is only being looked at.
if __name__ == "env_py":
    run()
