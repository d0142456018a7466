# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A ticket desk over each kind of database, with the rules that a test writes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.fleetcast.core.plugins.plugin_utils._status.database import Database, open_database
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets import loading
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets.desk import Desk
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets.rules import Rules
from ansible_collections.fleetcast.core.tests.databases import database_url, postgresql  # noqa: F401 - fixtures


@pytest.fixture
def database(database_url: str) -> Database:  # noqa: F811 - the fixture
    return open_database(database_url)


@pytest.fixture
def load_rules(tmp_path: Path) -> Callable[[str], Rules]:
    """Rules from the text of a file; without centres there is one, centre@example.org."""

    def load(text: str = "") -> Rules:
        file = tmp_path / "rules.yml"
        file.write_text(text, encoding="utf-8")
        return loading.load(file, () if "centres:" in text else ("centre@example.org",))

    return load


@pytest.fixture
def make_desk(database: Database, load_rules: Callable[[str], Rules]) -> Callable[[str], Desk]:
    def make(text: str = "") -> Desk:
        return Desk(database, load_rules(text))

    return make
