# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A play that is killed half way leaves rows that the next play ends as unknown."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from ansible_collections.fleetcast.core.tests.integration.status.project import Project, fail, record, save, start

pytestmark = pytest.mark.push

_WAIT_SECONDS = 60


def _killed_in_the_middle(project: Project, how: signal.Signals) -> int:
    """Run a play until it says that it is in its middle, and end it with the signal; its exit status."""
    middle = project.directory / "middle"
    linger = {"name": "Linger", "ansible.builtin.shell": {"cmd": f"touch {middle}; exec sleep 30"}, "changed_when": False, "run_once": True}
    project.write([{"hosts": "all", "gather_facts": False, "tasks": [start(), record("transferring", "['one']"), fail("two"), linger]}], "killed.yml")
    play = subprocess.Popen(
        project.command("killed.yml"),
        cwd=project.directory,
        env=project.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + _WAIT_SECONDS
        while not middle.exists():
            assert play.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        play.send_signal(how)
        return play.wait(_WAIT_SECONDS)
    finally:
        _end_what_sleeps(project.directory)


def _end_what_sleeps(directory: Path) -> None:
    """End the processes that a killed play leaves: those whose working directory or command is this test's."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                belongs = (entry / "cwd").readlink() == directory and b"sleep" in (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if belongs:
                with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
                    os.kill(int(entry.name), signal.SIGKILL)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.further)])
def test_what_a_killed_play_left_is_unknown_after_the_next(project_on_any_database: Project, how: signal.Signals) -> None:
    project = project_on_any_database
    project.inventory("one", "two", "three")
    assert _killed_in_the_middle(project, how) != 0
    assert project.states() == {"one": "transferring", "three": "pending", "two": "pending"}
    assert project.ended()["two"] == ("pending", "task_failed", "Fail on two: broken on two"), "recorded at once"

    assert project.play(start(name="other")).returncode == 0
    rows = project.sql(
        "SELECT v.name, a.status, a.code, a.detail FROM attempt a JOIN device v ON v.id = a.device_id JOIN distribution d ON d.id = a.distribution_id "
        "WHERE d.name = 'app' ORDER BY v.name"
    )
    assert [row[:3] for row in rows] == [("one", "unknown", "run_died"), ("three", "unknown", "run_died"), ("two", "unknown", "run_died")]
    assert rows[2][3].endswith("seen last: Fail on two: broken on two")
    assert sorted(project.sql("SELECT ending FROM run")) == [("died",), ("finished",)]
    assert project.sql("SELECT status FROM distribution WHERE name = 'app'") == [("finished",)]


def test_the_status_shows_a_killed_play_as_unknown_at_once(project: Project) -> None:
    project.inventory("one", "two", "three")
    _killed_in_the_middle(project, signal.SIGKILL)
    shown = project.run("fleetcast.core.status")
    assert shown.returncode == 0
    assert "unknown                 3  100.0 %" in shown.stdout
    assert project.states()["one"] == "transferring", "reading changes nothing"


def test_a_catch_up_after_a_killed_play(project: Project) -> None:
    project.inventory("one", "two", "three")
    _killed_in_the_middle(project, signal.SIGKILL)
    again = {
        "name": "Again",
        "fleetcast.core.distribution_start": {"distribution": "{{ left.hosts.one.pending[0].distribution }}", "hosts": ["one", "two"]},
        "register": "begun",
        "run_once": True,
    }
    look = {"name": "Look", "fleetcast.core.distribution_pending_info": {"hosts": ["one"]}, "register": "left", "run_once": True}
    play = project.play(look, again, record("dispatched", "['one', 'two']"), record("succeeded", "['one', 'two']"), save("begun.json", "begun"))
    assert play.returncode == 0, play.stdout
    assert project.states() == {"one": "succeeded", "three": "unknown", "two": "succeeded"}
    assert project.sql("SELECT count(*) FROM attempt") == [(5,)]
