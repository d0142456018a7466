# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""At a terminal the plan is shown and asked about: the recipients are edited, then the new plan is approved."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import signal
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.fleetcast.core.tests.integration.push.project import ROOT
from ansible_collections.fleetcast.core.tests.integration.redistribution.depot import Depot

pytestmark = [pytest.mark.redistribution, pytest.mark.lab, pytest.mark.timeout(600)]

_LIMIT_SECONDS = 240
#: Seconds after which what was typed counts as not heard.
_PATIENCE_SECONDS = 10


def _at_terminal(depot: Depot, *answers: str) -> tuple[int, str]:
    """Run the playbook at a terminal; each answer is typed when it asks. Returns its exit status and what it showed."""
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "fleetcast.core.redistribute"]
    for inventory in depot.inventories:
        command += ["-i", str(inventory)]
    command += ["-e", json.dumps({"fleetcast_interface": depot.variables["fleetcast_interface"]})]
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(ROOT)
        os.execve(command[0], command, depot.environment)
    shown, waiting, asked, deadline = b"", list(answers), 0, time.monotonic() + _LIMIT_SECONDS
    answer, heard, typed = b"", -1, 0.0
    try:
        while time.monotonic() < deadline:
            if select.select([terminal], [], [], 1)[0]:
                try:
                    shown += os.read(terminal, 65536)
                except OSError:  # EIO: the play has ended, and with it its side of the terminal
                    break
            if waiting and shown.count(b"to choose other recipients:") > asked:
                asked, answer, heard, typed = asked + 1, waiting.pop(0).encode() + b"\r", -1, 0.0
            # What is typed before the play listens is thrown away: type it until something follows.
            if answer and len(shown) > heard >= 0:
                answer = b""
            elif answer and time.monotonic() - typed > _PATIENCE_SECONDS:
                time.sleep(1)
                os.write(terminal, answer)
                heard, typed = len(shown) + len(answer) + 8, time.monotonic()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGHUP)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os.close(terminal)
    return status, shown.decode(errors="replace")


def test_recipients_are_edited_then_approved_and_the_rest_is_rejected(depot: Depot) -> None:
    depot.fail("host2", "host3")
    status, shown = _at_terminal(depot, "edit host3", "yes the disk was cleared")
    assert status == 0, shown
    depot.assert_arrived(depot.source, ["host3"])
    assert depot.records() == {"host2": "open", "host3": "resolved"}
    assert depot.plans() == ["proposed", "finished"]
    assert [(decision[0], *decision[2:]) for decision in depot.decisions()] == [("approved", "terminal", "the disk was cleared")]
    status, shown = _at_terminal(depot, "no not today")
    assert status == 0, shown
    assert depot.records() == {"host2": "open", "host3": "resolved"}
    assert [(decision[0], *decision[2:]) for decision in depot.decisions()][1:] == [("rejected", "terminal", "not today")]
