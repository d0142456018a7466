# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many hosts that cannot be reached at once: one play, one ticket, one mail.

`FLEETCAST_MANY_HOSTS=2000 pytest -s` on this file measures what the callback costs.
"""

from __future__ import annotations

import os
import resource
import subprocess
import time

import pytest
from ansible_collections.fleetcast.core.tests.integration.tickets.project import Project
from ansible_collections.fleetcast.core.tests.mailservers import Mailbox

pytestmark = [pytest.mark.tickets, pytest.mark.timeout(1800)]

#: Enough to show that nobody gets a mail per host; the cost is measured with more of them, by hand.
_HOSTS = int(os.environ.get("FLEETCAST_MANY_HOSTS", "100"))
_PLAY = "- hosts: all\n  gather_facts: false\n  tasks:\n    - ansible.builtin.ping:\n"


def _timed(project: Project) -> tuple[float, float, str]:
    """Seconds and CPU seconds of the play with everything it started, and its output."""
    argv, environment = project.command(_PLAY)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    ended = subprocess.run(argv, cwd=project.directory, env=environment, capture_output=True, text=True, timeout=800, check=False)
    took = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert ended.returncode == 4, ended.stdout[-2000:] + ended.stderr[-2000:]
    return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, ended.stdout


def test_many_unreachable_hosts_are_one_mail(project: Project, mailbox: Mailbox) -> None:
    project.hosts(*(f"h{number:04}" for number in range(_HOSTS)), ansible_connection="ssh", ansible_host="127.0.0.1", ansible_port="1")
    project.settings["forks"] = 50
    project.rules("thresholds: [{failure_type: 'unreachable*', limit: 0}]\ncentres: [{name: c, addresses: centre@example.org, default: true}]\n")
    del project.options["mail_to"]
    project.callbacks = ""
    clock_without, without, _ = _timed(project)
    project.callbacks = "fleetcast.core.job_ticket"
    clock_with, with_it, output = _timed(project)
    assert f"alerts: {_HOSTS} unreachable_refused" in output
    assert project.sql("SELECT count(*), max(grouping) FROM ticket") == [(1, "location_unreachable")]
    assert project.sql("SELECT count(*) FROM ticket_device") == [(_HOSTS,)]
    (mail,) = mailbox.received
    assert mail.subject.startswith(f"[FC-1] {_HOSTS} devices: ")
    # CPU time and not the clock: other programs of the machine have no part in it.
    share = (with_it - without) / without
    # Read, not asserted: what other programs do to the processor's caches alone is some per cent.
    print(f"CPU seconds: {without:.1f} without, {with_it:.1f} with the callback: {share:.1%} ({os.cpu_count()} CPUs)")
    print(f"Clock: {clock_without:.1f} s without, {clock_with:.1f} s with it: {clock_with / clock_without - 1:.1%}, the mail's way to the server included")
