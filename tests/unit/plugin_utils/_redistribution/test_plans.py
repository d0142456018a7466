# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan is decided upon by its digest, once; and its tickets learn of it."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from ansible_collections.fleetcast.core.plugins.plugin_utils._redistribution import performances, plans
from ansible_collections.fleetcast.core.plugins.plugin_utils._redistribution.performances import Decision
from ansible_collections.fleetcast.core.plugins.plugin_utils._status import distributions, run
from ansible_collections.fleetcast.core.plugins.plugin_utils._status.attempts import Report
from ansible_collections.fleetcast.core.plugins.plugin_utils._status.database import Database
from ansible_collections.fleetcast.core.plugins.plugin_utils._status.errors import RequestError
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets import alert, loading
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets.desk import Desk
from ansible_collections.fleetcast.core.tests.unit.plugin_utils._status.table import Table, moment, new_play

pytestmark = pytest.mark.redistribution

_ANNA = Decision("anna", "terminal", "the disk was cleared")


@pytest.fixture
def distribution(table: Table) -> str:
    """A distribution that failed on h2, which depot1 was to serve."""
    play = new_play()
    started = table.start(play, of_hosts={"h2": {"sender": "depot1"}})
    table.record(play, started.distribution_id, h2="dispatched")
    table.record(play, started.distribution_id, h2=Report("failed", "task_failed", "No space left on device"))
    return started.distribution_id


@pytest.fixture
def register(database: Database, distribution: str) -> Callable[..., str]:
    """Record a plan for h2; returns its digest."""

    def make(valid_seconds: float = 3600) -> str:
        expires = (datetime.now(UTC) + timedelta(seconds=valid_seconds)).isoformat().replace("+00:00", "Z")
        values: dict[str, Any] = {"distribution": distribution, "server": "depot1", "recipients": [{"name": "h2"}], "commands": [], "expires_at": expires}
        document = json.dumps(values, sort_keys=True, separators=(",", ":"))
        digest = hashlib.sha256(document.encode()).hexdigest()
        with database.write() as connection:
            plans.register(connection, digest, document, "anna", moment())
        return digest

    return make


def _approval(database: Database, digest: str) -> dict[str, Any]:
    with database.read() as connection:
        return plans.approval(connection, digest, moment())


def _begin(database: Database, digest: str, play: run.Run, lease: int = 60) -> None:
    with database.write() as connection:
        distributions.register(connection, play, lease)
        performances.begin(connection, digest, play.id, lease, "anna", moment())


def _decide(database: Database, digest: str, status: str) -> bool:
    with database.write() as connection:
        return plans.decide(connection, digest, status, _ANNA, moment())


def test_an_approval_is_for_one_performance(database: Database, register: Callable[..., str]) -> None:
    digest = register()
    assert _approval(database, digest)["reason"] == "nobody has approved it yet"
    assert _decide(database, digest, "approved")
    assert not _decide(database, digest, "approved")
    approved = _approval(database, digest)
    assert {key: approved[key] for key in ("plan", "decision", "who", "how", "reason")} == {
        "plan": digest,
        "decision": "approved",
        **_ANNA._asdict(),
    }
    play = new_play()
    _begin(database, digest, play)
    assert _approval(database, digest)["decision"] == "none"
    with pytest.raises(RequestError, match="is running, and cannot become running"):
        _begin(database, digest, play)
    with database.write() as connection:
        assert performances.conclude(connection, performances.load(connection, digest), "anna", moment()) == ["h2"]
        (shown,) = plans.listed(connection, None, None, digest)
    assert shown["status"] == "unfinished"
    assert [step["to"] for step in shown["history"]] == ["proposed", "approved", "running", "unfinished"]
    assert shown["history"][-1]["reason"] == "not completed: h2"


def _records(table: Table) -> dict[str, str]:
    return dict(table.sql("SELECT d.name, f.status FROM failure_record f JOIN device d ON d.id = f.device_id"))


def _shown(database: Database, digest: str) -> tuple[str, str]:
    """The plan's state, and its last reason."""
    with database.read() as connection:
        (shown,) = plans.listed(connection, None, None, digest)
    return shown["status"], shown["history"][-1]["reason"]


def test_what_a_killed_play_performed_is_over_and_one_that_lives_is_left_alone(table: Table, database: Database, register: Callable[..., str]) -> None:
    first, second = register(), register(7200)
    _decide(database, first, "approved")
    _decide(database, second, "approved")
    with subprocess.Popen([sys.executable, "-c", "pass"]) as process:
        process.wait(30)
    living, killed = new_play(), replace(new_play(), pid=process.pid)

    # It was killed before anything was begun on a recipient.
    _begin(database, first, killed, lease=3600)
    assert _records(table) == {"h2": "redistributing"}
    with database.read() as connection, pytest.raises(RequestError, match="is being performed for h2 by the play of"):
        performances.refuse_beside_another(connection, performances.load(connection, second))
    table.reconcile()
    status, reason = _shown(database, first)
    assert status == "unfinished"
    assert reason.startswith("the play of ") and reason.endswith("ended before it said what came of it; not completed: h2")
    assert _records(table) == {"h2": "open"}
    with pytest.raises(RequestError, match=r"is unfinished \(the play of .* and cannot be approved any more"):
        _decide(database, first, "approved")

    _begin(database, second, living)
    table.reconcile()
    assert _shown(database, second)[0] == "running"
    assert _records(table) == {"h2": "redistributing"}


@pytest.mark.parametrize("completed", [False, True])
def test_a_performance_of_which_nothing_is_heard_ends_with_its_lease(
    table: Table, database: Database, distribution: str, register: Callable[..., str], completed: bool
) -> None:
    digest = register()
    _decide(database, digest, "approved")
    elsewhere = replace(new_play(), boot_id="another")
    _begin(database, digest, elsewhere, lease=60)
    table.retry(elsewhere, distribution, ["h2"], lease=60)
    table.record(elsewhere, distribution, at=50, h2="dispatched")
    if completed:
        table.record(elsewhere, distribution, at=50, h2="succeeded")
    table.reconcile(at=100)
    assert _shown(database, digest)[0] == "running", "every report is a sign of life"
    table.reconcile(at=120)
    status, reason = _shown(database, digest)
    assert (status, reason.rpartition("; ")[2]) == (("finished", "verified on every recipient") if completed else ("unfinished", "not completed: h2"))
    assert _records(table) == {"h1": "open", "h2": "resolved" if completed else "open", "h3": "open"}
    assert table.sql("SELECT ending FROM run WHERE boot_id = 'another'") == [("expired",)]


def test_what_was_rejected_stays_so(database: Database, register: Callable[..., str]) -> None:
    digest = register()
    assert _decide(database, digest, "rejected")
    with pytest.raises(RequestError, match="is rejected and cannot be approved any more"):
        _decide(database, digest, "approved")
    assert _approval(database, digest)["reason"] == "it was rejected by anna: the disk was cleared"


def test_an_approval_can_be_taken_back_before_it_is_used(database: Database, register: Callable[..., str]) -> None:
    digest = register()
    _decide(database, digest, "approved")
    _decide(database, digest, "rejected")
    assert _approval(database, digest)["decision"] == "none"


def test_after_its_validity_a_plan_cannot_be_approved_nor_begun(database: Database, register: Callable[..., str]) -> None:
    digest = register(-1)
    with pytest.raises(RequestError, match=r"was valid until .* and cannot be approved any more"):
        _decide(database, digest, "approved")
    assert _approval(database, digest) == {"plan": digest, "decision": "none", "reason": "its validity is over: make a new one"}


def test_a_new_plan_notes_that_older_ones_have_expired(database: Database, register: Callable[..., str]) -> None:
    old = register(-1)
    new = register()
    with database.read() as connection:
        assert {plan["plan"]: plan["status"] for plan in plans.listed(connection, None, None, None)} == {old: "expired", new: "proposed"}


def test_a_plan_that_was_changed_in_the_database_is_refused(database: Database, register: Callable[..., str]) -> None:
    digest = register()
    with database.write() as connection:
        connection.execute(sa.text("UPDATE redistribution_plan SET document = replace(document, 'h2', 'h3')"))
    with pytest.raises(RequestError, match="was changed in the database after it was made"):
        _decide(database, digest, "approved")
    with pytest.raises(RequestError, match="there is no plan"):
        _decide(database, "0" * 64, "approved")


def test_the_open_ticket_gets_the_plan(database: Database, distribution: str, register: Callable[..., str], tmp_path: Path) -> None:
    file = tmp_path / "rules.yml"
    file.write_text("thresholds: [{limit: 0}]", encoding="utf-8")
    desk = Desk(database, loading.load(file, ("centre@example.org",)))
    seen = alert.make("h2", "No space left on device", key="a", distribution=distribution, occurred_at=datetime.now(UTC))
    assert desk.take_in([seen]).opened == ["FC-1"]
    digest = register()
    assert desk.ticket(1)["plan"] == {"digest": digest, "command": f"ansible-playbook fleetcast.core.redistribute -e approved_plan={digest}"}


def test_who_is_affected_by_what(database: Database, distribution: str) -> None:
    with database.read() as connection:
        (entry,) = plans.affected(connection, None, None, resolved=False)
        assert plans.affected(connection, None, "depot2", resolved=False) == []
    assert (entry["distribution"], entry["server"], entry["name"]) == (distribution, "depot1", "app")
    (recipient,) = entry["recipients"]
    assert (recipient["host"], recipient["status"], recipient["failure_type"]) == ("h2", "open", "disk_full")
    assert [step["to"] for step in recipient["history"]] == ["open"]


def test_old_plans_are_removed_once_their_server_has_nothing_left_to_send(
    table: Table, database: Database, distribution: str, register: Callable[..., str], tmp_path: Path
) -> None:
    file = tmp_path / "rules.yml"
    file.write_text("thresholds: [{limit: 0}]", encoding="utf-8")
    desk = Desk(database, loading.load(file, ("centre@example.org",)))
    _decide(database, register(), "rejected")
    register(7200)
    later = moment() + timedelta(days=100)
    assert desk.prune(timedelta(days=90), now=later).plans == 0, "h2 still misses it"
    again = new_play()
    table.retry(again, distribution, ["h2"])
    table.record(again, distribution, h2="already_installed")
    pruned = desk.prune(timedelta(days=90), now=later)
    assert (pruned.plans, pruned.failure_records) == (2, 1)
    assert table.sql("SELECT count(*) FROM redistribution_event") == [(0,)]
