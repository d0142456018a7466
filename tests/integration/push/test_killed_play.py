# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's play is killed at any moment: nothing half is in place, nothing runs on, and the next push completes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from ansible_collections.fleetcast.core.tests.integration.push.project import Project, Running, wait_for

pytestmark = [pytest.mark.push, pytest.mark.lab, pytest.mark.timeout(400)]

_SIZE = 16_000_000
_ASK = "See what this host holds already, and start the receiver if it lacks something"
_HOSTS = ["host1", "host3"]
_LIMIT = ("--limit", "host1,host3")
_WAIT_TIMEOUT = 15
_TIMEOUT = 20
#: Seconds after which whatever a killed play has started is gone: its own limits, and some for a busy machine.
_DEADLINE = _WAIT_TIMEOUT + _TIMEOUT + 45


def _while_hosts_are_asked(project: Project, play: Running) -> None:
    play.wait_for_task(_ASK)


def _while_receivers_start(project: Project, play: Running) -> None:
    play.wait_for_task(_ASK)
    play.wait_for(lambda: project.receivers("host1"), "a receiver runs on host1")


def _in_the_ready_phase(project: Project, play: Running) -> None:
    play.wait_for_task("Know who receives, and who needs nothing")
    assert project.receivers("host3")
    project.lab.cut("host3")  # so that the sender has to wait for it
    play.wait_for(project.senders, "the sender runs")


def _in_the_transfer(project: Project, play: Running) -> None:
    play.wait_for_task("Send to all receivers at once")
    before = project.sent_bytes()
    play.wait_for(lambda: project.sent_bytes() - before > 0.4 * _SIZE, "a part of the file is sent")


def _in_the_installation(project: Project, play: Running) -> None:
    play.wait_for(lambda: "begun" in project.exec("host1", "cat", f"{project.destination}log", check=False), "the script runs")


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param(_while_hosts_are_asked, marks=pytest.mark.further),
        _while_receivers_start,
        pytest.param(_in_the_ready_phase, marks=pytest.mark.further),
        _in_the_transfer,
        _in_the_installation,
    ],
)
def test_a_killed_play_leaves_nothing_half(project: Project, moment: Callable[[Project, Running], None]) -> None:
    source = project.file("big-1.0.bin", _SIZE)
    options = {"fleetcast_wait_timeout": _WAIT_TIMEOUT, "fleetcast_timeout": _TIMEOUT, "fleetcast_rate": "20M"}
    if moment is _in_the_installation:
        script = f"cd {project.destination}\necho begun >> log\nfor i in $(seq 60); do [ -e go ] || sleep 1; done\nexit 0\n"
        source.write_bytes(b"#!/bin/sh\n" + script.encode() + source.read_bytes())
        source.chmod(0o755)
        options |= {"fleetcast_install": "script", "fleetcast_install_creates": f"{project.destination}log"}
    play = project.start_push(source, *_LIMIT, **options)
    moment(project, play)
    play.kill()
    project.lab.rejoin("host3")

    # Whatever is in place is whole, now and when all that was started has ended.
    expected = project.sum_of(source)
    assert set(project.sums(source.name).values()) <= {expected, ""}
    wait_for(lambda: not project.senders() and not any(project.receivers(host) for host in _HOSTS), "senders and receivers have ended", _DEADLINE)
    assert set(project.sums(source.name).values()) <= {expected, ""}

    for host in _HOSTS:
        project.write(host, f"{project.destination}go", "")
    project.push(source, *_LIMIT, **{**options, "fleetcast_rate": ""}).done()
    project.assert_arrived(source, _HOSTS)
    assert set(project.states(2).values()) <= {"succeeded", "already_installed"}
    assert not any(project.leftovers(host) for host in _HOSTS)
    first = project.sql("SELECT id, status FROM distribution ORDER BY seq LIMIT 1")[0]
    assert first[1] == "finished"
    ended = project.sql("SELECT status, code, count(*) FROM attempt WHERE distribution_id = ? AND attempt_no = 1 GROUP BY status, code", first[0])
    assert sum(count for *_, count in ended) == len(_HOSTS)
    assert {status for status, *_ in ended} == {"unknown"}, ended
    assert {code for _, code, _ in ended} == {"run_died"}


@pytest.mark.parametrize("moment", [_while_receivers_start, pytest.param(_in_the_transfer, marks=pytest.mark.further)])
def test_the_next_push_need_not_wait_for_what_a_killed_one_left(project: Project, moment: Callable[[Project, Running], None]) -> None:
    source = project.file("big-1.0.bin", _SIZE)
    play = project.start_push(source, fleetcast_rate="20M")
    moment(project, play)
    play.kill()
    project.push(source).done()
    project.assert_arrived(source)
    assert set(project.states().values()) <= {"succeeded", "already_installed"}


@pytest.mark.further
def test_a_catch_up_need_not_wait_for_what_a_killed_push_left(project: Project) -> None:
    source = project.file("big-1.0.bin", _SIZE)
    play = project.start_push(source, *_LIMIT)
    _while_receivers_start(project, play)
    play.kill()
    wait_for(lambda: project.receivers("host1"), "its receiver waits for a sender", 60)
    project.catch_up("host1").done()
    project.assert_arrived(source, ["host1"])
    assert project.states(len(_HOSTS))["host1"] == "succeeded"
