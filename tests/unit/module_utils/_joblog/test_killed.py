# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kill -9 at every write of the job log: what is left makes a correct plan, or a clear error that says what is lost.

A child opens a log, records results and closes it, and kills itself before its n-th write, or after half of the bytes of it. For each n
until it gets through, the log is read, a redistribution is planned from it, and the job is done again.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fleetcast.core.plugins.module_utils._joblog.errors import JobMissingError, LostError
from ansible_collections.fleetcast.core.plugins.module_utils._joblog.log import JobLogs
from ansible_collections.fleetcast.core.plugins.module_utils._joblog.planning import Plan, Request, make_plan
from ansible_collections.fleetcast.core.tests.unit.module_utils._joblog.jobs import ID, job

pytestmark = pytest.mark.redistribution

_RESULTS = ({"web1": {"status": "succeeded"}}, {"web2": {"status": "failed", "detail": "No space left on device"}})


class _Killer:
    """Ends this process with SIGKILL at its n-th write; `torn`: after half of the bytes."""

    def __init__(self, at: int, torn: bool) -> None:
        self._left, self._torn = at, torn

    def watch(self) -> None:
        for name in ("pwrite", "fsync", "rename", "mkdir", "ftruncate"):
            setattr(os, name, self._watched(name, getattr(os, name)))

    def _watched(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arguments: Any, **options: Any) -> Any:
            self._left -= 1
            if self._left == 0:
                if self._torn and name == "pwrite":
                    fd, data, offset = arguments
                    real(fd, bytes(data)[: len(data) // 2], offset)
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **options)

        return watched


def _work(logs: JobLogs, wanted: dict[str, Any]) -> None:
    logs.open(ID, wanted)
    for results in _RESULTS:
        logs.record(ID, results)
    logs.close(ID)


def _in_child(logs: JobLogs, wanted: dict[str, Any], at: int, torn: bool) -> bool:
    """Whether the child got to its end."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            _Killer(at, torn).watch()
            _work(logs, wanted)
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return False
    assert os.WEXITSTATUS(status) == 0
    return True


def _plan(logs: JobLogs) -> Plan:
    """What the recipients answer does not depend on the log: one has it, one has not."""
    answers = {"web1": {"state": "complete", "missing_bytes": 0}, "web2": {"state": "absent", "missing_bytes": 8000}}
    return make_plan(logs, Request(ID, "depot1", answers, None, False, 3600, None))


@pytest.mark.parametrize("torn", [False, True], ids=["before the write", "in the middle of the write"])
def test_killed_at_every_write(tmp_path: Path, torn: bool) -> None:
    wanted = job(tmp_path / "tool.bin")
    at, done, planned, lost = 0, False, 0, 0
    while not done:
        at += 1
        assert at < 200
        logs = JobLogs(str(tmp_path / f"jobs{at}"))
        done = _in_child(logs, wanted, at, torn)
        try:
            log = logs.read(ID)
        except JobMissingError:
            # It had not been opened, so nothing had been sent.
            with pytest.raises(LostError, match=f"there is no job log .*{ID}"):
                _plan(logs)
            lost += 1
        else:
            assert log.job == wanted
            # What is there is a beginning of what was written, never anything else.
            told: list[dict[str, Any]] = [{}, _RESULTS[0], {**_RESULTS[0], **_RESULTS[1]}]
            assert log.results in told
            plan = _plan(logs).values
            assert [one["name"] for one in plan["recipients"]] == ["web2"]
            assert [command["do"] for command in plan["commands"]] == ["send", "place_and_install"]
            planned += 1
        # The play runs again, and so does a redistribution: the log takes it.
        _work(logs, wanted)
        log = logs.read(ID)
        assert log.results == {**_RESULTS[0], **_RESULTS[1]}
        assert log.closed_at is not None
        assert log.dropped == 0
    assert lost >= 4
    assert planned >= 6
