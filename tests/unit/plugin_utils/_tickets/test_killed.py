# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kill -9 between every two writes: the next run loses no alert, counts none twice, and every ticket's mail arrives.

A child process goes the callback's way (journal, database, outbox, SMTP) and kills itself before its n-th write: to the journal, by
any statement that changes the database, by its commit, or to the mail server's socket. After each of these deaths a next run follows,
and then the tables and the mailbox are looked at. In each kind of database.
"""

from __future__ import annotations

import itertools
import os
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
from ansible_collections.fleetcast.core.tests.databases import postgresql_is_further
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


_KEPT = "kept"


class _Killer:
    """Ends this process with SIGKILL before its n-th write; with 0 it does not. Notes in a file what the writes are, and which alerts are kept."""

    def __init__(self, at: int, notes: Path) -> None:
        self._left = at
        self._notes = notes.open("w", encoding="utf-8")

    def __call__(self, write: str) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.note(write)

    def note(self, word: str) -> None:
        print(word, file=self._notes, flush=True)

    def watch(self) -> None:
        """Be asked before every write of this process from now on."""

        @event.listens_for(sa.Engine, "before_cursor_execute")
        def _statement(conn: Any, cursor: Any, statement: str, *_: Any) -> None:
            if statement.split()[0] in ("INSERT", "UPDATE", "DELETE"):
                self(" ".join(statement.split()[:4]))

        @event.listens_for(sa.Engine, "commit")
        def _commit(conn: Any) -> None:
            self("commit")

        sys.addaudithook(self._audit)

    def _audit(self, name: str, arguments: tuple[Any, ...]) -> None:
        if name in ("os.rename", "os.truncate", "os.remove") or (name == "open" and str(arguments[0]).endswith(".alerts")):
            self(name)


def _run(url: str, directory: Path, run_id: str, rules: Rules, alerts: tuple[tuple[str, str, str], ...], *, killer: _Killer | None = None) -> None:
    """What the callback does in one run, with the sending in the same process."""
    journal = Journal(directory, run_id)
    for device, text, key in alerts:
        if killer:
            killer("alert")
        journal.add(alert.make(device, text, key=f"{run_id}:{key}", occurred_at=datetime.now(UTC)))
        if killer:
            killer.note(_KEPT)
    said = Closing(directory, journal, Passed("site.yml", (), datetime.now(UTC))).run(url, rules, 0, 0)
    journal.close()
    assert said.problems == []

    def send(*arguments: Any, **values: Any) -> Any:
        if killer:
            killer("send")
        verdicts = smtp.send(*arguments, **values)
        if killer:
            killer("sent")
        return verdicts

    outbox.deliver(open_database(url), rules.mail, 60, send)


def _in_child(*arguments: Any, at: int, notes: Path) -> bool:
    """Run in a child that kills itself before its write number `at`; whether it got to its end."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            killer = _Killer(at, notes)
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


def _points(writes: list[str], url: str) -> list[int]:
    """Before which writes the child dies: before each of them. On PostgreSQL, where that takes longer, it is once between every two kinds of
    write that follow each other, from the last line of the journal on: until then the database knows nothing."""
    if url.startswith("sqlite"):
        return list(range(1, len(writes) + 1))
    pairs = list(itertools.pairwise(["", *writes]))
    begins = writes.index("commit") + 1
    return [number for number, pair in enumerate(pairs, start=1) if number >= begins and pairs.index(pair) == number - 1]


@postgresql_is_further
def test_killed_before_every_write(database_url: str, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    with serve(Mailbox()) as mailbox:
        rules = _rules(mailbox.port, tmp_path)
        # The schema is there: what a kill leaves of a migration is the status table's business.
        open_database(database_url)
        assert _in_child(database_url, tmp_path / "alerts0", "run1", rules, _SEEN, at=0, notes=notes)
        writes = [line for line in notes.read_text(encoding="utf-8").splitlines() if line != _KEPT]
        _check_next_run(database_url, tmp_path / "alerts0", rules, mailbox, 0, len(_SEEN))
        # The journal's lines, the statements and commits of taking in and of three deliveries: it was not over at once.
        assert len(writes) > 30
        assert {"alert", "commit", "send", "sent", "INSERT INTO mail (ticket_id,", "UPDATE mail SET attempts"} <= {write.partition("=")[0] for write in writes}
        for at in _points(writes, database_url):
            _forget(database_url)
            mailbox.received.clear()
            assert not _in_child(database_url, tmp_path / f"alerts{at}", "run1", rules, _SEEN, at=at, notes=notes)
            # A kill before an alert is written anywhere is the only way not to have it: the play itself had not gone on by then.
            kept = notes.read_text(encoding="utf-8").splitlines().count(_KEPT)
            _check_next_run(database_url, tmp_path / f"alerts{at}", rules, mailbox, at, kept)


def _connected(url: str) -> closing[sa.Connection]:
    return closing(sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"), poolclass=sa.NullPool).connect())


def _forget(url: str) -> None:
    """Empty the tables."""
    with _connected(url) as connection:
        if url.startswith("sqlite"):
            for table in ("mail_recipient", "mail", "ticket_device", "error_record", "ticket", "error_counter", "device"):
                connection.execute(sa.text(f"DELETE FROM {table}"))  # noqa: S608 - a constant of ours
        else:
            connection.execute(sa.text("TRUNCATE ticket, device CASCADE"))
        connection.commit()


def _check_next_run(url: str, directory: Path, rules: Rules, mailbox: Mailbox, at: int, written: int) -> None:
    """The next run takes in what the killed one left; afterwards nothing is lost, twice, or unsent without being shown so."""
    with _connected(url) as connection:
        connection.execute(sa.text("UPDATE mail SET lease_expires_at = '2000-01-01 00:00:00' WHERE lease_token IS NOT NULL"))
        connection.commit()
    _run(url, directory, f"next{at}", rules, ())
    with _connected(url) as connection:

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
