# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A failure record arises with the failed attempt and ends with the verified one; what was in between stays."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fleetcast.core.plugins.plugin_utils._redistribution import classifying, failures
from ansible_collections.fleetcast.core.plugins.plugin_utils._status import run
from ansible_collections.fleetcast.core.plugins.plugin_utils._status.attempts import Report
from ansible_collections.fleetcast.core.plugins.plugin_utils._status.database import Database
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets import alert, loading
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets.desk import Desk
from ansible_collections.fleetcast.core.tests.unit.plugin_utils._status.table import Table, moment, new_play

pytestmark = pytest.mark.redistribution


def _records(table: Table) -> dict[str, tuple[Any, ...]]:
    rows = table.sql("SELECT d.name, f.status, f.failure_type, f.server, f.text, f.ticket_id FROM failure_record f JOIN device d ON d.id = f.device_id")
    return {name: tuple(rest) for name, *rest in rows}


def _history(table: Table, host: str) -> list[tuple[str | None, str, str]]:
    return [
        tuple(row)
        for row in table.sql(
            "SELECT e.from_status, e.to_status, e.reason FROM failure_event e JOIN failure_record f ON f.id = e.failure_id "
            "JOIN device d ON d.id = f.device_id WHERE d.name = :host ORDER BY e.seq",
            host=host,
        )
    ]


def _failed(table: Table, play: run.Run) -> str:
    """A distribution that h2 missed for want of space, and h3 because it was off."""
    started = table.start(play, of_hosts={"h2": {"sender": "depot1"}, "h3": {"sender": "depot2"}})
    table.record(
        play,
        started.distribution_id,
        h1="dispatched",
        h2=Report("dispatched"),
        h3=Report("dispatched"),
    )
    table.record(
        play,
        started.distribution_id,
        h1="succeeded",
        h2=Report("failed", "task_failed", "Place: No space left on device"),
        h3=Report("unreachable", "unreachable", "ssh: connect to host h3 port 22: No route to host"),
    )
    return started.distribution_id


def test_a_record_says_what_failed_where_and_who_was_to_send_it(table: Table) -> None:
    _failed(table, new_play())
    assert _records(table) == {
        "h2": ("open", "disk_full", "depot1", "Place: No space left on device", None),
        "h3": ("open", "unreachable_timeout", "depot2", "ssh: connect to host h3 port 22: No route to host", None),
    }
    assert _history(table, "h2") == [(None, "open", "failed: Place: No space left on device")]


def test_a_verified_attempt_resolves_it_and_the_history_stays(table: Table) -> None:
    distribution = _failed(table, new_play())
    again = new_play()
    table.retry(again, distribution, ["h2", "h3"])
    with table.database.write() as connection:
        assert failures.begin(connection, distribution, ["h1", "h2", "h3"], "d" * 64, moment()) == ["h2", "h3"]
    assert {status for status, *_ in _records(table).values()} == {"redistributing"}
    table.record(again, distribution, h2="dispatched", h3="dispatched")
    table.record(again, distribution, h2="succeeded", h3=Report("failed", "task_failed", "hash sum mismatch"))
    assert _records(table)["h2"][0] == "resolved"
    assert _records(table)["h3"][:2] == ("open", "digest_mismatch")
    assert [step[:2] for step in _history(table, "h2")] == [(None, "open"), ("open", "redistributing"), ("redistributing", "resolved")]
    assert [step[:2] for step in _history(table, "h3")] == [(None, "open"), ("open", "redistributing"), ("redistributing", "open")]
    assert table.sql("SELECT count(*) FROM failure_record WHERE status = 'resolved' AND resolved_by_attempt IS NOT NULL AND resolved_at IS NOT NULL") == [(1,)]


def test_a_catch_up_resolves_it_too(table: Table) -> None:
    distribution = _failed(table, new_play())
    again = new_play()
    table.retry(again, distribution, ["h3"])
    table.record(again, distribution, h3="already_installed")
    assert _records(table)["h3"][0] == "resolved"
    assert _history(table, "h3")[-1] == ("open", "resolved", "the recipient was found to have it")


def test_a_newer_distribution_takes_over(table: Table) -> None:
    _failed(table, new_play())
    table.start(new_play(), hosts=["h2"], digest="d2")
    assert _records(table)["h2"][0] == "resolved"
    assert _history(table, "h2")[-1][2] == "a newer distribution of the same name took over"
    assert _records(table)["h3"][0] == "open"


def test_a_play_that_died_leaves_records_of_all_that_it_had_in_hand(table: Table) -> None:
    play = new_play()
    started = table.start(play, hosts=["a", "b"], lease=10)
    table.record(play, started.distribution_id, a="transferring")
    table.reconcile(at=60)
    records = _records(table)
    assert {host: record[:1] + record[2:3] for host, record in records.items()} == {"a": ("open", "localhost"), "b": ("open", "localhost")}
    assert "nothing was heard of the play" in records["a"][3]


def test_what_fails_again_keeps_one_record(table: Table) -> None:
    distribution = _failed(table, new_play())
    again = new_play()
    table.retry(again, distribution, ["h2"])
    table.record(again, distribution, h2="dispatched")
    table.record(again, distribution, h2=Report("failed", "task_failed", "Permission denied"))
    assert _records(table)["h2"][:2] == ("open", "permission")
    assert [step[:2] for step in _history(table, "h2")] == [(None, "open"), ("open", "open")]


def test_the_record_is_in_the_transaction_of_the_attempt(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    play = new_play()
    started = table.start(play, hosts=["a"])
    table.record(play, started.distribution_id, a="dispatched")

    def broken(*_: Any) -> None:
        raise RuntimeError("no record")

    monkeypatch.setattr(failures, "link_tickets", broken)
    with pytest.raises(RuntimeError, match="no record"):
        table.record(play, started.distribution_id, a="failed")
    assert table.states(started.distribution_id) == {"a": "dispatched"}
    assert _records(table) == {}


def test_a_job_ticket_makes_it_ticketed_whichever_comes_first(table: Table, database: Database, tmp_path: Path) -> None:
    file = tmp_path / "rules.yml"
    file.write_text("thresholds: [{limit: 0}]", encoding="utf-8")
    desk = Desk(database, loading.load(file, ("centre@example.org",)))
    play = new_play()
    distribution = _failed(table, play)

    def seen(host: str, text: str) -> alert.Alert:
        return alert.make(host, text, key=host, origin={"run": play.id}, occurred_at=datetime.now(UTC))

    assert desk.take_in([seen("h2", "Permission denied")]).opened == ["FC-1"]
    status, failure_type, *_rest, ticket = _records(table)["h2"]
    assert (status, ticket) == ("ticketed", 1)
    # The ticket has seen the result itself, the record only its text.
    assert failure_type == "permission"
    assert _history(table, "h2")[-1] == ("open", "ticketed", "job ticket FC-1")
    assert _records(table)["h3"][0] == "open"
    # The ticket is there before the table knows how the attempt ended.
    later = new_play()
    started = table.start(later, hosts=["h9"], name="other")
    table.record(later, started.distribution_id, h9="dispatched")
    late = alert.make("h9", "No space left on device", key="late", origin={"run": later.id}, occurred_at=datetime.now(UTC))
    assert desk.take_in([late]).opened == ["FC-2"]
    table.record(later, started.distribution_id, h9=Report("failed", "task_failed", "No space left on device"))
    assert _records(table)["h9"][0] == "ticketed"
    # A redistribution that does not help leaves the ticket what it was.
    again = new_play()
    table.retry(again, distribution, ["h2"])
    with table.database.write() as connection:
        failures.begin(connection, distribution, ["h2"], "d" * 64, moment())
    table.record(again, distribution, h2="dispatched")
    table.record(again, distribution, h2="failed")
    assert _records(table)["h2"][0] == "ticketed"


def test_the_users_failure_types_go_first(table: Table, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "rules.yml"
    file.write_text("failure_types: [{type: attic_full, message: 'no space left'}]", encoding="utf-8")
    monkeypatch.setattr(classifying, "patterns", lambda: loading.load_patterns(file))
    _failed(table, new_play())
    assert _records(table)["h2"][1] == "attic_full"
    assert _records(table)["h3"][1] == "unreachable_timeout"


def test_records_without_an_outcome_are_given_back(table: Table) -> None:
    distribution = _failed(table, new_play())
    with table.database.write() as connection:
        failures.begin(connection, distribution, ["h2", "h3"], "d" * 64, moment())
    table.retry(new_play(), distribution, ["h3"])
    with table.database.write() as connection:
        failures.give_back(connection, distribution, ["h3"], "another play ended", moment())
    assert _records(table)["h2"][0] == "redistributing"
    with table.database.write() as connection:
        failures.give_back(connection, distribution, ["h2", "h3"], "the play ended", moment())
    assert _records(table)["h2"][0] == "open"
    assert _records(table)["h3"][0] == "redistributing"
