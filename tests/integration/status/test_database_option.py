# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the table stands is an option; what is wrong with it fails the task with a message, and never the listener."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from ansible_collections.fleetcast.core.tests.integration.status.project import Project, fail, reach, record, start

pytestmark = pytest.mark.push


def _hosts(file: Path) -> int:
    connection = sqlite3.connect(file)
    try:
        (count,) = connection.execute("SELECT count(*) FROM target WHERE status = 'failed'").fetchone()
        return int(count)
    finally:
        connection.close()


@pytest.mark.parametrize("way", ["environment", "extra variable", "group variable", "template"])
def test_ways_to_name_the_database(project: Project, tmp_path: Path, way: str) -> None:
    project.inventory("one")
    file = tmp_path / "elsewhere" / "table.db"
    url = f"sqlite:///{file}"
    tasks = [start(), fail("one")]
    project.write([{"hosts": "all", "gather_facts": False, "tasks": tasks}])
    if way == "environment":
        project.run("play.yml", FLEETCAST_DB_URL=url)
    elif way == "extra variable":
        project.run("play.yml", "-e", f"fleetcast_db_url={url}")
    else:
        (tmp_path / "group_vars").mkdir()
        value = url if way == "group variable" else "sqlite:///{{ place }}/table.db"
        (tmp_path / "group_vars/all.yml").write_text(f"place: {file.parent}\nfleetcast_db_url: '{value}'\n", encoding="utf-8")
        project.run("play.yml")
    # The failure was written by the listener: it found the same database as the action.
    assert _hosts(file) == 1
    assert not project.file.exists()


def test_the_password_is_nowhere(project: Project) -> None:
    project.inventory("one")
    project.write([{"hosts": "all", "gather_facts": False, "tasks": [start()]}])
    play = project.run("play.yml", "-vvv", FLEETCAST_DB_URL="postgresql://fleet:geheim@127.0.0.1:1/status")
    assert play.returncode == 2
    assert "fleet:***@127.0.0.1:1/status cannot be used" in play.stdout
    assert "geheim" not in play.stdout + play.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"no database at all, but long enough to be looked at " * 50, "damaged or no SQLite database"), (None, "made by a newer fleetcast.core")],
)
def test_a_database_that_cannot_be_used_fails_the_task_and_not_the_listener(project: Project, content: bytes | None, message: str) -> None:
    project.inventory("one", "two")
    if content is None:
        project.play(start())
        connection = sqlite3.connect(project.file)
        connection.execute("UPDATE fleetcast_schema_version SET version_num = '9999'")
        connection.commit()
        connection.close()
    else:
        project.file.parent.mkdir(parents=True)
        project.file.write_bytes(content)
    play = project.play(start(), name="second.yml")
    assert play.returncode == 2
    assert message in play.stdout
    assert "exception" not in (play.stdout + play.stderr).lower()
    shown = project.run("fleetcast.core.status")
    assert shown.returncode == 2 and message in shown.stdout


def test_a_table_that_goes_away_during_the_play_does_not_end_it(project: Project) -> None:
    """The listener cannot write; it says so once, the play goes on, and the next play settles what is open."""
    project.inventory("one", "two", "three")
    hidden = project.file.parent.with_name("hidden")
    away = {"name": "Away", "ansible.builtin.command": {"cmd": f"mv {project.file.parent} {hidden}"}, "run_once": True, "changed_when": False}
    block = {"name": "Block", "ansible.builtin.copy": {"dest": str(project.file.parent), "content": "in the way", "mode": "0600"}, "run_once": True}
    play = project.play(start(), record("dispatched"), away, block, fail("one"), fail("two"), reach())
    assert play.returncode == 2
    assert "three                      : ok=1" in play.stdout
    output = play.stdout + play.stderr
    assert output.count("distribution_status: the status table") == 2, "once when it happens, once at the end"
    project.file.parent.unlink()
    hidden.rename(project.file.parent)
    assert set(project.states().values()) == {"dispatched"}
    project.play(start(name="other"), name="second.yml")
    assert project.sql("SELECT DISTINCT a.code FROM attempt a JOIN distribution d ON d.id = a.distribution_id WHERE d.name = 'app'") == [("run_died",)]
