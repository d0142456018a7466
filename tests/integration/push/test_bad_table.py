# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A status table that cannot be used, a callback that is not enabled, hosts that nobody knows."""

from __future__ import annotations

import sqlite3

import pytest
from ansible_collections.fleetcast.core.tests.integration.push.project import ROOT, Project

pytestmark = [pytest.mark.push, pytest.mark.lab, pytest.mark.timeout(400)]

_LIMIT = ("--limit", "host1")


def _nothing_arrived(project: Project) -> None:
    assert project.listing("host1") == []


def test_the_push_refuses_when_the_callback_is_not_enabled(project: Project) -> None:
    config = project.directory / "ansible.cfg"
    config.write_text(f"[defaults]\ncollections_path = {ROOT / 'build/collections'}\n", encoding="utf-8")
    project.environment["ANSIBLE_CONFIG"] = str(config)
    played = project.push(project.file(), *_LIMIT)
    assert played.status != 0
    assert "the callback fleetcast.core.distribution_status is not enabled" in played.said
    assert "callbacks_enabled = fleetcast.core.distribution_status" in played.said, "the way out"
    assert str(config) in played.said
    _nothing_arrived(project)


def test_hosts_that_inventory_or_table_do_not_know(project: Project) -> None:
    project.push(project.file(), *_LIMIT).done()
    played = project.catch_up("host2").done()
    assert "the status table has nothing for: host2" in played.said
    assert played.changed() == set()

    # One that neither knows.
    played = project.catch_up("hsot1")
    assert played.status != 0
    assert "hsot1 is not a host of this inventory nor of the status table: check its spelling" in played.said

    # One that the table knows, but not this inventory.
    connection = sqlite3.connect(project.database)
    with connection:
        connection.execute("INSERT INTO device (name, created_at) VALUES ('gone7', '2026-01-01 00:00:00.000000')")
    connection.close()
    played = project.catch_up("gone7")
    assert played.status != 0
    assert "the status table knows it: give the inventory that it belongs to" in played.said


def test_catch_up_without_a_table(project: Project) -> None:
    played = project.catch_up("host1")
    assert "nothing" in played.said or "no status table" in played.said, played.output
    assert played.changed() == set()
    assert not project.database.exists(), "reading makes none"


@pytest.mark.further
def test_a_table_that_is_locked_and_one_that_a_newer_collection_made(project: Project) -> None:
    project.push(project.file(), *_LIMIT).done()
    (version,) = project.sql("SELECT version_num FROM fleetcast_schema_version")
    connection = sqlite3.connect(project.database, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        played = project.push(project.file("other.bin", seed=2), *_LIMIT)
    finally:
        connection.execute("ROLLBACK")
        connection.close()
    assert played.status != 0
    assert f"{project.database} has been locked by another process" in played.said
    assert project.listing("host1") == ["file.bin"]

    connection = sqlite3.connect(project.database)
    with connection:
        connection.execute("UPDATE fleetcast_schema_version SET version_num = '9999'")
    for played in (project.push(project.file("other.bin", seed=2), *_LIMIT), project.catch_up("host1")):
        assert played.status != 0
        assert "has schema version 9999, made by a newer fleetcast.core" in played.said
        assert "Update the collection on this controller" in played.said
    assert project.listing("host1") == ["file.bin"]

    # Neither has left anything in the way.
    with connection:
        connection.execute("UPDATE fleetcast_schema_version SET version_num = ?", version)
    connection.close()
    project.push(project.file("other.bin", seed=2), *_LIMIT).done()


def test_a_table_that_cannot_be_made(project: Project) -> None:
    project.environment["FLEETCAST_DB_URL"] = f"sqlite:////proc/{project.directory.name}/status.db"
    played = project.push(project.file(), *_LIMIT)
    assert played.status != 0
    assert f"/proc/{project.directory.name}" in played.said
    assert "cannot be made" in played.said
    _nothing_arrived(project)


def test_a_table_that_is_no_database(project: Project) -> None:
    project.database.write_text("shopping list\n" * 100, encoding="utf-8")
    played = project.push(project.file(), *_LIMIT)
    assert played.status != 0
    assert f"{project.database} is damaged or no SQLite database" in played.said
    assert project.database.read_text(encoding="utf-8").startswith("shopping list")
    _nothing_arrived(project)
