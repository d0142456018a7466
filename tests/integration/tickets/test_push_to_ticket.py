# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a push that fails on a host to its ticket, and from the catch-up that verifies it to the closing mail: nobody closes it by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.fleetcast.core.tests.integration.push.project import Project
from ansible_collections.fleetcast.core.tests.lab import Lab
from ansible_collections.fleetcast.core.tests.mailservers import Mailbox

pytestmark = [pytest.mark.tickets, pytest.mark.lab, pytest.mark.timeout(400)]


@pytest.fixture
def pushing(tmp_path: Path, lab: Lab, mailbox: Mailbox) -> Iterator[Project]:
    made = Project(tmp_path, lab)
    made.environment.update(
        ANSIBLE_CALLBACKS_ENABLED="fleetcast.core.distribution_status,fleetcast.core.job_ticket",
        FLEETCAST_TICKET_MAIL_TO="centre@example.org",
        FLEETCAST_TICKET_MAIL_SERVER=f"smtp://127.0.0.1:{mailbox.port}",
        FLEETCAST_TICKET_DELIVERY_WAIT="60",
    )
    yield made
    made.close()


def test_a_ticket_closes_itself_when_the_host_has_verified_what_it_lacked(pushing: Project, mailbox: Mailbox) -> None:
    source = pushing.file(size=4_000_000)
    pushing.exec("host2", "mkdir", "-p", pushing.destination)
    pushing.exec("host2", "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", pushing.destination)
    try:
        pushed = pushing.push(source)
        assert pushed.failed() == {"host2"}
        assert "opened: FC-1" in pushed.output
        (opened,) = mailbox.received
        assert opened.subject == "[FC-1] host2: disk full, location unknown"
        ((distribution,),) = pushing.sql("SELECT id FROM distribution")
        assert f"distribution {distribution}" in opened.text
        assert "closes by itself when the device has, verified, what was to be distributed" in opened.text

        again = pushing.catch_up("host2")
        assert again.failed() == {"host2"} and "resolved" not in again.output, "another failure is no completion"
    finally:
        pushing.exec("host2", "umount", pushing.destination)

    done = pushing.catch_up("host2").done()
    assert "resolved, verified: FC-1" in done.output
    pushing.assert_arrived(source)
    closed = mailbox.received[-1]
    assert closed.subject.startswith("Re: [FC-1] resolved: host2: disk full")
    assert "every device has, verified, what was to be distributed" in closed.text
    assert pushing.sql("SELECT status, count FROM ticket") == [("resolved", 2)]
