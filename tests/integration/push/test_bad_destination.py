# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Destinations that cannot take the artifact: the host says so before anything is sent, and the others get it."""

from __future__ import annotations

import pytest
from ansible_collections.fleetcast.core.tests.integration.push.project import Project

pytestmark = [pytest.mark.push, pytest.mark.lab, pytest.mark.timeout(400)]


def test_a_destination_that_may_not_be_written(project: Project) -> None:
    source = project.file()
    for host in project.lab.hosts:
        project.exec(host, "install", "-d", "-o", "root" if host == "host2" else "fleet", "-m", "755", project.destination)
    played = project.push(source, "--user", "fleet", ansible_user="fleet")
    assert played.failed() == {"host2"}, played.output
    project.assert_arrived(source, ["host1", "host3"])
    assert project.states() == {"host1": "succeeded", "host2": "failed", "host3": "succeeded"}
    detail = project.rows("detail")["host2"]
    assert project.destination.rstrip("/") in detail
    assert "ermission denied" in detail or "not writable" in detail, detail


def test_a_disk_that_is_full(project: Project) -> None:
    size = 60_000_000
    source = project.file("big.bin", size)
    project.lab.host("host2").set_disk(40_000_000)
    played = project.push(source)
    assert played.failed() == {"host2"}, played.output
    project.assert_arrived(source, ["host1", "host3"])
    assert project.states() == {"host1": "succeeded", "host2": "failed", "host3": "succeeded"}
    assert "No space left" in project.rows("detail")["host2"] or "no room" in project.rows("detail")["host2"], project.rows("detail")
    assert project.rows("code")["host2"] == "disk"
    assert project.rows("bytes_unicast")["host2"] == 0, "sending it again would not have helped"
    assert project.listing("host2") in ([], ["big.bin"]) or project.sums("big.bin", ["host2"]) == {"host2": ""}

    # A larger disk, and the host can be finished.
    project.lab.host("host2").set_disk(200_000_000)
    project.catch_up("host2").done()
    project.assert_arrived(source)
    project.all_states("succeeded")
    assert not project.leftovers("host2")


def test_a_directory_where_a_file_is_asked(project: Project) -> None:
    source = project.file()
    dest = f"{project.destination}app"
    for host in ("host1", "host2"):
        project.exec(host, "mkdir", "-p", project.destination)
    # A directory takes the name of the source; but that name is a directory too.
    project.exec("host2", "mkdir", "-p", f"{dest}/{source.name}/inner")
    played = project.push(source, "--limit", "host1,host2", fleetcast_dest=dest)
    assert played.failed() == {"host2"}, played.output
    assert project.states(2) == {"host1": "succeeded", "host2": "failed"}
    assert project.sums("app", ["host1"]) == {"host1": project.sum_of(source)}
    detail = project.rows("detail")["host2"]
    assert f"{dest}/{source.name}" in detail
    assert "is a directory" in detail
    project.exec("host2", "test", "-d", f"{dest}/{source.name}/inner")


def test_a_file_where_a_directory_is_asked(project: Project) -> None:
    tree = project.directory / "tree"
    tree.mkdir()
    (tree / "file").write_bytes(b"x" * 100_000)
    project.write("host2", f"{project.destination}tree", "a file\n")
    played = project.push(tree, "--limit", "host1,host2")
    assert played.failed() == {"host2"}, played.output
    assert project.states(2) == {"host1": "succeeded", "host2": "failed"}
    assert f"{project.destination}tree" in project.rows("detail")["host2"]
    assert project.exec("host2", "cat", f"{project.destination}tree") == "a file\n"
