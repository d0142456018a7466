# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory plugin: groups by rows of the status table, in ansible-inventory and for --limit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from ansible_collections.fleetcast.core.tests.databases import postgresql_is_further

from .project import Project, fail, reach, start

pytestmark = pytest.mark.push

_PLUGIN = "fleetcast.core.distribution_status"


def source(project: Project, **options: str) -> list[str]:
    """Make a source of the plugin in the project; the arguments that name it after the one that has the hosts."""
    (project.directory / "zz_status.yml").write_text(yaml.safe_dump({"plugin": _PLUGIN, **options}), encoding="utf-8")
    return ["-i", "zz_status.yml"]


def listed(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = str(Path(sys.executable).with_name("ansible-inventory"))
    return subprocess.run(
        [program, "-i", "hosts", *arguments], capture_output=True, text=True, timeout=60, cwd=project.directory, env=project.environment(), check=False
    )


@postgresql_is_further
def test_groups_by_state_and_for_limit(project_on_any_database: Project) -> None:
    project = project_on_any_database
    project.inventory("h1", "h2", "dark1")
    status = source(project)
    before = listed(project, *status, "--graph", "status_not_completed")
    assert before.returncode == 0, before.stderr
    assert before.stdout == "@status_not_completed:\n"
    assert "WARNING" not in before.stderr

    project.play(start(), fail("h2"), reach())
    graph = listed(project, *status, "--graph")
    assert "|--@status_failed:\n  |  |--h2\n" in graph.stdout, graph.stdout + graph.stderr
    data = json.loads(listed(project, *status, "--list").stdout)
    assert data["status_not_completed"]["hosts"] == ["dark1", "h1", "h2"]
    assert data["status_of_app_unreachable"]["hosts"] == ["dark1"]
    row = data["_meta"]["hostvars"]["h2"]["distribution_status"]["app"]
    # Text of the table is data, which Ansible must not take for a template.
    assert (row["status"], row["code"], row["attempt"]) == ({"__ansible_unsafe": "failed"}, {"__ansible_unsafe": "task_failed"}, 1)
    assert "broken on h2" in row["detail"]["__ansible_unsafe"]

    project.write([{"hosts": "all", "gather_facts": False, "tasks": [reach()]}], "again.yml")
    limited = project.run(*status, "again.yml", "--limit", "status_failed")
    assert limited.returncode == 0, limited.stdout + limited.stderr
    assert "ok: [h2]" in limited.stdout
    assert "h1" not in limited.stdout


def test_hosts_that_only_the_table_knows_are_not_added(project: Project) -> None:
    project.inventory("h1", "h2")
    project.play(start())
    project.inventory("h1")
    data = json.loads(listed(project, *source(project, prefix="fleet"), "--list").stdout)
    assert data["fleet_not_completed"]["hosts"] == ["h1"]
    assert set(data["_meta"]["hostvars"]) == {"h1"}


def test_a_table_that_cannot_be_used_is_said(project: Project) -> None:
    project.inventory("h1")
    project.file.parent.mkdir(parents=True)
    project.file.write_bytes(b"no database at all, but long enough to be looked at as one" * 40)
    answer = listed(project, *source(project), "--graph")
    assert "is damaged or no SQLite database" in " ".join(answer.stderr.split())
    assert "|--h1" in answer.stdout


def test_a_database_of_its_own(project: Project, tmp_path: Path) -> None:
    project.inventory("h1")
    project.play(start())
    elsewhere = source(project, db_url=f"sqlite:///{tmp_path}/other.db")
    assert listed(project, *elsewhere, "--graph", "status_not_completed").stdout == "@status_not_completed:\n"
    assert not (tmp_path / "other.db").exists()
    here = source(project, db_url="{{ 'sqlite:///' + '" + str(project.file) + "' }}")
    assert "h1" in listed(project, *here, "--graph", "status_not_completed").stdout
