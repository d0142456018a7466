# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mode, owner, group, backup, force and validate, with the meaning that they have in ansible.builtin.copy."""

from __future__ import annotations

import pytest
from ansible_collections.fleetcast.core.tests.integration.push.project import Project

pytestmark = [pytest.mark.push, pytest.mark.lab, pytest.mark.timeout(400)]

_HOSTS = ["host1", "host2"]
_LIMIT = ("--limit", "host1,host2")
_SIZE = 300_000


def _status(project: Project, host: str, path: str) -> str:
    return project.exec(host, "stat", "-c", "%a %U %G", path).strip()


def test_mode_owner_group_and_backup(project: Project) -> None:
    dest = f"{project.destination}settings.bin"
    source = project.file("file.bin", _SIZE)
    project.exec("host1", "mkdir", "-p", project.destination)
    project.write("host2", dest, "what was there\n")
    options = {"fleetcast_dest": dest, "fleetcast_mode": "0640", "fleetcast_owner": "daemon", "fleetcast_group": "mail", "fleetcast_backup": True}

    assert project.push(source, *_LIMIT, **options).done().changed() == set(_HOSTS)
    for host in _HOSTS:
        assert _status(project, host, dest) == "640 daemon mail"
        project.exec(host, "test", "-f", dest)
    assert project.listing("host1") == ["settings.bin"]
    backups = [name for name in project.listing("host2") if name != "settings.bin"]
    assert len(backups) == 1
    assert project.exec("host2", "cat", project.destination + backups[0]) == "what was there\n"

    # Only the mode differs now, and on one host only: it is put right there, nothing is done on the other, and nothing is sent.
    project.exec("host2", "chmod", "600", dest)
    before = project.sent_bytes()
    assert project.push(source, *_LIMIT, **{**options, "fleetcast_mode": "0600"}).done().changed() == {"host1"}
    assert {_status(project, host, dest) for host in _HOSTS} == {"600 daemon mail"}
    assert project.sent_bytes() - before < 1_000_000
    assert project.states(2) == {"host1": "succeeded", "host2": "already_installed"}
    assert set(project.rows("bytes_multicast").values()) == {0}


def test_what_is_there_stays_without_force(project: Project) -> None:
    source = project.file("file.bin", _SIZE)
    project.write("host2", f"{project.destination}file.bin", "mine\n")
    played = project.push(source, *_LIMIT, fleetcast_force=False).done()
    assert played.changed() == {"host1"}
    project.assert_arrived(source, ["host1"])
    assert project.exec("host2", "cat", f"{project.destination}file.bin") == "mine\n"


def test_what_does_not_validate_is_not_placed(project: Project) -> None:
    source = project.file("file.bin", _SIZE)
    project.write("host2", f"{project.destination}file.bin", "before\n")
    accept = f"{project.destination}accept"
    project.write("host1", accept, "")
    played = project.push(source, *_LIMIT, fleetcast_validate=f"sh -c 'test -s %s && test -e {accept}'")
    assert played.failed() == {"host2"}
    assert project.states(2) == {"host1": "succeeded", "host2": "failed"}
    assert "validate" in project.rows("detail")["host2"]
    project.assert_arrived(source, ["host1"])
    assert project.exec("host2", "cat", f"{project.destination}file.bin") == "before\n"

    # What was received is kept, so that nothing is sent again when the cause is removed.
    project.write("host2", accept, "")
    project.catch_up("host2").done()
    assert project.rows("bytes_unicast")["host2"] == 0
    project.assert_arrived(source, _HOSTS)
    project.all_states("succeeded", _HOSTS)
