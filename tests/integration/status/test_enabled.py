# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Without the callback nothing is begun, and the message says what to write where."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.fleetcast.core.tests.integration.status.project import Project, start

pytestmark = pytest.mark.push


def _message(output: str) -> str:
    return " ".join(output.replace("\\n", " ").split())


def test_the_file_and_the_line_are_named(tmp_path: Path) -> None:
    project = Project(tmp_path, enabled=False)
    project.inventory("one")
    play = project.play(start())
    assert play.returncode == 2
    assert "callback fleetcast.core.distribution_status is not enabled" in play.stdout
    wanted = f"put the line callbacks_enabled = fleetcast.core.distribution_status into the section [defaults] of {tmp_path}/ansible.cfg"
    assert wanted in _message(play.stdout)
    assert not project.file.exists()


def test_what_the_message_says_works(tmp_path: Path) -> None:
    project = Project(tmp_path, enabled=False)
    project.inventory("one")
    project.play(start())
    file = tmp_path / "ansible.cfg"
    line = "callbacks_enabled = fleetcast.core.distribution_status"
    file.write_text(file.read_text(encoding="utf-8").replace("[defaults]", f"[defaults]\n{line}"), encoding="utf-8")
    assert project.run("play.yml").returncode == 0


def test_callbacks_that_are_enabled_already_are_kept(tmp_path: Path) -> None:
    project = Project(tmp_path, enabled=False)
    project.inventory("one")
    file = tmp_path / "ansible.cfg"
    file.write_text(file.read_text(encoding="utf-8").replace("[defaults]", "[defaults]\ncallbacks_enabled = ansible.builtin.tree"), encoding="utf-8")
    assert "callbacks_enabled = ansible.builtin.tree,fleetcast.core.distribution_status" in _message(project.play(start()).stdout)


def test_an_environment_that_wins_over_the_file_is_named(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.inventory("one")
    project.write([{"hosts": "all", "gather_facts": False, "tasks": [start()]}])
    play = project.run("play.yml", ANSIBLE_CALLBACKS_ENABLED="ansible.builtin.tree")
    assert "ANSIBLE_CALLBACKS_ENABLED=ansible.builtin.tree,fleetcast.core.distribution_status" in _message(play.stdout)
    assert project.run("play.yml", ANSIBLE_CALLBACKS_ENABLED="fleetcast.core.distribution_status").returncode == 0
