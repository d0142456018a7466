# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the table concludes by itself, from what is really there: processes, leases."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
from ansible_collections.fleetcast.core.plugins.plugin_utils._status import run
from ansible_collections.fleetcast.core.plugins.plugin_utils._status.attempts import Report
from ansible_collections.fleetcast.core.tests.unit.plugin_utils._status.table import Table, new_play

pytestmark = pytest.mark.push


def _dead_process() -> int:
    """Number of a process that has just ended."""
    with subprocess.Popen([sys.executable, "-c", "pass"]) as process:
        process.wait(30)
        return process.pid


def test_a_play_whose_process_is_gone_leaves_unknown(table: Table, play: run.Run) -> None:
    dead = replace(play, pid=_dead_process())
    distribution = table.start(dead, lease=3600).distribution_id
    table.record(dead, distribution, h1="transferring", h2="already_installed")
    assert table.reconcile() == 2
    assert table.states(distribution) == {"h1": "unknown", "h2": "already_installed", "h3": "unknown"}
    assert table.status(distribution)["status"] == "finished"
    assert table.sql("SELECT ending FROM run") == [("died",)]
    assert table.reconcile() == 0


def test_a_later_process_with_the_same_number_is_not_taken_for_the_play(table: Table, play: run.Run) -> None:
    assert play.process_started is not None
    distribution = table.start(replace(play, process_started=play.process_started - 1)).distribution_id
    table.reconcile()
    assert set(table.states(distribution).values()) == {"unknown"}


@pytest.mark.parametrize("elsewhere", ["boot_id", "pid_namespace"])
def test_a_play_on_another_machine_or_in_another_container_is_given_its_lease(table: Table, play: run.Run, elsewhere: str) -> None:
    gone = replace(play, pid=_dead_process())
    other = replace(gone, boot_id="another") if elsewhere == "boot_id" else replace(gone, pid_namespace="another")
    distribution = table.start(other, lease=60).distribution_id
    assert table.reconcile(at=50) == 0
    assert table.reconcile(at=70) == 3
    assert {row["code"] for row in table.status(distribution)["hosts"]} == {"lease_expired"}
    assert table.sql("SELECT ending FROM run") == [("expired",)]


def test_a_play_that_reports_keeps_all_its_leases(table: Table, play: run.Run) -> None:
    distribution = table.start(play, lease=60).distribution_id
    table.record(play, distribution, at=50, h1="dispatched")
    assert table.reconcile(at=100) == 0
    assert table.reconcile(at=120) == 3


def test_a_report_after_the_lease_is_refused_and_kept(table: Table, play: run.Run) -> None:
    distribution = table.start(play, lease=60).distribution_id
    table.reconcile(at=100)
    assert table.record(play, distribution, h1=Report("dispatched", code="late"))["h1"].current == "unknown"
    assert table.events(distribution, "h1")[-1] == ("unknown", "dispatched", False, "late")


def test_the_next_start_reconciles_and_takes_over(table: Table, play: run.Run) -> None:
    distribution = table.start(replace(play, pid=_dead_process()), lease=3600).distribution_id
    started = table.retry(new_play(), distribution, ["h1", "h2", "h3"])
    assert started.reconciled == 3 and started.busy == {} and started.attempts == {"h1": 2, "h2": 2, "h3": 2}
