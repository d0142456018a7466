# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever plays do, in whatever order, the table adds up and keeps its history. Hypothesis looks for a sequence that breaks it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from ansible_collections.fleetcast.core.plugins.plugin_utils._status import distributions, queries, run, states
from ansible_collections.fleetcast.core.plugins.plugin_utils._status.attempts import Report
from ansible_collections.fleetcast.core.plugins.plugin_utils._status.database import Database, open_database
from ansible_collections.fleetcast.core.tests.postgresql import PostgreSQL
from ansible_collections.fleetcast.core.tests.unit.plugin_utils._status.table import Table, new_play
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

pytestmark = pytest.mark.push

_HOSTS = ("a", "b", "c")
_TABLES = ("failure_event", "failure_record", "status_event", "target", "attempt", "distribution", "artifact", "device", "run")
_SOME = st.sets(st.sampled_from(_HOSTS), min_size=1)


class Plays(RuleBasedStateMachine):
    """Two plays and time, on one table. The model is what it has been told and what it has seen end."""

    database: Database

    def __init__(self) -> None:
        super().__init__()
        self.table = Table(self.database)
        with self.database.write() as connection:
            for name in _TABLES:
                connection.execute(sa.text(f"DELETE FROM {name}"))  # noqa: S608 - our names
        self.plays = [new_play(), new_play()]
        self.distributions: list[str] = []
        self.ended: dict[int, str] = {}
        self.seconds = 0.0

    @rule(play=st.integers(0, 1), hosts=_SOME, name=st.sampled_from(["x", "y"]), digest=st.sampled_from(["1", "2"]))
    def start(self, play: int, hosts: set[str], name: str, digest: str) -> None:
        started = self.table.start(self.plays[play], sorted(hosts), name, digest, at=self.seconds)
        self.each_host_is_somewhere(started, hosts)
        if started.distribution_id not in self.distributions:
            self.distributions.append(started.distribution_id)

    @precondition(lambda self: self.distributions)
    @rule(play=st.integers(0, 1), which=st.integers(0, 20), hosts=_SOME)
    def retry(self, play: int, which: int, hosts: set[str]) -> None:
        distribution = self.distributions[which % len(self.distributions)]
        started = self.table.retry(self.plays[play], distribution, sorted(hosts), at=self.seconds)
        self.each_host_is_somewhere(started, hosts)

    def each_host_is_somewhere(self, started: distributions.Started, hosts: set[str]) -> None:
        assert sorted([*started.attempts, *started.completed, *started.ended, *started.busy, *started.superseded]) == sorted(hosts)

    @precondition(lambda self: self.distributions)
    @rule(play=st.integers(0, 1), which=st.integers(0, 20), said=st.dictionaries(st.sampled_from(_HOSTS), st.sampled_from(states.REPORTABLE), min_size=1))
    def record(self, play: int, which: int, said: dict[str, str]) -> None:
        distribution = self.distributions[which % len(self.distributions)]
        before = self.current(distribution)
        refused = self.table.record_all(self.plays[play], distribution, {host: Report(state) for host, state in said.items()}, at=self.seconds)
        after = self.current(distribution)
        for host, state in said.items():
            if host in refused:
                assert after.get(host) == before.get(host)
            else:
                assert after[host] == state or (state == "unreachable" and after[host] == "failed")

    def current(self, distribution: str) -> dict[str, str]:
        query = "SELECT d.name, t.status FROM target t JOIN device d ON d.id = t.device_id WHERE t.distribution_id = :id"
        return dict(self.table.sql(query, id=distribution))

    @precondition(lambda self: self.distributions)
    @rule(play=st.integers(0, 1), which=st.integers(0, 20), hosts=st.none() | _SOME)
    def finish(self, play: int, which: int, hosts: set[str] | None) -> None:
        self.table.finish(self.plays[play], self.distributions[which % len(self.distributions)], hosts)

    @rule(seconds=st.sampled_from([1.0, 30.0, 200.0]))
    def time_passes(self, seconds: float) -> None:
        self.seconds += seconds
        self.table.reconcile(at=self.seconds)

    @invariant()
    def the_table_adds_up_and_keeps_its_history(self) -> None:
        with self.database.read() as connection:
            content = {name: connection.execute(sa.text(f"SELECT * FROM {name}")).mappings().all() for name in _TABLES}  # noqa: S608 - our names
            status = {distribution: queries.status(connection, queries.distribution_row(connection, distribution)) for distribution in self.distributions}
            pending = queries.pending(connection, None)["hosts"]
        attempts = {row["id"]: row for row in content["attempt"]}
        of_target = {(row["distribution_id"], row["device_id"]): row for row in content["target"]}
        self.counts_add_up(content["target"], attempts, status)
        self.what_has_ended_stays_as_it_ended(attempts)
        self.failures_are_recorded_as_long_as_they_last(content)
        self.accepted_events_lead_to_the_state(content["status_event"], attempts)
        for row in attempts.values():
            target = of_target[row["distribution_id"], row["device_id"]]
            current = attempts[target["current_attempt_id"]]
            assert row is current or (row["attempt_no"] < current["attempt_no"] and row["status"] in states.TERMINAL)
            assert (row["finished_at"] is not None) == (row["status"] in states.TERMINAL) == (row["lease_expires_at"] is None)
        seqs = {row["id"]: (row["seq"], row["name"]) for row in content["distribution"]}
        names = {row["id"]: row["name"] for row in content["device"]}
        newest: dict[tuple[str, str], str] = {}
        for distribution, device in sorted(of_target, key=lambda key: seqs[key[0]]):
            newest[names[device], seqs[distribution][1]] = distribution
        for host, found in pending.items():
            for entry in found["pending"]:
                assert newest[host, entry["name"]] == entry["distribution"]

    def failures_are_recorded_as_long_as_they_last(self, content: dict[str, Sequence[Any]]) -> None:
        records = {(row["distribution_id"], row["device_id"]): row for row in content["failure_record"]}
        for row in content["target"]:
            record = records.pop((row["distribution_id"], row["device_id"]), None)
            if row["status"] in ("failed", "unreachable", "timed_out", "unknown", "canceled"):
                assert record is not None and record["status"] in ("open", "regressed")
                assert record["attempt_id"] == row["current_attempt_id"]
            elif row["status"] in ("succeeded", "already_installed", "suppressed"):
                assert record is None or record["status"] == "resolved"
        assert records == {}
        reached: dict[int, str] = {}
        for event in sorted(content["failure_event"], key=lambda row: (row["failure_id"], row["seq"])):
            assert reached.get(event["failure_id"]) == event["from_status"]
            reached[event["failure_id"]] = event["to_status"]
        assert reached == {row["id"]: row["status"] for row in content["failure_record"]}

    def counts_add_up(self, targets: Sequence[Any], attempts: dict[int, Any], status: dict[str, Any]) -> None:
        for row in targets:
            assert row["status"] == attempts[row["current_attempt_id"]]["status"]
        for distribution, shown in status.items():
            rows = [row["status"] for row in targets if row["distribution_id"] == distribution]
            assert {state: rows.count(state) for state in set(rows)} == shown["counts"]
            assert sum(shown["counts"].values()) == shown["total_hosts"] == len(rows) == len(shown["hosts"])
            assert shown["completed"] + shown["not_completed"] + shown["counts"].get("suppressed", 0) == len(rows)

    def what_has_ended_stays_as_it_ended(self, attempts: dict[int, Any]) -> None:
        for attempt, state in self.ended.items():
            assert attempts[attempt]["status"] == state
        self.ended = {attempt: row["status"] for attempt, row in attempts.items() if row["status"] in states.TERMINAL}

    def accepted_events_lead_to_the_state(self, events: Sequence[Any], attempts: dict[int, Any]) -> None:
        reached: dict[int, str | None] = {}
        for event in sorted(events, key=lambda row: (row["attempt_id"], row["seq"])):
            if event["accepted"]:
                assert reached.get(event["attempt_id"]) == event["from_status"]
                reached[event["attempt_id"]] = event["to_status"]
        assert reached == {attempt: row["status"] for attempt, row in attempts.items()}


@contextmanager
def _database(kind: str, request: pytest.FixtureRequest) -> Iterator[Database]:
    if kind == "postgresql":
        server: PostgreSQL = request.getfixturevalue("postgresql")
        yield open_database(server.new_database())
        return
    # In memory: thousands of transactions, each synced to a disk, would test the disk.
    directory = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - a private directory is made in it
    with tempfile.TemporaryDirectory(dir=directory) as place:
        yield open_database(f"sqlite:///{place}/status.db")


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_plays_in_any_order(kind: str, request: pytest.FixtureRequest) -> None:
    assert run.current is None
    with _database(kind, request) as database:
        machine = type("PlaysOnOneTable", (Plays,), {"database": database})
        run_state_machine_as_test(
            machine,
            settings=settings(max_examples=25 if kind == "sqlite" else 10, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)),
        )
