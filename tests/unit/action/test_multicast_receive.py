# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays on the local connection: when the task that starts a receiver ends, and what it says of what the host holds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fleetcast.core.tests.unit.action.play import Ansible

pytestmark = pytest.mark.engine

_SIZE = 300_000


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "tool.bin"
    path.write_bytes(os.urandom(_SIZE))
    return path


def receive(ansible: Ansible, source: Path, dest: str, *options: str, background: bool = True, **arguments: Any) -> dict[str, dict[str, Any]]:
    """A play that digests the source, starts the receiver, to which nobody sends, and takes its report if there is one to come."""
    asked = {"manifest": "{{ artifact.manifest }}", "dest": dest, "receivers": ["host1"], "session_key": "ab" * 32, "interface": "lo", "wait_timeout": 1}
    starting = {"name": "start", "fleetcast.core.multicast_receive": {**asked, **arguments}, "register": "receiver"}
    tasks = [
        {"name": "digest", "fleetcast.core.artifact_info": {"src": str(source)}, "register": "artifact"},
        {**starting, "async": 60, "poll": 0} if background else starting,
        {
            "name": "report",
            "fleetcast.core.multicast_receive_info": {"job": "{{ receiver.ansible_job_id }}"},
            "when": "receiver.ansible_job_id is defined",
        },
    ]
    environment = {"ANSIBLE_ASYNC_DIR": f"{ansible.folder}/jobs"}
    return ansible.play(tasks, *options, environment=environment, vars={"ansible_async_dir": f"{ansible.folder}/jobs"})


@pytest.fixture(params=["True", "False"], ids=["pipelining", "no pipelining"])
def pipelining(request: pytest.FixtureRequest, ansible: Ansible) -> str:
    (ansible.folder / "ansible.cfg").write_text(f"[connection]\npipelining = {request.param}\n")
    return str(request.param)


@pytest.mark.usefixtures("pipelining")
def test_a_host_that_lacks_it_listens_when_the_task_is_over(ansible: Ansible, source: Path, tmp_path: Path) -> None:
    played = receive(ansible, source, f"{tmp_path}/out/")
    started, report = played["start"], played["report"]
    assert started["ansible_job_id"]
    assert (started["complete"], started["missing_bytes"], started["dest"]) == (False, _SIZE, f"{tmp_path}/out/tool.bin")
    assert (report["complete"], report["reason"], report["missing_bytes"]) == (False, "silence", _SIZE)
    assert list((tmp_path / "jobs").iterdir()) == []


@pytest.mark.usefixtures("pipelining")
def test_a_host_that_holds_it_has_no_receiver(ansible: Ansible, source: Path, tmp_path: Path) -> None:
    held = tmp_path / "held.bin"
    held.write_bytes(source.read_bytes())
    held.chmod(0o600)
    played = receive(ansible, source, str(held), mode="0640")
    assert "ansible_job_id" not in played["start"]
    assert (played["start"]["complete"], played["start"]["changed"]) == (True, True)
    assert held.stat().st_mode & 0o777 == 0o640
    again = receive(ansible, source, str(held), mode="0640")["start"]
    assert (again["complete"], again["changed"]) == (True, False)
    assert not (tmp_path / "jobs").exists() or list((tmp_path / "jobs").iterdir()) == []


@pytest.mark.usefixtures("pipelining")
def test_what_stands_in_the_way_is_said_by_the_task_itself(ansible: Ansible, source: Path, tmp_path: Path) -> None:
    (tmp_path / "out" / "tool.bin").mkdir(parents=True)
    started = receive(ansible, source, f"{tmp_path}/out")["start"]
    assert "fatal: [host1]: FAILED!" in ansible.output
    assert "is a directory where the artifact has a file" in started["msg"]


def test_without_listening_only_what_is_missing_is_said(ansible: Ansible, source: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    started = receive(ansible, source, f"{tmp_path}/out/", background=False, listen=False)["start"]
    assert (started["complete"], started["changed"], started["missing_bytes"]) == (False, False, _SIZE)
    assert list((tmp_path / "out").iterdir()) == [], "no spool is left where nothing is in it"
