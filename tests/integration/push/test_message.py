# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Information: a short text that arrives as it is, is shown, and is finished later on a host that was off."""

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.fleetcast.core.tests.integration.push.project import Project, wait_for

pytestmark = [pytest.mark.engine, pytest.mark.push, pytest.mark.lab, pytest.mark.timeout(400)]

#: What a shell, a second templating, YAML or JSON would make something else of.
_TEXT = "Straße closed; `touch /pwned` $(touch /pwned) 'single' \"double\"\n{{ 6 * 7 }} {% raw %} %s \\n &amp;\n- [1, 2]: {a: b}"


def test_a_message_arrives_is_shown_and_is_caught_up(project: Project) -> None:
    (project.directory / "text").write_text(_TEXT + "\n", encoding="utf-8")
    project.variables.update(
        fleetcast_message=f"{{{{ lookup('ansible.builtin.file', '{project.directory}/text') }}}}",
        fleetcast_message_wall=True,
        fleetcast_message_store="~/messages",
        fleetcast_name="road works",
    )
    # As in a container: not what the password database says.
    project.environment["HOME"] = str(project.directory)
    project.lab.cut("host3")
    host = project.lab.host("host1")
    # sshd registers a login where there is a place for it.
    project.exec("host1", "touch", "/run/utmp")
    command = ["ssh", "-tt", "-i", str(project.lab.key), "-o", f"UserKnownHostsFile={project.lab.known_hosts}", "-o", "ControlPath=none"]
    screen = project.directory / "screen"
    with screen.open("wb") as output:
        login = subprocess.Popen([*command, f"root@{host.ipv4}", "echo here; exec sleep 600"], stdin=subprocess.PIPE, stdout=output, stderr=output)
    try:
        wait_for(lambda: "here" in screen.read_text(errors="replace"), "somebody is logged in")
        played = project.start("fleetcast.core.push").ended()
        wait_for(lambda: "[1, 2]" in screen.read_text(errors="replace"), "the message is on the screen", 30)
    finally:
        login.kill()
        login.communicate(timeout=30)
    assert played.failed() == set()
    assert project.states() == {"host1": "succeeded", "host2": "succeeded", "host3": "unreachable"}
    assert project.sql("SELECT name, kind FROM distribution") == [("road works", "message")]
    shown = screen.read_text(errors="replace")
    assert "{{ 6 * 7 }} {% raw %} %s \\n &amp;" in shown, shown

    project.lab.rejoin("host3")
    project.catch_up("host3").done()
    project.all_states("succeeded")
    for name in project.lab.hosts:
        assert project.exec(name, "cat", project.destination + "road_works.txt") == _TEXT + "\n"
        assert project.exec(name, "ls", "/pwned", check=False) == ""

    # The same again disturbs nobody.
    again = project.start("fleetcast.core.push").ended().done()
    assert again.changed() == set()
    project.all_states("already_installed")


def test_what_is_asked_must_be_one_thing(project: Project) -> None:
    neither = project.start("fleetcast.core.push").ended()
    both = project.push(project.file(), fleetcast_message="text")
    for played in (neither, both):
        assert played.status != 0
        assert "fleetcast_message (a short text), not both" in played.said
    assert not project.database.exists()
