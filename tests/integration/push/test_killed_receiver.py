# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A receiver that is killed when it has 90 % of a file gets the rest, and little more."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

import pytest
from ansible_collections.fleetcast.core.tests.integration.push.project import Project, Running

pytestmark = [pytest.mark.push, pytest.mark.lab, pytest.mark.timeout(400)]

_SIZE = 40_000_000
_SYMBOL = 1400
_SECTIONS = -(-_SIZE // (_SYMBOL * 44 * 64))


def _held(project: Project, host: str) -> int:
    """Bytes that the host's receiver has marked in the map of its spool: 64 bytes, a flag per section, and a byte per symbol.

    Read where the machine sees the host's files, for a process on the host would take long on a busy machine.
    """
    maps = list(Path(f"/proc/{project.lab.host(host).init}/root{project.destination}").glob(".*.fleetcast-map"))
    return maps[0].read_bytes()[64 + _SECTIONS :].count(1) * _SYMBOL if maps else 0


def _kill_receiver(project: Project, play: Running, host: str) -> None:
    """Kill the receiver, with its wrapper, when it has 90 % of the file."""
    play.wait_for(lambda: _held(project, host) > 0.1 * _SIZE, "a part of the file is received")
    receiver = project.receivers(host)
    assert len(receiver) >= 2, "the receiver and its wrapper"
    while play.running and _held(project, host) < 0.9 * _SIZE:  # for the test's own time limit
        time.sleep(0.01)
    for pid in receiver:
        with contextlib.suppress(ProcessLookupError):  # it ended with the one before
            os.kill(pid, signal.SIGKILL)
    assert 0.9 * _SIZE <= _held(project, host) < _SIZE, "it was complete before"


@pytest.mark.further
def test_the_same_push_sends_the_rest_at_once(project: Project) -> None:
    source = project.file("big.bin", _SIZE)
    play = project.start_push(source, fleetcast_rate="40M")
    _kill_receiver(project, play, "host2")
    play.ended().done()

    project.assert_arrived(source)
    project.all_states("succeeded")
    unicast = project.rows("bytes_unicast")
    assert unicast["host1"] == unicast["host3"] == 0
    assert 0 < unicast["host2"] <= 0.12 * _SIZE
    assert not project.leftovers("host2")


def test_catch_up_sends_the_rest_later(project: Project) -> None:
    source = project.file("big.bin", _SIZE)
    play = project.start_push(source, fleetcast_rate="40M", fleetcast_catch_up_limit=0)
    _kill_receiver(project, play, "host2")
    pushed = play.ended()
    assert pushed.failed() == {"host2"}
    assert project.states() == {"host1": "succeeded", "host2": "failed", "host3": "succeeded"}
    assert "fleetcast_catch_up_limit=0" in project.rows("detail")["host2"]
    assert project.sums("big.bin", ["host2"]) == {"host2": ""}, "nothing that is not whole is in place"

    before = project.sent_bytes()
    caught_up = project.catch_up("host2").done()
    assert project.sent_bytes() - before <= 0.12 * _SIZE
    assert "bytes were sent by unicast" in caught_up.said
    project.assert_arrived(source)
    project.all_states("succeeded")
    assert 0 < project.rows("bytes_unicast")["host2"] <= 0.12 * _SIZE
    assert not project.leftovers("host2")
