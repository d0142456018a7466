# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Old logs go, with the packages that nobody else needs; a log with a recipient that lacks something stays."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.fleetcast.core.plugins.module_utils._joblog.errors import JobLogError
from ansible_collections.fleetcast.core.plugins.module_utils._joblog.log import JobLogs
from ansible_collections.fleetcast.core.plugins.module_utils._joblog.retention import Pruned, prune, seconds
from ansible_collections.fleetcast.core.tests.unit.module_utils._joblog.jobs import job

pytestmark = pytest.mark.redistribution


class _Server:
    """Logs and a store of packages; a job is one recipient, web1, and a package of its own unless said otherwise."""

    def __init__(self, folder: Path) -> None:
        self.logs = JobLogs(str(folder / "jobs"))
        self.store = folder / "packages"

    def job(self, name: str, status: str = "succeeded", *, package: str | None = None, called: str | None = None) -> Path:
        path = self.store / (package or name) / "tool.bin"
        self.logs.open(name, job(path, "web1", name=called or name))
        self.logs.record(name, {"web1": {"status": status}})
        return path

    def prune(self, max_age: float | None = None, max_bytes: int | None = None, write: bool = True) -> Pruned:
        return prune(self.logs, str(self.store), max_age, max_bytes, write)


@pytest.fixture
def server(tmp_path: Path) -> _Server:
    return _Server(tmp_path)


def test_by_age(server: _Server) -> None:
    package = server.job("one")
    assert server.prune(max_age=3600).removed == []
    dry = server.prune(max_age=0, write=False)
    assert dry.removed == ["one"]
    assert server.logs.distributions() == ["one"]
    assert package.exists()
    pruned = server.prune(max_age=0)
    assert pruned == dry
    assert pruned.packages == [str(package)]
    assert pruned.bytes_left == 0
    assert server.logs.distributions() == []
    assert list(server.store.iterdir()) == []


def test_by_space_the_oldest_first(server: _Server) -> None:
    for name in ("one", "two", "three"):
        server.job(name)
    size = server.prune(max_bytes=10**9).bytes_left
    assert 3 * 8000 < size < 3 * 10000
    assert server.prune(max_bytes=size).removed == []
    assert server.prune(max_bytes=size - 1).removed == ["one"]
    assert server.prune(max_bytes=0).removed == ["two", "three"]


@pytest.mark.parametrize("status", ["failed", "unreachable", "unknown", "canceled", "transferring"])
def test_a_log_with_an_open_failure_stays(server: _Server, status: str) -> None:
    package = server.job("one", status)
    pruned = server.prune(max_age=0, max_bytes=0)
    assert pruned.removed == []
    assert pruned.kept == {"one": "1 recipients do not have it: web1"}
    assert package.exists()
    server.logs.record("one", {"web1": {"status": "suppressed"}})
    assert server.prune(max_age=0).removed == ["one"]


def test_a_newer_job_of_the_same_name_takes_failures_over(server: _Server) -> None:
    server.job("one", "failed", called="tool")
    server.job("two", "failed", called="tool")
    assert server.prune(max_age=0).removed == ["one"]
    assert server.logs.distributions() == ["two"]


def test_a_package_stays_as_long_as_somebody_needs_it(server: _Server) -> None:
    shared = server.job("one", package="shared")
    server.job("two", "failed", package="shared")
    pruned = server.prune(max_age=0)
    assert (pruned.removed, pruned.packages) == (["one"], [])
    assert shared.exists()


def test_a_package_elsewhere_is_never_touched(server: _Server, tmp_path: Path) -> None:
    package = tmp_path / "srv" / "tool.bin"
    server.logs.open("one", job(package, "web1"))
    server.logs.record("one", {"web1": {"status": "succeeded"}})
    assert server.prune(max_age=0).packages == []
    assert package.exists()


def test_a_damaged_log_stays_and_so_do_all_packages(server: _Server) -> None:
    package = server.job("one")
    server.job("two")
    (Path(server.logs.folder("two")) / "log").write_bytes(b"damaged\n")
    pruned = server.prune(max_age=0)
    assert (pruned.removed, pruned.packages) == (["one"], [])
    assert "are lost" in pruned.kept["two"]
    assert package.exists()


def test_what_a_killed_process_left_is_swept(server: _Server) -> None:
    server.job("one")
    jobs = Path(server.logs.path)
    (jobs / ".removed-two").mkdir()
    (jobs / ".removed-two" / "log").write_bytes(b"x")
    (jobs / "three").mkdir()
    (jobs / "three" / "log.new").write_bytes(b"x")
    server.prune(max_age=3600)
    assert sorted(path.name for path in jobs.iterdir()) == [".lock", "one"]


def test_ages() -> None:
    assert [seconds(text) for text in ("5s", "2m", "1h", "90d", "1w")] == [5, 120, 3600, 90 * 86400, 604800]
    for text in ("", "90", "d", "1y", "-1d"):
        with pytest.raises(JobLogError, match="is no age"):
            seconds(text)
