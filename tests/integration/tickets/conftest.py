# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures: a mailbox with a real SMTP server, and a user's project."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.fleetcast.core.tests.databases import database_url, postgresql  # noqa: F401 - fixtures
from ansible_collections.fleetcast.core.tests.integration.tickets.project import Project
from ansible_collections.fleetcast.core.tests.mailservers import Mailbox, serve


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with serve(Mailbox()) as running:
        yield running


@pytest.fixture
def project(tmp_path: Path, mailbox: Mailbox) -> Project:
    """Mail for centre@example.org, to the mailbox; two hosts, one and two. The end of a play waits for the mails to be sent."""
    made = Project(tmp_path, {"mail_to": "centre@example.org", "mail_server": f"smtp://127.0.0.1:{mailbox.port}", "delivery_wait": 30})
    made.hosts("one", "two")
    return made
