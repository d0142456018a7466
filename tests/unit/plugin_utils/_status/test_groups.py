# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups of hosts by their rows."""

from __future__ import annotations

import pytest
from ansible_collections.fleetcast.core.plugins.plugin_utils._status import groups, run, states
from ansible_collections.fleetcast.core.plugins.plugin_utils._status.attempts import Report
from ansible_collections.fleetcast.core.tests.unit.plugin_utils._status.table import Table, new_play

pytestmark = pytest.mark.push


def grouped(table: Table, prefix: str = "status") -> groups.Grouped:
    with table.database.read() as connection:
        return groups.grouped(groups.newest_rows(connection), prefix)


def filled(found: groups.Grouped) -> dict[str, set[str]]:
    return {name: hosts for name, hosts in found.groups.items() if hosts}


def test_an_empty_table_has_all_groups_and_no_hosts(table: Table) -> None:
    found = grouped(table)
    assert filled(found) == {}
    assert set(found.groups) == {f"status_{word}" for word in (*states.ATTEMPT_STATES, "completed", "not_completed", "catch_up")}


def test_the_newest_distribution_and_the_newest_of_each_name(table: Table, play: run.Run) -> None:
    older = table.start(play, hosts=["h1", "h2", "h3"], name="app", digest="d1").distribution_id
    table.record(play, older, h1="already_installed", h2=Report("failed", code="disk_full", detail="No space"), h3="transferring")
    other = table.start(new_play(), hosts=["h2", "h4"], name="my-tool", digest="d2")
    assert filled(grouped(table)) == {
        "status_pending": {"h2", "h4"},
        "status_not_completed": {"h2", "h4"},
        "status_of_app_already_installed": {"h1"},
        "status_of_app_completed": {"h1"},
        "status_of_app_failed": {"h2"},
        "status_of_app_transferring": {"h3"},
        "status_of_app_not_completed": {"h2", "h3"},
        "status_of_my_tool_pending": {"h2", "h4"},
        "status_of_my_tool_not_completed": {"h2", "h4"},
        "status_catch_up": {"h2", "h3", "h4"},
    }
    assert grouped(table).rows["h2"] == {
        "app": {"distribution": older, "status": "failed", "attempt": 1, "code": "disk_full", "detail": "No space"},
        "my-tool": {"distribution": other.distribution_id, "status": "pending", "attempt": 1, "code": None, "detail": None},
    }


def test_a_newer_distribution_of_the_name_counts_where_it_has_the_host(table: Table, play: run.Run) -> None:
    older = table.start(play, hosts=["h1", "h2"], digest="d1").distribution_id
    table.record(play, older, h1="transferring", h2="already_installed")
    table.record(play, older, h1="failed")
    again = new_play()
    newer = table.start(again, hosts=["h1"], digest="d2").distribution_id
    table.record(again, newer, h1="already_installed")
    found = filled(grouped(table))
    assert found["status_of_app_completed"] == {"h1", "h2"}
    assert found["status_completed"] == {"h1"}
    assert not {"status_of_app_failed", "status_of_app_suppressed", "status_catch_up"} & set(found)


def test_another_prefix(table: Table, play: run.Run) -> None:
    table.start(play, hosts=["h1"])
    assert filled(grouped(table, "fleet"))["fleet_of_app_pending"] == {"h1"}
    assert filled(grouped(table, ""))["pending"] == {"h1"}
