# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays on local connections, with a status table of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.fleetcast.core.tests.databases import database_url, postgresql  # noqa: F401 - fixtures
from ansible_collections.fleetcast.core.tests.integration.status.project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project whose status table is in the default place."""
    return Project(tmp_path)


@pytest.fixture
def project_on_any_database(tmp_path: Path, database_url: str) -> Project:  # noqa: F811 - the fixture
    """A project whose status table is in a database of each kind."""
    return Project(tmp_path, database_url)
