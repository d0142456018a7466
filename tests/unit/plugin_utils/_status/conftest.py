# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A status table in each kind of database, and plays that use it."""

from __future__ import annotations

import pytest
from ansible_collections.fleetcast.core.plugins.plugin_utils._status import run
from ansible_collections.fleetcast.core.plugins.plugin_utils._status.database import Database, open_database
from ansible_collections.fleetcast.core.tests.databases import database_url, postgresql  # noqa: F401 - fixtures
from ansible_collections.fleetcast.core.tests.unit.plugin_utils._status.table import Table, new_play


@pytest.fixture
def database(database_url: str) -> Database:  # noqa: F811 - the fixture
    return open_database(database_url)


@pytest.fixture
def table(database: Database) -> Table:
    return Table(database)


@pytest.fixture
def play() -> run.Run:
    return new_play()
