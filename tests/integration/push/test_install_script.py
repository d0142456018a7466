# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scripts and archives: run and unpacked once, verified, and left alone when they are in place."""

from __future__ import annotations

import tarfile

import pytest
from ansible_collections.fleetcast.core.tests.integration.push.project import Project

pytestmark = [pytest.mark.push, pytest.mark.lab, pytest.mark.timeout(400)]

_HOSTS = ["host1", "host2"]
_LIMIT = ("--limit", "host1,host2")


def test_a_script_runs_where_its_mark_is_missing(project: Project) -> None:
    mark = f"{project.destination}mark"
    script = project.directory / "setup-1.0.sh"
    script.write_text('#!/bin/sh\nset -e\n[ "$1" = "a b" ]\necho run >> "$2"\n', encoding="utf-8")
    script.chmod(0o755)
    options = {"fleetcast_install": "script", "fleetcast_install_args": ["a b", mark], "fleetcast_install_creates": mark}

    project.push(script, *_LIMIT, **options).done()
    assert [project.exec(host, "cat", mark) for host in _HOSTS] == ["run\n", "run\n"]
    project.all_states("succeeded", _HOSTS)

    project.exec("host2", "rm", mark)
    assert project.push(script, *_LIMIT, **options).done().changed() == {"host2"}
    assert [project.exec(host, "cat", mark) for host in _HOSTS] == ["run\n", "run\n"]
    assert project.states(2) == {"host1": "already_installed", "host2": "succeeded"}


def test_a_script_is_judged_by_the_command_that_verifies(project: Project) -> None:
    mark = f"{project.destination}mark"
    project.exec("host2", "mkdir", "-p", f"{mark}")
    script = project.directory / "setup-1.1.sh"
    # It ends well on both hosts, and does its work on one.
    script.write_text(f"#!/bin/sh\n[ -d {mark} ] || echo done > {mark}\n", encoding="utf-8")
    script.chmod(0o755)
    played = project.push(
        script, *_LIMIT, fleetcast_install="script", fleetcast_install_verify=["grep", "-q", "done", mark],
    )
    assert played.failed() == {"host2"}
    assert project.states(2) == {"host1": "succeeded", "host2": "failed"}
    assert "was installed without an error, but" in project.rows("detail")["host2"]


def test_a_script_that_fails_says_what_it_wrote(project: Project) -> None:
    script = project.directory / "setup-1.2.sh"
    script.write_text("#!/bin/sh\necho 'no room for the database' >&2\nexit 4\n", encoding="utf-8")
    script.chmod(0o755)
    project.push(script, "--limit", "host1", fleetcast_install="script")
    assert project.states(1) == {"host1": "failed"}
    assert "no room for the database" in project.rows("detail")["host1"]


def test_an_archive_is_unpacked_once(project: Project) -> None:
    content = project.file("content.bin", 300_000)
    archive = project.directory / "bundle-1.0.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(content, "inside/content.bin")
    target = f"{project.destination}unpacked"
    for host in _HOSTS:
        project.exec(host, "mkdir", "-p", target)
    options = {"fleetcast_install": "archive", "fleetcast_install_dest": target}

    assert project.push(archive, *_LIMIT, **options).done().changed() == set(_HOSTS)
    for host in _HOSTS:
        assert project.exec(host, "sha256sum", f"{target}/inside/content.bin").split()[0] == project.sum_of(content)
    project.all_states("succeeded", _HOSTS)

    # What was altered since is put right from the archive that lies on the host; elsewhere nothing is done.
    project.write("host2", f"{target}/inside/content.bin", "altered\n")
    assert project.push(archive, *_LIMIT, **options).done().changed() == {"host2"}
    assert project.exec("host2", "sha256sum", f"{target}/inside/content.bin").split()[0] == project.sum_of(content)
    assert project.states(2) == {"host1": "already_installed", "host2": "succeeded"}
