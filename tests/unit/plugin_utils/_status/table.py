# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the status table do with it: a play's steps, and a look at the rows with SQL of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from typing import Any

import sqlalchemy as sa
from ansible_collections.fleetcast.core.plugins.plugin_utils._status import distributions, queries, reconcile, run
from ansible_collections.fleetcast.core.plugins.plugin_utils._status.attempts import Refusal, Report
from ansible_collections.fleetcast.core.plugins.plugin_utils._status.database import Database


def at_once(count: int, act: Callable[..., Any], *arguments: Any) -> list[Any]:
    """What ``act(together, *arguments)`` returns in each of `count` child processes, which wait for each other at the barrier `together`."""
    context = get_context("fork")
    together, results = context.Barrier(count), context.Queue()

    def child() -> None:
        try:
            results.put((act(together, *arguments), None))
        except BaseException as error:
            results.put((None, repr(error)))

    processes = [context.Process(target=child) for _ in range(count)]
    for process in processes:
        process.start()
    found = [results.get(timeout=100) for _ in processes]
    for process in processes:
        process.join(30)
    assert [problem for _result, problem in found if problem] == []
    return [result for result, _problem in found]


def new_play() -> run.Run:
    """A play of this process, which is alive as long as the test runs."""
    begun = run.begin()
    run.end()
    return begun


def moment(seconds: float = 0) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


class Table:
    """A status table as a play uses it."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def start(
        self,
        play: run.Run,
        hosts: Iterable[str] = ("h1", "h2", "h3"),
        name: str = "app",
        digest: str = "d1",
        lease: int = 60,
        at: float = 0,
        of_hosts: dict[str, dict[str, str]] | None = None,
        parent: str | None = None,
    ) -> distributions.Started:
        commands: dict[str, Any] = {"src": "/srv/a", "dest": "/opt/a"}
        if of_hosts is not None:
            commands["of_hosts"] = of_hosts
        request = distributions.Request(tuple(hosts), lease, None, name, "file", digest, f"manifest of {digest}", commands, parent)
        with self.database.write() as connection:
            return distributions.start(connection, request, play, moment(at))

    def retry(self, play: run.Run, distribution: str, hosts: Iterable[str], lease: int = 60, at: float = 0) -> distributions.Started:
        with self.database.write() as connection:
            return distributions.start(connection, distributions.Request(tuple(hosts), lease, distribution), play, moment(at))

    def record(self, play: run.Run, distribution: str, at: float = 0, **reports: Report | str) -> dict[str, Refusal]:
        return self.record_all(play, distribution, reports, at)

    def record_all(self, play: run.Run, distribution: str, reports: dict[str, Report | str], at: float = 0) -> dict[str, Refusal]:
        said = {host: Report(report) if isinstance(report, str) else report for host, report in reports.items()}
        with self.database.write() as connection:
            return {refusal.host: refusal for refusal in distributions.record(connection, distribution, said, play, moment(at))}

    def finish(self, play: run.Run, distribution: str, hosts: Iterable[str] | None = None) -> None:
        with self.database.write() as connection:
            distributions.finish(connection, distribution, hosts, play, moment())

    def reconcile(self, at: float = 0) -> int:
        with self.database.write() as connection:
            return reconcile.reconcile(connection, moment(at))

    def pending(self, *hosts: str, only: str | None = None) -> dict[str, Any]:
        with self.database.read() as connection:
            return queries.pending(connection, hosts or None, only)

    def status(self, which: str = "last", **filters: Any) -> dict[str, Any]:
        with self.database.read() as connection:
            return queries.status(connection, queries.selected(connection, which)[0], **filters)

    def states(self, distribution: str) -> dict[str, str]:
        """host -> state, as the target has it; checks on the way that the attempt says the same and that the counts add up."""
        rows = self.sql(
            "SELECT d.name, t.status, a.status FROM target t JOIN device d ON d.id = t.device_id JOIN attempt a ON a.id = t.current_attempt_id "
            "WHERE t.distribution_id = :id ORDER BY d.name",
            id=distribution,
        )
        for name, target_status, attempt_status in rows:
            assert target_status == attempt_status, name
        (total,) = self.sql("SELECT total_hosts FROM distribution WHERE id = :id", id=distribution)[0]
        assert total == len(rows)
        assert sum(self.status(distribution)["counts"].values()) == total
        return {name: target_status for name, target_status, _ in rows}

    def events(self, distribution: str, host: str) -> list[tuple[str | None, str, bool, str | None]]:
        """(from, to, accepted, code) of all of the host's attempts, in order."""
        rows = self.sql(
            "SELECT e.from_status, e.to_status, e.accepted, e.code FROM status_event e "
            "JOIN attempt a ON a.id = e.attempt_id JOIN device d ON d.id = a.device_id "
            "WHERE a.distribution_id = :id AND d.name = :host ORDER BY a.attempt_no, e.seq",
            id=distribution,
            host=host,
        )
        return [(before, after, bool(accepted), code) for before, after, accepted, code in rows]

    def sql(self, statement: str, **parameters: Any) -> list[Any]:
        with self.database.read() as connection:
            return [tuple(row) for row in connection.execute(sa.text(statement), parameters)]

    def change(self, statement: str, **parameters: Any) -> None:
        with self.database.write() as connection:
            connection.execute(sa.text(statement), parameters)
