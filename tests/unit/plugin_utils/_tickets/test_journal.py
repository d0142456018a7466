# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file in which alerts stand before the database has them."""

from __future__ import annotations

import os
import resource
import signal
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets import alert, journal
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets.journal import Batch, Journal, JournalError, Passed

pytestmark = pytest.mark.tickets


def _alert(text: str = "failed", key: str = "1") -> alert.Alert:
    return alert.make("web1", text, key=key, occurred_at=datetime.now(UTC), groups=["all"], origin={"task": "a\u2028b"}, fields={"state": "x"})


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    own = Journal(tmp_path / "new/dir", "run")
    kept = [_alert("line 1\nline 2 äöü \u2028 漢", "1"), _alert("b", "2")]
    passed = Passed("site.yml", ("web1", "web2"), datetime.now(UTC))
    for one in kept:
        own.add(one)
    own.add_passed(passed)
    batch = own.read()
    assert (batch.alerts, batch.passed, batch.unreadable) == (kept, [passed], [])
    own.drop()
    assert not own.read()
    own.close()
    assert list((tmp_path / "new/dir").iterdir()) == []


def test_what_a_living_run_writes_is_left_alone_and_a_dead_ones_is_taken(tmp_path: Path) -> None:
    ready, go = os.pipe()
    child = os.fork()
    if child == 0:
        own = Journal(tmp_path, "other")
        own.add(_alert())
        os.write(go, b"x")
        time.sleep(60)
        os._exit(0)
    try:
        os.read(ready, 1)
        with journal.left_over(tmp_path) as batch:
            assert not batch
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    with pytest.raises(RuntimeError), journal.left_over(tmp_path) as batch:
        assert len(batch.alerts) == 1
        raise RuntimeError("the database does not answer")
    with journal.left_over(tmp_path) as batch:
        assert len(batch.alerts) == 1, "what could not be recorded is still there"
    with journal.left_over(tmp_path) as batch:
        assert not batch


def test_a_process_that_outlives_its_run_does_not_keep_its_alerts(tmp_path: Path) -> None:
    ready, go = os.pipe()
    child = os.fork()
    if child == 0:
        own = Journal(tmp_path, "other")
        own.add(_alert())
        worker = os.fork()
        if worker == 0:
            os.write(go, b"%d" % os.getpid())
            time.sleep(60)
            os._exit(0)
        time.sleep(60)
        os._exit(0)
    worker = int(os.read(ready, 20))
    try:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        with journal.left_over(tmp_path) as batch:
            assert len(batch.alerts) == 1
    finally:
        os.kill(worker, signal.SIGKILL)


def test_what_a_run_left_that_was_killed_while_it_made_its_file_goes_after_a_while(tmp_path: Path) -> None:
    for name, age in (("old", 7200), ("young", 10)):
        (tmp_path / f"{name}.new").touch()
        os.utime(tmp_path / f"{name}.new", (time.time() - age, time.time() - age))
    with journal.left_over(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["young.new"]


def test_a_line_that_was_cut_off_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    own = Journal(tmp_path, "dead")
    own.add(_alert())
    own.close()
    (file,) = tmp_path.glob("*.alerts")
    with file.open("ab") as more:
        more.write(b'{"alert":{"device":"we')
    with journal.left_over(tmp_path) as batch:
        assert len(batch.alerts) == 1
        assert batch.unreadable == ['{"alert":{"device":"we']


def test_a_directory_that_cannot_be_written_is_told() -> None:
    own = Journal(Path("/proc/nowhere"), "run")
    with pytest.raises(JournalError, match=r"only in memory until the playbook ends: /proc/nowhere/run\.alerts cannot be written"):
        own.add(_alert())
    assert (len(own.read().alerts), own.unwritten) == (1, 1), "the database can still have it"
    own.drop()
    assert (own.read(), own.unwritten) == (Batch(), 0)
    with pytest.raises(JournalError, match=r"cannot be kept in /proc/nowhere/problems\.log"):
        journal.keep_problem(Path("/proc/nowhere"), "x")


def test_problems_are_kept_and_only_the_newest(tmp_path: Path) -> None:
    for number in range(205):
        journal.keep_problem(tmp_path, f"problem {number}\nof two lines")
    kept = journal.problems(tmp_path)
    assert len(kept) == 200
    assert kept[-1].endswith("UTC problem 204 of two lines")
    journal.keep_problem(tmp_path, "no file /srv/\udcfcber.yml")
    assert journal.problems(tmp_path)[-1].endswith("no file /srv/\\udcfcber.yml")


def test_a_line_for_which_there_is_no_space_does_not_spoil_the_next(tmp_path: Path) -> None:
    own = Journal(tmp_path, "run")
    own.add(_alert(key="1"))
    (file,) = tmp_path.glob("*.alerts")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        # What a disk does that has 50 bytes left: it takes the beginning.
        resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size + 50, before[1]))
        with pytest.raises(JournalError, match="the disk is full"):
            own.add(_alert(key="2"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    own.add(_alert(key="3"))
    kept = own.read()
    assert kept.unreadable == []
    assert {one.key for one in kept.alerts} == {_alert(key=key).key for key in "123"}, "the second from memory"
    own.let_go()
    with journal.left_over(tmp_path) as batch:
        assert [one.key for one in batch.alerts] == [_alert(key=key).key for key in "13"]


def test_more_files_of_dead_runs_than_a_process_may_open(tmp_path: Path) -> None:
    # As many as a schedule of every five minutes leaves in a day while nobody corrects a mistake in the rules.
    for number in range(300):
        own = Journal(tmp_path, f"run{number}")
        own.add(_alert(key=str(number)))
        own.close()
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    keys = set()
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (280, before[1]))
        more = True
        while more:
            with journal.left_over(tmp_path) as batch:
                keys |= {one.key for one in batch.alerts}
                more = batch.more
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert len(keys) == 300
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_opened_keeps_nobody_from_the_others(tmp_path: Path) -> None:
    own = Journal(tmp_path, "b")
    own.add(_alert())
    own.close()
    (tmp_path / "a.alerts").mkdir()
    with journal.left_over(tmp_path) as batch:
        assert len(batch.alerts) == 1
        assert batch.problems == [f"the alerts that an earlier run kept in {tmp_path}/a.alerts cannot be read: Is a directory"]
    assert [path.name for path in tmp_path.iterdir()] == ["a.alerts"]


def test_runs_that_begin_just_now_do_not_disturb_the_taking_in(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        try:
            for number in range(100_000):
                own = Journal(tmp_path, f"run{number}")
                own.add(_alert())
                own.drop()
                own.close()
        finally:
            os._exit(0)
    try:
        ends = time.monotonic() + 2
        while time.monotonic() < ends:
            with journal.left_over(tmp_path) as batch:
                assert not batch.alerts
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
