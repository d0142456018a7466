# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A job log is what was written to it, whole, and says what is lost when something is."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fleetcast.core.plugins.module_utils._joblog import log as log_file
from ansible_collections.fleetcast.core.plugins.module_utils._joblog.errors import (
    JobConflictError,
    JobDamagedError,
    JobError,
    JobLogError,
    JobMissingError,
)
from ansible_collections.fleetcast.core.plugins.module_utils._joblog.log import JobLogs
from ansible_collections.fleetcast.core.tests.unit.module_utils._joblog.jobs import ID, OTHER_ID, job

pytestmark = pytest.mark.redistribution


@pytest.fixture
def logs(tmp_path: Path) -> JobLogs:
    return JobLogs(str(tmp_path / "lib" / "jobs"))


@pytest.fixture
def opened(logs: JobLogs, tmp_path: Path) -> JobLogs:
    """A log with three records: opened, two results."""
    assert logs.open(ID, job(tmp_path / "tool.bin"))
    assert logs.record(ID, {"web1": {"status": "succeeded", "version": "1.2"}}) == ["web1"]
    assert logs.record(ID, {"web2": {"status": "unreachable", "detail": "no route to host"}}) == ["web2"]
    return logs


def _file(logs: JobLogs) -> Path:
    return Path(logs.folder(ID)) / "log"


def test_what_was_written_is_read_again(opened: JobLogs, tmp_path: Path) -> None:
    log = opened.read(ID)
    assert log.job == job(tmp_path / "tool.bin")
    assert log.results == {"web1": {"status": "succeeded", "version": "1.2"}, "web2": {"status": "unreachable", "detail": "no route to host"}}
    assert log.failures == ["web2"]
    assert log.closed_at is None
    assert opened.close(ID)
    assert not opened.close(ID)
    # A redistribution records after the end of the play.
    opened.record(ID, {"web2": {"status": "succeeded"}})
    log = opened.read(ID)
    assert log.closed_at is not None
    assert log.failures == []
    assert opened.distributions() == [ID]


def test_the_format_is_what_the_documentation_says(opened: JobLogs) -> None:
    """Read with nothing but the standard library's words: length, digest, JSON."""
    import hashlib

    for number, line in enumerate(_file(opened).read_bytes().splitlines(keepends=True), 1):
        length, digest, body = line[:-1].split(b" ", 2)
        assert line.endswith(b"\n")
        assert int(length, 16) == len(body)
        assert digest.decode() == hashlib.sha256(body).hexdigest()
        values = json.loads(body)
        assert values["n"] == number
        assert values["type"] == ("opened", "recorded", "recorded")[number - 1]
        if number == 1:
            assert values["data"]["format"] == 1


def test_only_its_owner_can_look_in(opened: JobLogs) -> None:
    assert stat.S_IMODE(Path(opened.path).stat().st_mode) == 0o700
    assert stat.S_IMODE(Path(opened.folder(ID)).stat().st_mode) == 0o700
    assert stat.S_IMODE(_file(opened).stat().st_mode) == 0o600
    Path(opened.path).chmod(0o755)
    opened.close(ID)
    assert stat.S_IMODE(Path(opened.path).stat().st_mode) == 0o700


def test_the_same_job_again_changes_nothing_and_another_is_refused(opened: JobLogs, tmp_path: Path) -> None:
    before = _file(opened).read_bytes()
    assert not opened.open(ID, job(tmp_path / "tool.bin"))
    with pytest.raises(JobConflictError, match="recipients differ"):
        opened.open(ID, job(tmp_path / "tool.bin", "web1"))
    assert _file(opened).read_bytes() == before


def test_a_result_that_is_no_news_is_not_written_again(opened: JobLogs) -> None:
    before = _file(opened).read_bytes()
    assert opened.record(ID, {"web1": {"status": "succeeded", "version": "1.2"}}) == []
    assert _file(opened).read_bytes() == before


def test_check_mode_writes_nothing(logs: JobLogs, tmp_path: Path) -> None:
    assert logs.open(ID, job(tmp_path / "tool.bin"), write=False)
    assert not Path(logs.path).exists()
    logs.open(ID, job(tmp_path / "tool.bin"))
    before = _file(logs).read_bytes()
    assert logs.record(ID, {"web1": {"status": "failed"}}, write=False) == ["web1"]
    assert logs.close(ID, write=False)
    assert _file(logs).read_bytes() == before


@pytest.mark.parametrize("cut", [1, 20, 90])
def test_a_torn_last_record_counts_as_never_written(opened: JobLogs, cut: int) -> None:
    whole = _file(opened).read_bytes()
    lines = whole.splitlines(keepends=True)
    _file(opened).write_bytes(whole[:-cut])
    log = opened.read(ID)
    assert log.dropped == len(lines[2]) - cut
    assert log.failures == ["web2"]
    assert "web2" not in log.results
    opened.record(ID, {"web2": {"status": "failed", "detail": "again"}})
    assert opened.read(ID).dropped == 0
    assert opened.read(ID).results["web2"]["detail"] == "again"
    assert _file(opened).read_bytes().startswith(b"".join(lines[:2]))


def test_a_tail_of_zeros_is_torn_too(opened: JobLogs) -> None:
    """What a file system may leave that had grown the file before the data was on the disk."""
    with _file(opened).open("ab") as file:
        file.write(bytes(300))
    assert opened.read(ID).dropped == 300
    assert opened.read(ID).failures == ["web2"]


@pytest.mark.parametrize(
    ("line", "lost"),
    [
        (0, r"the commands, the distribution list and the package list of this job are lost; 2 later records are intact"),
        (1, r"recorded after record 1 \(opened, .*\) and before record 3 \(recorded, .*\) is lost"),
    ],
)
def test_damage_before_the_end_says_what_is_lost(opened: JobLogs, line: int, lost: str) -> None:
    lines = _file(opened).read_bytes().splitlines(keepends=True)
    lines[line] = lines[line][:80] + bytes([lines[line][80] ^ 1]) + lines[line][81:]
    _file(opened).write_bytes(b"".join(lines))
    with pytest.raises(JobDamagedError, match=lost):
        opened.read(ID)
    with pytest.raises(JobDamagedError):
        opened.record(ID, {"web1": {"status": "failed"}})


def test_a_record_that_is_gone_is_noticed(opened: JobLogs) -> None:
    lines = _file(opened).read_bytes().splitlines(keepends=True)
    _file(opened).write_bytes(lines[0] + lines[2])
    with pytest.raises(JobDamagedError, match=r"record 3 .* follows record 1, what was between is lost"):
        opened.read(ID)


def test_two_bad_records_at_the_end_are_no_torn_one(opened: JobLogs) -> None:
    lines = _file(opened).read_bytes().splitlines(keepends=True)
    _file(opened).write_bytes(lines[0] + lines[1].replace(b"web1", b"webX") + lines[2].replace(b"web2", b"webX"))
    with pytest.raises(JobDamagedError, match=r"after record 1 .* to its end is lost"):
        opened.read(ID)


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"garbage\n"])
def test_a_log_without_a_whole_record(opened: JobLogs, content: bytes) -> None:
    _file(opened).write_bytes(content)
    with pytest.raises(JobDamagedError, match="the distribution list and the package list of this job are lost"):
        opened.read(ID)


def test_a_log_of_a_later_format_is_not_guessed_at(opened: JobLogs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_file, "FORMAT", 2)
    with pytest.raises(JobDamagedError, match="format 1, this host's code knows 2"):
        opened.read(ID)


def test_no_log(logs: JobLogs) -> None:
    with pytest.raises(JobMissingError, match=f"no job log .*{ID}"):
        logs.read(ID)
    with pytest.raises(JobMissingError):
        logs.record(ID, {})
    assert logs.distributions() == []


@pytest.mark.parametrize("name", ["", "..", "a/b", ".hidden", "x" * 65, "a\nb"])
def test_an_identifier_is_no_path(logs: JobLogs, name: str) -> None:
    with pytest.raises(JobError, match="no identifier"):
        logs.folder(name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"recipients": []}, "no recipients"),
        ({"packages": []}, "one artifact"),
        ({"name": 7}, "must have name, a str"),
        ({"command": "rm -rf /"}, "cannot have command"),
        ({"recipients": [{"name": "a", "dest": "/x"}] * 2}, "recipients twice: a"),
        ({"recipients": [{"name": "a"}]}, "a must have dest"),
    ],
)
def test_what_is_no_job_is_refused(logs: JobLogs, tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(JobError, match=message):
        logs.open(ID, job(tmp_path / "tool.bin", **change))
    assert logs.distributions() == []


@pytest.mark.parametrize(
    ("change", "message"),
    [({"path": "tool.bin"}, "full path"), ({"digest": "0" * 64}, "not those of its manifest"), ({"size": 1}, "not those"), ({"manifest": "x"}, "no manifest")],
)
def test_a_package_must_be_what_its_manifest_says(logs: JobLogs, tmp_path: Path, change: dict[str, Any], message: str) -> None:
    wanted = job(tmp_path / "tool.bin")
    wanted["packages"][0].update(change)
    with pytest.raises(JobError, match=message):
        logs.open(ID, wanted)


def test_results_of_strangers_and_of_unknown_kind_are_refused(opened: JobLogs) -> None:
    with pytest.raises(JobLogError, match="web9: not in the distribution list"):
        opened.record(ID, {"web9": {"status": "failed"}})
    with pytest.raises(JobError, match="has the status 'fine'"):
        opened.record(ID, {"web1": {"status": "fine"}})
    with pytest.raises(JobError, match="cannot have message"):
        opened.record(ID, {"web1": {"status": "failed", "message": "x"}})


def test_a_full_disk_leaves_the_log_as_it_was(opened: JobLogs, monkeypatch: pytest.MonkeyPatch) -> None:
    before = _file(opened).read_bytes()
    real = os.pwrite

    def half(fd: int, data: Any, offset: int) -> int:
        if offset > len(before):
            raise OSError(28, "No space left on device")
        return real(fd, bytes(data)[: len(data) // 2], offset)

    monkeypatch.setattr(os, "pwrite", half)
    with pytest.raises(JobLogError, match=r"No space left on device. It is as it was before"):
        opened.record(ID, {"web2": {"status": "failed", "detail": "other"}})
    monkeypatch.undo()
    assert _file(opened).read_bytes() == before


def test_another_writer_is_waited_for_and_not_for_ever(opened: JobLogs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_file, "LOCK_SECONDS", 0)
    with opened.locked(True), pytest.raises(JobLogError, match="another process has held the job logs"):
        opened.close(ID)


def test_two_jobs_do_not_touch_each_other(opened: JobLogs, tmp_path: Path) -> None:
    opened.open(OTHER_ID, job(tmp_path / "tool.bin", "web7"))
    _file(opened).write_bytes(b"")
    assert opened.read(OTHER_ID).failures == ["web7"]
    assert opened.distributions() == [ID, OTHER_ID]
