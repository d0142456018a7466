# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directory trees arrive as they are: names, modes, times, links, and what is empty."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import pytest
from ansible_collections.fleetcast.core.tests.integration.push.project import Project

pytestmark = [pytest.mark.push, pytest.mark.lab, pytest.mark.timeout(400)]

_HOSTS = ["host1", "host2"]
_LIMIT = ("--limit", "host1,host2")
#: Type, mode, size of files, time of files, path and link target of all below a directory.
_LIST = ["find", ".", "-mindepth", "1", "(", "-type", "f", "-printf", r"%y %m %s %T@ %P\n", "-o", "-type", "l", "-printf", r"%y %P -> %l\n",
         "-o", "-printf", r"%y %m %P\n", ")"]


def _make_tree(root: Path) -> None:
    content = random.Random(3)
    (root / "bin").mkdir(parents=True)
    (root / "empty directory").mkdir()
    (root / "größe/日本").mkdir(parents=True)
    (root / "bin/tool").write_bytes(content.randbytes(1_200_000))
    (root / "bin/tool").chmod(0o751)
    (root / "größe/日本/naïve file.txt").write_bytes(content.randbytes(5_000))
    (root / "größe/日本/naïve file.txt").chmod(0o640)
    (root / "none").touch()
    (root / "-rf *").write_text("a name for careless shells\n", encoding="utf-8")
    (root / "link").symlink_to("bin/tool")
    (root / "dangling").symlink_to("/nowhere/at all")
    (root / "größe").chmod(0o2750)
    for number, path in enumerate(sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink())):
        os.utime(path, (1_500_000_000 + number, 1_500_000_000 + number))


def _there(project: Project, host: str, below: str) -> list[str]:
    return sorted(project.exec(host, "env", "--chdir", project.destination + below, *_LIST).splitlines())


def _here(root: Path) -> list[str]:
    return sorted(subprocess.run(_LIST, cwd=root, capture_output=True, text=True, check=True).stdout.splitlines())


def _sums(project: Project, host: str, below: str) -> set[str]:
    return set(project.exec(host, "env", "--chdir", project.destination + below, "find", ".", "-type", "f", "-exec", "sha256sum", "{}", "+").splitlines())


def _sums_here(root: Path) -> set[str]:
    command = ["find", ".", "-type", "f", "-exec", "sha256sum", "{}", "+"]
    return set(subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.splitlines())


def test_a_tree_arrives_as_it_is(project: Project) -> None:
    root = project.directory / "tree"
    _make_tree(root)

    # First what would happen, then what happens.
    before = project.sent_bytes()
    checked = project.push(root, *_LIMIT, "--check", "--diff").done()
    assert project.sent_bytes() - before < 1_200_000
    assert checked.changed() == set(_HOSTS)
    assert "naïve file.txt" in checked.output, "the diff names what would change"
    assert project.listing("host1") == []

    assert project.push(root, *_LIMIT).done().changed() == set(_HOSTS)
    project.all_states("succeeded", _HOSTS)
    expected = _here(root)
    assert len(expected) == 10
    for host in _HOSTS:
        assert _there(project, host, "tree") == expected
        assert project.leftovers(host) == []
        assert _sums(project, host, "tree") == _sums_here(root)

    # Nothing is left to do on one, and one file differs on the other: only that one takes part, and gets that file only.
    project.write("host2", f"{project.destination}tree/none", "no longer empty\n")
    before = project.sent_bytes()
    assert project.push(root, *_LIMIT, "--diff").done().changed() == {"host2"}
    assert project.sent_bytes() - before < 1_200_000
    assert project.states(2) == {"host1": "already_installed", "host2": "succeeded"}
    assert _there(project, "host2", "tree") == expected


def test_the_contents_of_a_directory_and_a_directory_with_nothing_in_it(project: Project) -> None:
    root = project.directory / "tree"
    (root / "sub").mkdir(parents=True)
    (root / "sub/file").write_text("text\n", encoding="utf-8")
    project.push(f"{root}/", "--limit", "host2").done()
    assert project.listing("host2") == ["sub", "sub/file"]
    project.all_states("succeeded", ["host2"])

    empty = project.directory / "empty"
    empty.mkdir()
    project.push(empty, "--limit", "host2").done()
    project.all_states("succeeded", ["host2"])
    assert project.listing("host2") == ["empty", "sub", "sub/file"]
    # Where it is already nothing is done; elsewhere it is made.
    assert project.push(empty, *_LIMIT).done().changed() == {"host1"}
    assert project.states(2) == {"host1": "succeeded", "host2": "already_installed"}


def test_an_empty_file_arrives(project: Project) -> None:
    source = project.file("nothing.txt", 0)
    assert project.push(source, *_LIMIT).done().changed() == set(_HOSTS)
    project.assert_arrived(source, _HOSTS)
    project.all_states("succeeded", _HOSTS)
