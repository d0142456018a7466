# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two plays at once on one database: no alert lost or counted twice, one ticket per device and failure type, each mail once."""

from __future__ import annotations

import subprocess

import pytest
import sqlalchemy as sa
from ansible_collections.fleetcast.core.tests.integration.tickets.project import Project
from ansible_collections.fleetcast.core.tests.mailservers import Mailbox

pytestmark = [pytest.mark.tickets, pytest.mark.timeout(400)]

_PLAYS = 2
_TASKS = 5
_PLAY = f"""
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.command: sh -c 'echo No space left on device >&2; exit 1'
      ignore_errors: true
      loop: [1]
{
    "".join(
        f'''    - ansible.builtin.command: sh -c "echo No space left on device {number} >&2; exit 1"
      ignore_errors: true
'''
        for number in range(_TASKS - 1)
    )
}
"""


def test_two_plays_at_once(database_url: str, project: Project, mailbox: Mailbox) -> None:
    project.environment["FLEETCAST_DB_URL"] = database_url
    project.options["ignored"] = True
    argv, environment = project.command(_PLAY)
    running = [
        subprocess.Popen(argv, cwd=project.directory, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for _ in range(_PLAYS)
    ]
    outputs = [process.communicate(timeout=300)[0] for process in running]
    assert all("JOB TICKETS" in output for output in outputs), outputs
    assert all("fleetcast.core.job_ticket:" not in output for output in outputs), outputs
    engine = sa.create_engine(database_url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:

        def ask(query: str) -> list[tuple[object, ...]]:
            return [tuple(row) for row in connection.execute(sa.text(query))]

        expected = _PLAYS * _TASKS
        assert ask("SELECT d.name, c.count FROM error_counter c JOIN device d ON d.id = c.device_id ORDER BY d.name") == [("one", expected), ("two", expected)]
        assert ask("SELECT count(*) FROM error_record") == [(2 * expected,)]
        assert ask("SELECT d.name, count(*) FROM ticket_device t JOIN device d ON d.id = t.device_id GROUP BY d.name ORDER BY d.name") == [
            ("one", 1),
            ("two", 1),
        ]
        assert ask("SELECT sum(count) FROM ticket") == [(2 * expected,)]
        assert ask("SELECT kind, status, count(*) FROM mail GROUP BY kind, status") == [("opened", "delivered", 2)]
    engine.dispose()
    ids = mailbox.ids("centre@example.org")
    assert len(ids) == len(set(ids)) == 2
