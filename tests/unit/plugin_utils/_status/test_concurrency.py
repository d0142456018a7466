# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several plays, each a process of its own, on one table at the same time; and a connection is never shared over a fork."""

from __future__ import annotations

import os
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from typing import Any

import pytest
from ansible_collections.fleetcast.core.plugins.plugin_utils._status import run
from ansible_collections.fleetcast.core.plugins.plugin_utils._status.database import Database, open_database
from ansible_collections.fleetcast.core.tests.unit.plugin_utils._status.table import Table, at_once, new_play

pytestmark = pytest.mark.push

_PLAYS = 6
_ROUNDS = 8
_HOSTS = tuple(f"h{number}" for number in range(40))


def _push_again_and_again(together: Barrier, url: str) -> None:
    together.wait(30)
    table = Table(open_database(url))
    for number in range(_ROUNDS):
        play = new_play()
        started = table.start(play, _HOSTS, name="shared", digest=f"{os.getpid()}-{number}")
        mine = sorted(started.attempts)
        refused = {**table.record_all(play, started.distribution_id, dict.fromkeys(mine, "dispatched"))}
        refused |= table.record_all(play, started.distribution_id, dict.fromkeys(mine[::2], "succeeded"))
        table.finish(play, started.distribution_id)
        # Another play's newer distribution may have suppressed what was pending; nothing else may come between.
        for refusal in refused.values():
            assert refusal.current == "suppressed", refusal


def test_plays_at_the_same_time_keep_the_table_whole(database_url: str) -> None:
    open_database(database_url)
    at_once(_PLAYS, _push_again_and_again, database_url)
    table = Table(open_database(database_url))
    identifiers = [identifier for (identifier,) in table.sql("SELECT id FROM distribution ORDER BY seq")]
    assert len(identifiers) == _PLAYS * _ROUNDS
    for identifier in identifiers:
        assert len(table.states(identifier)) == len(_HOSTS)
    assert table.sql("SELECT count(*) FROM target WHERE status IN ('pending', 'dispatched')") == [(0,)]
    # Every state follows from its accepted events, and the numbers of events have no gap.
    assert table.sql("SELECT attempt_id FROM status_event GROUP BY attempt_id HAVING max(seq) <> count(*)") == []
    pending = {entry["distribution"] for found in table.pending()["hosts"].values() for entry in found["pending"]}
    assert pending <= {identifiers[-1]}


def _use(database: Database, play: run.Run, distribution: str, host: str, results: Any) -> None:
    try:
        results.put(len(Table(database).record_all(play, distribution, {host: "dispatched"})))
    except BaseException as error:
        results.put(repr(error))


def test_a_database_that_was_opened_before_the_fork_serves_all_children(database: Database, play: run.Run) -> None:
    table = Table(database)
    distribution = table.start(play, _HOSTS).distribution_id
    context = get_context("fork")
    results = context.Queue()
    for round_ in range(0, len(_HOSTS), 8):
        with database.read() as connection:
            before = connection.exec_driver_sql("SELECT count(*) FROM attempt WHERE status = 'dispatched'").scalar()
            processes = [context.Process(target=_use, args=(database, play, distribution, host, results)) for host in _HOSTS[round_ : round_ + 8]]
            for process in processes:
                process.start()
            assert [results.get(timeout=60) for _ in processes] == [0] * 8
            for process in processes:
                process.join(30)
            # The parent's own connection is as it was, and so is its view.
            assert connection.exec_driver_sql("SELECT count(*) FROM attempt WHERE status = 'dispatched'").scalar() == before
    assert set(table.states(distribution).values()) == {"dispatched"}
