# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A distribution's life in the table, on every kind of database."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from ansible_collections.fleetcast.core.plugins.plugin_utils._status import errors, run
from ansible_collections.fleetcast.core.plugins.plugin_utils._status.attempts import Report
from ansible_collections.fleetcast.core.tests.unit.plugin_utils._status.table import Table, new_play

pytestmark = pytest.mark.push

FULL_WAY = [
    (None, "pending", True, None),
    ("pending", "dispatched", True, None),
    ("dispatched", "transferring", True, None),
    ("transferring", "installing", True, None),
    ("installing", "verifying", True, None),
    ("verifying", "succeeded", True, None),
]


def test_every_host_of_a_new_distribution_is_pending(table: Table, play: run.Run) -> None:
    started = table.start(play)
    assert table.states(started.distribution_id) == {"h1": "pending", "h2": "pending", "h3": "pending"}
    assert started.attempts == {"h1": 1, "h2": 1, "h3": 1}
    assert table.events(started.distribution_id, "h1") == [(None, "pending", True, None)]


def test_a_distribution_without_hosts_is_refused(table: Table, play: run.Run) -> None:
    with pytest.raises(errors.RequestError, match="at least one host"):
        table.start(play, hosts=())
    assert table.sql("SELECT * FROM distribution") == []


def test_commands_of_single_hosts_are_kept_where_they_differ(table: Table, play: run.Run) -> None:
    common, other, third = ({"src": "/srv/a", "dest": dest} for dest in ("/opt/a", "/opt/b", "/opt/c"))
    table.start(play, of_hosts={"h1": common, "h2": other})
    distribution = table.start(play, of_hosts={"h3": third}).distribution_id
    table.retry(play, distribution, ["h1"])
    kept = table.pending()["distributions"][distribution]["commands"]
    assert kept == {**common, "of_hosts": {"h2": other, "h3": third}}


def test_states_in_between_are_walked_through_with_their_events(table: Table, play: run.Run) -> None:
    distribution = table.start(play).distribution_id
    assert table.record(play, distribution, h1="dispatched") == {}
    assert table.record(play, distribution, h1=Report("succeeded", version="1.2", bytes_multicast=10, bytes_unicast=3)) == {}
    assert table.events(distribution, "h1") == FULL_WAY
    (row,) = table.status(distribution, hosts=["h1"])["hosts"]
    assert (row["status"], row["phase"], row["version"], row["bytes_multicast"], row["bytes_unicast"]) == ("succeeded", "verifying", "1.2", 10, 3)


def test_success_of_a_host_to_which_nothing_was_dispatched_is_refused_and_kept(table: Table, play: run.Run) -> None:
    distribution = table.start(play).distribution_id
    refused = table.record(play, distribution, h1="succeeded", h2="dispatched")
    assert refused["h1"].reason == "succeeded does not follow pending"
    assert list(refused) == ["h1"]
    assert table.states(distribution) == {"h1": "pending", "h2": "dispatched", "h3": "pending"}
    assert table.events(distribution, "h1")[-1] == ("pending", "succeeded", False, None)


@pytest.mark.parametrize("late", ["transferring", "failed", "canceled"])
def test_a_terminal_state_never_changes_and_late_reports_are_kept(table: Table, play: run.Run, late: str) -> None:
    distribution = table.start(play).distribution_id
    table.record(play, distribution, h1="already_installed")
    assert table.record(play, distribution, h1=Report(late, code="late"))["h1"].current == "already_installed"
    assert table.states(distribution)["h1"] == "already_installed"
    assert table.events(distribution, "h1")[-1] == ("already_installed", late, False, "late")


def test_a_repeated_report_changes_nothing(table: Table, play: run.Run) -> None:
    distribution = table.start(play).distribution_id
    for _ in range(2):
        assert table.record(play, distribution, h1=Report("failed", code="disk_full", detail="first", bytes_multicast=5)) == {}
    assert table.record(play, distribution, h1=Report("failed", code="other", bytes_multicast=7)) == {}
    assert len(table.events(distribution, "h1")) == 3
    (row,) = table.status(distribution, hosts=["h1"])["hosts"]
    assert (row["code"], row["detail"], row["bytes_multicast"]) == ("disk_full", "first", 5)


def test_bytes_of_a_state_that_goes_on_are_brought_up_to_date(table: Table, play: run.Run) -> None:
    distribution = table.start(play).distribution_id
    table.record(play, distribution, h1=Report("transferring", bytes_multicast=5))
    table.record(play, distribution, h1=Report("transferring", bytes_multicast=9))
    assert table.status(distribution, hosts=["h1"])["hosts"][0]["bytes_multicast"] == 9


def test_unreachable_before_the_work_began_and_lost_in_the_middle_of_it(table: Table, play: run.Run) -> None:
    distribution = table.start(play).distribution_id
    table.record(play, distribution, h2="transferring")
    table.record(play, distribution, h1="unreachable", h2="unreachable")
    assert table.states(distribution) == {"h1": "unreachable", "h2": "failed", "h3": "pending"}
    assert table.events(distribution, "h2")[-1] == ("transferring", "failed", True, "unreachable")


def test_a_host_without_an_attempt_is_refused_by_name(table: Table, play: run.Run) -> None:
    distribution = table.start(play).distribution_id
    assert "no attempt" in table.record(play, distribution, stranger="dispatched")["stranger"].reason


def test_an_unknown_distribution_is_refused(table: Table, play: run.Run) -> None:
    table.start(play)
    for identifier in ("00000000", "", "%%%%%%%%%%%%", "________"):
        with pytest.raises(errors.RequestError, match="no distribution"):
            table.record(play, identifier, h1="dispatched")


def test_only_the_play_that_holds_an_attempt_may_change_it(table: Table, play: run.Run) -> None:
    distribution = table.start(play).distribution_id
    other = new_play()
    assert "another run" in table.record(other, distribution, h1="failed")["h1"].reason
    table.finish(other, distribution)
    assert set(table.states(distribution).values()) == {"pending"}


def test_a_further_batch_of_the_same_play_joins(table: Table, play: run.Run) -> None:
    first = table.start(play)
    table.record(play, first.distribution_id, h1="already_installed", h2="failed")
    second = table.start(play, hosts=("h1", "h2", "h3", "h4"))
    assert second.distribution_id == first.distribution_id and second.joined
    assert second.completed == ["h1"]
    assert second.ended == {"h2": "failed"}
    assert second.attempts == {"h3": 1, "h4": 1}
    assert table.states(first.distribution_id) == {"h1": "already_installed", "h2": "failed", "h3": "pending", "h4": "pending"}
    assert table.retry(play, first.distribution_id, ["h2"]).attempts == {"h2": 2}


def test_another_artifact_or_another_play_begins_a_distribution_of_its_own(table: Table, play: run.Run) -> None:
    first = table.start(play)
    assert table.start(play, digest="d2").distribution_id != first.distribution_id
    assert table.start(new_play()).distribution_id != first.distribution_id


def test_a_newer_distribution_supersedes_what_older_ones_left(table: Table, play: run.Run) -> None:
    older = table.start(play, hosts=("pending", "failed", "done", "working", "elsewhere")).distribution_id
    table.record(play, older, failed=Report("failed", code="disk_full"), done="already_installed", working="transferring")
    newer = table.start(new_play(), hosts=("pending", "failed", "done", "working"), digest="d2")
    assert newer.supersedes == {older: 2}
    assert table.states(older) == {
        "pending": "suppressed",
        "failed": "suppressed",
        "done": "already_installed",
        "working": "transferring",
        "elsewhere": "pending",
    }
    # The failure stays in the history; a further attempt says that nobody comes back to it.
    assert table.events(older, "failed")[-3:] == [
        ("dispatched", "failed", True, "disk_full"),
        (None, "pending", True, None),
        ("pending", "suppressed", True, "superseded"),
    ]
    # What was being worked on ends as it ends, and is older all the same.
    table.record(play, older, working="failed")
    assert [entry["distribution"] for entry in table.pending("working")["hosts"]["working"]["pending"]] == [newer.distribution_id]


def test_a_distribution_of_another_name_supersedes_nothing(table: Table, play: run.Run) -> None:
    older = table.start(play).distribution_id
    assert table.start(new_play(), name="other", digest="d2").supersedes == {}
    assert set(table.states(older).values()) == {"pending"}


def test_catch_up_begins_a_further_attempt_and_keeps_the_old_one(table: Table, play: run.Run) -> None:
    distribution = table.start(play).distribution_id
    table.record(play, distribution, h1="unreachable", h2="already_installed", h3="canceled")
    later = new_play()
    started = table.retry(later, distribution[:8], ["h1", "h2"])
    assert started.distribution_id == distribution and started.attempts == {"h1": 2} and started.completed == ["h2"]
    table.record(later, distribution, h1="transferring")
    table.record(later, distribution, h1="succeeded")
    assert table.states(distribution) == {"h1": "succeeded", "h2": "already_installed", "h3": "canceled"}
    assert [event[:2] for event in table.events(distribution, "h1")][:3] == [(None, "pending"), ("pending", "dispatched"), ("dispatched", "unreachable")]
    again = table.retry(new_play(), distribution, ["h1"])
    assert again.attempts == {} and again.completed == ["h1"]


def test_catch_up_of_a_superseded_distribution_is_refused(table: Table, play: run.Run) -> None:
    older = table.start(play).distribution_id
    table.record(play, older, h1="failed")
    table.start(play, hosts=["h1"], digest="d2")
    started = table.retry(new_play(), older, ["h1", "h2"])
    assert started.superseded == ["h1"] and "h1" not in started.attempts


def test_catch_up_leaves_a_host_alone_that_another_play_works_on(table: Table, play: run.Run) -> None:
    distribution = table.start(play).distribution_id
    started = table.retry(new_play(), distribution, ["h1"])
    assert started.attempts == {} and list(started.busy) == ["h1"]
    assert f"process {play.pid}" in started.busy["h1"]


def test_catch_up_of_a_host_that_the_distribution_did_not_have_adds_it(table: Table, play: run.Run) -> None:
    distribution = table.start(play, hosts=["h1"]).distribution_id
    assert table.retry(play, distribution, ["h9"]).attempts == {"h9": 1}
    assert table.states(distribution) == {"h1": "pending", "h9": "pending"}


def test_finish_ends_everything_by_rule_and_closes_the_distribution(table: Table, play: run.Run) -> None:
    distribution = table.start(play, hosts=("idle", "busy", "done")).distribution_id
    table.record(play, distribution, busy="installing", done="already_installed")
    table.finish(play, distribution)
    assert table.states(distribution) == {"idle": "canceled", "busy": "unknown", "done": "already_installed"}
    status = table.status(distribution)
    assert status["status"] == "finished" and status["finished_at"] is not None
    assert {row["host"]: row["code"] for row in status["hosts"]} == {"idle": "never_started", "busy": "not_finished", "done": None}


def test_finish_of_one_batch_leaves_the_others_open(table: Table, play: run.Run) -> None:
    distribution = table.start(play).distribution_id
    table.finish(play, distribution, ["h1"])
    assert table.states(distribution) == {"h1": "canceled", "h2": "pending", "h3": "pending"}
    assert table.status(distribution)["status"] == "running"


def test_two_thousand_hosts_take_a_few_statements(table: Table, play: run.Run) -> None:
    hosts = [f"host{number:04d}" for number in range(2000)]
    statements: list[str] = []
    sa.event.listen(table.database._engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
    distribution = table.start(play, hosts=hosts).distribution_id
    assert table.record_all(play, distribution, dict.fromkeys(hosts, "transferring")) == {}
    reports: dict[str, Report | str] = {host: Report("failed", code="digest_mismatch", detail=f"{host} differs") for host in hosts[:500]}
    reports |= dict.fromkeys(hosts[500:], "succeeded")
    assert table.record_all(play, distribution, reports) == {}
    assert len(statements) < 120
    states = table.states(distribution)
    assert (list(states.values()).count("failed"), list(states.values()).count("succeeded")) == (500, 1500)
    assert table.status(distribution, hosts=["host0007"])["hosts"][0]["detail"] == "host0007 differs"
