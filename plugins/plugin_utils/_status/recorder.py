# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the callback does with what it sees: keeps it in the table at once, and ends what is open when the play is over.

The callback is called under Ansible's one lock, so a database that does not answer must not hold the play up: after a failure the recorder
keeps what it sees in memory, warns, and tries again later and at the end.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from . import states
from .errors import DatabaseUnavailableError, StatusError
from .run import Run

if TYPE_CHECKING:
    import sqlalchemy as sa

    from .database import Database

#: Seconds that a hook waits for the database, and after a failure the seconds until the next try.
_WAIT_SECONDS = 5.0
_BACK_OFF_SECONDS = 30.0
#: Seconds that the last try, at the end of the play, may take.
_LAST_WAIT_SECONDS = 30.0
#: Parts of a lease after which it is renewed.
_RENEWALS_PER_LEASE = 4


@dataclass(frozen=True)
class _Observation:
    host: str
    code: str
    detail: str
    key: str
    counts: bool


class Recorder:
    """One run's listener. Until :meth:`follow` it only remembers, and neither imports SQLAlchemy nor opens a database."""

    def __init__(self, run: Run, warn: Callable[[str], None]) -> None:
        self._run = run
        self._warn = warn
        self._database_url: str | None = None
        self._database: Database | None = None
        self._waiting: list[_Observation] = []
        #: host -> code and detail of its last problem that counts.
        self._problems: dict[str, tuple[str, str]] = {}
        self._not_before = 0.0
        self._renew_at = 0.0

    def follow(self, database_url: str) -> None:
        """A distribution was started in this database: from now on what is seen is kept there."""
        if database_url != self._database_url:
            self._database_url, self._database = database_url, None
        self._flush(_WAIT_SECONDS)

    def new_play(self) -> None:
        """Another play begins: what was seen before is no news of a distribution that it may start."""
        if self._database_url is None:
            self._waiting.clear()

    def observe(self, host: str, code: str, detail: str, key: str, counts: bool = True) -> None:
        """A host had a problem; `counts` is false for one that the play was told to ignore."""
        if counts:
            self._problems[host] = (code, detail)
        self._waiting.append(_Observation(host, code, detail, key, counts))
        self.tick()

    def tick(self) -> None:
        """Something happened in the play: write what waits, and renew the leases when it is time."""
        now = time.monotonic()
        if self._database_url is not None and now >= self._not_before and (self._waiting or now >= self._renew_at):
            self._flush(_WAIT_SECONDS)

    def finish(self, unreachable: Container[str], failed: Container[str]) -> list[dict[str, Any]]:
        """The playbook is over: end what is open, by what Ansible counted for each host. Returns the distributions of this run with all hosts."""
        if self._database_url is None:
            return []
        from .._redistribution import performances
        from . import attempts, queries, reconcile

        try:
            with self._opened(_LAST_WAIT_SECONDS).write() as connection:
                now = _utc_now()
                self._write_waiting(connection, now)
                held = attempts.load_open_of(connection, self._run.id)
                attempts.advance(connection, [(one, self._ending(one, unreachable, failed)) for one in held], now, self._run.token)
                performances.conclude_of(connection, self._run.id, "the play ended before it said what came of it", now)
                reconcile.finish_distributions(connection, now)
                reconcile.end_run(connection, self._run.id, "finished", now)
                return [queries.status(connection, row) for row in queries.of_run(connection, self._run.id)]
        except StatusError as error:
            self._warn(f"{error}. Hosts whose work was not recorded as ended are shown as unknown after this play")
            return []

    def _ending(self, held: Any, unreachable: Container[str], failed: Container[str]) -> Any:
        from . import reconcile

        code, detail = self._problems.get(held.host, (None, held.detail))
        if held.host in unreachable:
            return reconcile.ending(held, states.HOST_UNREACHABLE, detail)
        if held.host in failed:
            return reconcile.ending(held, code or states.TASK_FAILED, detail)
        return reconcile.ending(held, None, None)

    def _flush(self, wait_seconds: float) -> None:
        from . import attempts

        try:
            with self._opened(wait_seconds).write() as connection:
                now = _utc_now()
                self._write_waiting(connection, now)
                lease_seconds = attempts.renew(connection, self._run.id, now)
        except StatusError as error:
            self._not_before = time.monotonic() + _BACK_OFF_SECONDS
            self._warn(f"{error}. The play goes on; what it shows is kept in memory and written when the status table can be used again")
            return
        self._waiting.clear()
        self._renew_at = time.monotonic() + max(1.0, lease_seconds / _RENEWALS_PER_LEASE)

    def _write_waiting(self, connection: sa.Connection, now: datetime) -> None:
        from . import attempts

        held_by_host = attempts.load_latest_of(connection, self._run.id, [seen.host for seen in self._waiting])
        for seen in self._waiting:
            for held in held_by_host.get(seen.host, ()):
                attempts.observe(connection, held, seen.code, seen.detail, seen.key, now, seen.counts)

    def _opened(self, wait_seconds: float) -> Database:
        from .database import open_database

        if self._database is None or self._database.wait_seconds != wait_seconds:
            opened = open_database(str(self._database_url), wait_seconds, create=False)
            if opened.missing:
                raise DatabaseUnavailableError(f"the status table {opened.shown}, in which this play began a distribution, is gone: put it back")
            self._database = opened
        return self._database


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _without_preamble(text: str) -> str:
    """ansible-core 2.19 and later begin with the news that a task, and a module in it, have failed. Who reads of a failure knows."""
    return text.strip().removeprefix("Task failed: ").removeprefix("Module failed: ")


def problem(result: Mapping[str, Any]) -> str:
    """The text of a failed result: the first failed item's where the task is a loop, and never what `no_log` hides."""
    items = result.get("results")
    if isinstance(items, list):
        failed = [item for item in items if isinstance(item, Mapping) and (item.get("failed") or item.get("unreachable"))]
        if failed:
            more = f" (and {len(failed) - 1} more items)" if len(failed) > 1 else ""
            return problem(failed[0]) + more
    if "censored" in result:
        return "the output is hidden by no_log"
    said = [_without_preamble(str(result[key])) for key in ("msg", "stderr", "module_stderr", "stdout", "module_stdout") if result.get(key)]
    if said:
        # A module that ran a program sums up in `msg` ("... failed"); the reason stands in the program's own words.
        return said[0] if len(said) == 1 or said[1] in said[0] else f"{said[0]}: {said[1]}"
    return "the task gave no message"
