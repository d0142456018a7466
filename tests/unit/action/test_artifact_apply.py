# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays through ansible-playbook on the local connection: the controller's half of artifact_apply, and the documented examples as they stand."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.fleetcast.core.tests.unit.action.play import ROOT, Ansible

pytestmark = pytest.mark.push


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "tool.bin"
    path.write_bytes(os.urandom(300_000))
    return path


def tasks_for(source: Path, dest: str, **options: Any) -> list[dict[str, Any]]:
    return [
        {"name": "digest", "fleetcast.core.artifact_info": {"src": str(source)}, "register": "artifact"},
        {
            "name": "ask",
            "fleetcast.core.artifact_missing_info": {"manifest": "{{ artifact.manifest }}", "dest": dest},
            "register": "lacking",
        },
        {
            "name": "cut",
            "fleetcast.core.artifact_extract": {
                "src": str(source), "manifest": "{{ artifact.manifest }}", "ranges": "{{ lacking.missing }}", "dest": "{{ playbook_dir }}/patch",
            },
            "when": "lacking.missing_bytes > 0",
        },
        {
            "name": "apply",
            "fleetcast.core.artifact_apply": {"src": "{{ playbook_dir }}/patch", "manifest": "{{ artifact.manifest }}", "dest": dest, **options},
        },
    ]  # fmt: skip


def test_bytes_move_once(ansible: Ansible, source: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    first = ansible.play(tasks_for(source, f"{tmp_path}/out/", mode="0640"))["apply"]
    assert (first["changed"], first["complete"], first["bytes_received"]) == (True, True, 300_000)
    assert first["bytes_sent"] == (tmp_path / "patch").stat().st_size
    assert (tmp_path / "out" / "tool.bin").read_bytes() == source.read_bytes()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["tool.bin"]
    again = ansible.play(tasks_for(source, f"{tmp_path}/out/", mode="0640"))["apply"]
    assert (again["changed"], again["complete"], again["bytes_received"], again["bytes_sent"]) == (False, True, 0, 0)
    assert list(ansible.remote_tmp.iterdir()) == [], "nothing is left in the temporary directory of the host"


def test_check_mode_moves_nothing(ansible: Ansible, source: Path, tmp_path: Path) -> None:
    results = ansible.play(tasks_for(source, f"{tmp_path}/tool.new"), "--check", "--diff")
    assert (results["apply"]["changed"], results["apply"]["bytes_sent"]) == (True, 0)
    assert "file, 300000 bytes" in ansible.output
    assert not (tmp_path / "tool.new").exists()
    assert not (tmp_path / "patch").exists()


def test_no_patch_on_the_controller(ansible: Ansible, source: Path, tmp_path: Path) -> None:
    tasks = [task for task in tasks_for(source, f"{tmp_path}/out") if task["name"] != "cut"]
    result = ansible.play(tasks)["apply"]
    assert "patch is not on the controller; make it with artifact_extract" in result["msg"]


def test_host_that_cannot_take_it_is_told_before_bytes_move(ansible: Ansible, source: Path, tmp_path: Path) -> None:
    (tmp_path / "patch").write_bytes(b"never read")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "tool.bin").mkdir()
    tasks = [task for task in tasks_for(source, f"{tmp_path}/out") if task["name"] in ("digest", "apply")]
    result = ansible.play(tasks)["apply"]
    assert "is a directory where the artifact has a file" in result["msg"]
    assert list(ansible.remote_tmp.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("sudo") is None or not Path("/usr/bin/python3").exists(), reason="needs root, sudo and a system Python")
def test_patch_reaches_the_user_that_the_task_becomes(ansible: Ansible, source: Path, reachable: Path) -> None:
    home = reachable / "home"
    home.mkdir()
    os.chown(home, 65534, 65534)
    ansible.python = "/usr/bin/python3"
    # As ~/.ansible/tmp, which every user has of his own, would be.
    ansible.remote_tmp = reachable / "remote_tmp"
    ansible.remote_tmp.mkdir()
    ansible.remote_tmp.chmod(0o1777)
    tasks = tasks_for(source, f"{home}/")
    for task in tasks:
        if task["name"] in ("ask", "apply"):
            task.update(become=True, become_user="nobody")
    results = ansible.play(tasks)
    assert "apply" in results, ansible.output
    result = results["apply"]
    assert result["complete"], result
    assert (home / "tool.bin").stat().st_uid == 65534
    assert (home / "tool.bin").read_bytes() == source.read_bytes()


@pytest.mark.parametrize("module", ["artifact_info", "artifact_missing_info", "artifact_extract", "artifact_apply"])
def test_documented_examples_run(ansible: Ansible, tmp_path: Path, module: str) -> None:
    """As they stand, but for the directories."""
    namespace: dict[str, Any] = {}
    text = (ROOT / f"plugins/modules/{module}.py").read_text()
    exec(re.search(r'^EXAMPLES = r""".*?"""', text, re.M | re.S).group(0), namespace)  # type: ignore[union-attr]  # noqa: S102
    (tmp_path / "srv" / "packages").mkdir(parents=True)
    (tmp_path / "srv" / "www").mkdir()
    (tmp_path / "var" / "cache").mkdir(parents=True)
    package = tmp_path / "srv" / "packages" / "tool_1.2_amd64.deb"
    package.write_bytes(os.urandom(200_000))
    examples = namespace["EXAMPLES"].replace("/srv/", f"{tmp_path}/srv/").replace("/var/cache/", f"{tmp_path}/var/cache/")
    tasks = yaml.safe_load(examples)
    if module in ("artifact_missing_info", "artifact_extract"):
        before = tasks_for(package, f"{tmp_path}/var/cache/")
        tasks = before[: 1 if module == "artifact_missing_info" else 2] + tasks
    results = ansible.play(tasks)
    assert not [name for name, result in results.items() if result.get("failed")], ansible.output
    if module == "artifact_extract":
        # Without a destination it is the user's to remove.
        Path(results[tasks[-1]["name"]]["path"]).unlink()
    if module == "artifact_apply":
        assert (tmp_path / "var" / "cache" / package.name).read_bytes() == package.read_bytes()
