# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kill -9 between every two writes: the next run loses no alert, counts none twice, and every ticket's mail arrives.

A child process goes the callback's way (journal, database, outbox, SMTP) and kills itself before its n-th write: to the journal, by
any statement that changes the database, by its commit, or to the mail server's socket. For each n until it gets through, a next run
follows, and then the tables and the mailbox are looked at.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from ansible_collections.fleetcast.core.plugins.plugin_utils._status.database import open_database
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets import alert, loading, outbox, smtp
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets.closing import Closing
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets.desk import Desk
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets.journal import Journal, Passed
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets.rules import Rules
from ansible_collections.fleetcast.core.tests.mailservers import Mailbox, serve
from sqlalchemy import event

pytestmark = [pytest.mark.tickets, pytest.mark.timeout(600)]

#: What happens: two devices fail in two ways, one of them twice.
_SEEN = (
    ("web1", "No space left on device", "a"),
    ("web1", "Permission denied", "b"),
    ("web2", "No space left on device", "c"),
    ("web1", "No space left on device", "d"),
)


def _rules(port: int, tmp_path: Path) -> Rules:
    file = tmp_path / "rules.yml"
    file.write_text(
        "centres: [{name: c, addresses: [a@example.org, b@example.org], default: true}]\nthresholds: [{limit: 0}]\n"
        f"mail: {{servers: [{{host: 127.0.0.1, port: {port}, timeout: 60s}}]}}\n",
        encoding="utf-8",
    )
    return loading.load(file)


class _Killer:
    """Ends this process with SIGKILL before its n-th write."""

    def __init__(self, at: int) -> None:
        self._left = at

    def __call__(self, *_: Any) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(self) -> None:
        """Be asked before every write of this process from now on."""

        @event.listens_for(sa.Engine, "before_cursor_execute")
        def _statement(conn: Any, cursor: Any, statement: str, *_: Any) -> None:
            if statement.split()[0] in ("INSERT", "UPDATE", "DELETE"):
                self()

        event.listens_for(sa.Engine, "commit")(self)
        sys.addaudithook(self._audit)

    def _audit(self, name: str, arguments: tuple[Any, ...]) -> None:
        if name in ("os.rename", "os.truncate", "os.remove") or (name == "open" and str(arguments[0]).endswith(".alerts")):
            self()


def _run(url: str, directory: Path, run_id: str, rules: Rules, alerts: tuple[tuple[str, str, str], ...], *, killer: _Killer | None = None) -> None:
    """What the callback does in one run, with the sending in the same process."""
    journal = Journal(directory, run_id)
    for device, text, key in alerts:
        if killer:
            killer()
        journal.add(alert.make(device, text, key=f"{run_id}:{key}", occurred_at=datetime.now(UTC)))
    said = Closing(directory, journal, Passed("site.yml", (), datetime.now(UTC))).run(url, rules, 0, 0)
    journal.close()
    assert said.problems == []

    def send(*arguments: Any, **values: Any) -> Any:
        if killer:
            killer()
        verdicts = smtp.send(*arguments, **values)
        if killer:
            killer()
        return verdicts

    outbox.deliver(open_database(url), rules.mail, 60, send)


def _in_child(*arguments: Any, at: int) -> bool:
    """Run in a child that kills itself before its write number `at`; whether it got to its end."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            killer = _Killer(at)
            killer.watch()
            _run(*arguments, killer=killer)
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return False
    assert os.WEXITSTATUS(status) == 0
    return True


def test_killed_before_every_write(tmp_path: Path) -> None:
    with serve(Mailbox()) as mailbox:
        rules = _rules(mailbox.port, tmp_path)
        # The schema is there: what a kill leaves of a migration is the status table's business.
        open_database(f"sqlite:///{tmp_path}/empty.db")
        at, done = 0, False
        while not done:
            at += 1
            assert at < 500
            url, directory = f"sqlite:///{tmp_path}/{at}.db", tmp_path / f"alerts{at}"
            shutil.copyfile(tmp_path / "empty.db", tmp_path / f"{at}.db")
            mailbox.received.clear()
            done = _in_child(url, directory, "run1", rules, _SEEN, at=at)
            _check_next_run(url, directory, rules, mailbox, at)
        # The journal's lines, the statements and commits of taking in and of four deliveries: it was not over at once.
        assert at > 30


def _check_next_run(url: str, directory: Path, rules: Rules, mailbox: Mailbox, at: int) -> None:
    """The next run takes in what the killed one left; afterwards nothing is lost, twice, or unsent without being shown so."""
    lines = sum(path.read_bytes().count(b"\n") for path in directory.glob("*.alerts")) if directory.exists() else 0
    with closing(sa.create_engine(url).connect()) as connection:
        recorded = connection.execute(sa.text("SELECT count(*) FROM error_record")).scalar() or 0
    # A kill before an alert is written anywhere is the only way not to have it: the play itself had not gone on by then.
    written = max(lines, recorded)
    with closing(sa.create_engine(url).connect()) as connection:
        connection.execute(sa.text("UPDATE mail SET lease_expires_at = '2000-01-01 00:00:00' WHERE lease_token IS NOT NULL"))
        connection.commit()
    _run(url, directory, f"next{at}", rules, ())
    with closing(sa.create_engine(url).connect()) as connection:

        def ask(query: str) -> list[Any]:
            return [tuple(row) for row in connection.execute(sa.text(query))]

        assert ask("SELECT count(*) FROM error_record") == [(written,)], at
        assert ask("SELECT coalesce(sum(count), 0) FROM error_counter") == [(written,)], at
        assert ask("SELECT coalesce(sum(count), 0) FROM ticket") == [(written,)], at
        assert ask("SELECT device_id, failure_type FROM ticket_device WHERE closed_at IS NULL GROUP BY 1, 2 HAVING count(*) > 1") == [], at
        pairs = len({(device, text) for device, text, _ in _SEEN[:written]})
        assert ask("SELECT count(*) FROM ticket") == [(pairs,)], at
        assert ask("SELECT count(*) FROM mail WHERE kind = 'opened'") == [(pairs,)], at
        assert ask("SELECT count(*) FROM mail WHERE status <> 'delivered'") == [(0,)], at
        ids = {message_id for (message_id,) in ask("SELECT message_id FROM mail")}
    assert list(directory.glob("*.alerts")) == [], at
    for address in ("a@example.org", "b@example.org"):
        arrived = mailbox.ids(address)
        assert set(arrived) == ids, at
        # Killed between the server's 250 and its record, one mail comes twice, with the same Message-ID.
        assert len(arrived) - len(ids) <= 1, at
    assert Desk(open_database(url), rules).unsent() == 0
