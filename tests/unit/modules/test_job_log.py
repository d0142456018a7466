# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules of the job log, each a process of its own, with any Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fleetcast.core.tests.unit.module_process import PYTHONS, run_module
from ansible_collections.fleetcast.core.tests.unit.module_utils._joblog.jobs import ID, job

pytestmark = pytest.mark.redistribution


@pytest.mark.parametrize("python", PYTHONS, ids=["newest", "oldest"][: len(PYTHONS)])
def test_a_job_from_its_opening_to_its_removal(tmp_path: Path, python: str) -> None:
    package = tmp_path / "packages" / "tool.bin"
    wanted = job(package)

    def log(state: str, *, check: bool = False, **options: Any) -> dict[str, Any]:
        result = run_module("job_log", {"path": str(tmp_path / "jobs"), "distribution": ID, "state": state, **options}, python=python, check=check)
        assert "manifest" not in str(result.get("invocation")) or wanted["packages"][0]["manifest"] not in str(result)
        return result

    def info(**options: Any) -> dict[str, Any]:
        jobs = run_module("job_log_info", {"path": str(tmp_path / "jobs"), "distribution": ID, **options}, python=python)["jobs"]
        assert len(jobs) == 1
        return dict(jobs[0])

    assert log("recorded", results={})["reason"] == "missing"
    assert info()["state"] == "missing"
    assert log("opened", job=wanted, check=True)["changed"]
    assert info()["state"] == "missing"
    assert log("opened", job=wanted)["changed"]
    assert not log("opened", job=wanted)["changed"]
    other = log("opened", job={**wanted, "name": "other"})
    assert (other["failed"], other["reason"]) == (True, "conflict")
    assert log("recorded", results={"web1": {"status": "succeeded", "bytes_multicast": 8000}, "web2": {"status": "failed"}})["recorded"] == ["web1", "web2"]
    assert log("recorded", results={"web1": {"status": "succeeded", "bytes_multicast": 8000}})["changed"] is False
    assert log("closed")["changed"]
    read = info(verify=True)
    assert (read["state"], read["failures"], read["packages"][0]["problem"]) == ("ok", ["web2"], "")
    assert read["job"] == {key: value for key, value in wanted.items() if key != "packages"}
    assert read["results"]["web1"] == {"status": "succeeded", "bytes_multicast": 8000}
    package.write_bytes(b"other")
    assert "tool.bin has 5 bytes with sha256" in info(verify=True)["packages"][0]["problem"]
    package.unlink()
    assert "does not exist" in info(verify=True)["packages"][0]["problem"]
    assert log("pruned", max_age="0s")["kept"] == {ID: "1 recipients do not have it: web2"}
    log("recorded", results={"web2": {"status": "succeeded"}})
    assert log("pruned", max_age="0s", check=True)["removed"] == [ID]
    assert log("pruned", max_age="0s", packages_path=str(tmp_path))["packages_removed"] == [str(package)]
    assert run_module("job_log_info", {"path": str(tmp_path / "jobs")}, python=python)["jobs"] == []


def test_a_damaged_log_is_told_and_named(tmp_path: Path) -> None:
    arguments = {"path": str(tmp_path), "distribution": ID}
    run_module("job_log", {**arguments, "state": "opened", "job": job(tmp_path / "packages" / "tool.bin")})
    (tmp_path / ID / "log").write_bytes(b"")
    assert "the distribution list" in run_module("job_log_info", arguments)["jobs"][0]["problem"]
    assert run_module("job_log", {**arguments, "state": "closed"})["reason"] == "damaged"
