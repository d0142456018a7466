# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A directory tree: what is placed is what was in the source, and what was there besides stays."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.push

MTIME = 1234567890123456789


@pytest.fixture
def source(tmp_path: Path) -> Path:
    root = tmp_path / "site"
    (root / "empty dir").mkdir(parents=True)
    (root / "bin").mkdir()
    (root / "bin" / "run").write_bytes(b"#!/bin/sh\n")
    (root / "bin" / "run").chmod(0o4755)
    (root / "bin" / "big").write_bytes(os.urandom(5_000_000))
    (root / "zero").touch()
    (root / "$HOME").write_bytes(b"a dollar in the name")
    (root / "grüße 世界").write_bytes(b"text")
    Path(os.fsdecode(os.fsencode(root) + b"/latin-\xe9")).write_bytes(b"not utf-8")
    (root / "link").symlink_to("bin/run")
    (root / "dangling").symlink_to("/nowhere at all")
    os.utime(root / "bin" / "run", ns=(0, MTIME))
    (root / "sealed").mkdir()
    (root / "sealed" / "f").write_bytes(b"sealed")
    (root / "sealed").chmod(0o555)
    return root


def listing(root: Path) -> dict[str, tuple[Any, ...]]:
    """Everything below `root`, with what must be the same on both ends."""
    found: dict[str, tuple[Any, ...]] = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        content = path.readlink() if path.is_symlink() else path.read_bytes() if path.is_file() else None
        found[str(path.relative_to(root))] = (stat.S_IFMT(status.st_mode), path.is_symlink() or stat.S_IMODE(status.st_mode), status.st_mtime_ns, content)
    return found


def test_tree_arrives_as_it_is(push_with_any_python: Any, source: Path, tmp_path: Path) -> None:
    push = push_with_any_python
    target = tmp_path / "srv" / "www"
    result = push.send(source, target)
    assert result["complete"], result
    assert result["dest"] == str(target / "site")
    assert listing(target / "site") == listing(source)
    assert (target / "site" / "bin" / "run").stat().st_mtime_ns == MTIME
    assert [path.name for path in target.iterdir()] == ["site"]
    again = push.send(source, target)
    assert (again["changed"], again["diff"]) == (False, [])
    assert listing(target / "site") == listing(source)


def test_names_and_files_at_their_limits(push: Any, tmp_path: Path) -> None:
    """The longest name there is, twice, so that their unfinished names must differ too; two names of one file; a file that is one hole; a name of an option."""
    root = tmp_path / "limits"
    root.mkdir()
    (root / ("n" * 255)).write_bytes(b"long")
    (root / ("n" * 254 + "m")).write_bytes(b"long too")
    (root / ("ü" * 127)).write_bytes(b"long in bytes")
    (root / "one").write_bytes(b"twice")
    (root / "two").hardlink_to(root / "one")
    (root / "-rf").write_bytes(b"an option")
    (root / "two\nlines").write_bytes(b"a line break")
    with (root / "hole").open("wb") as file:
        file.truncate(9_000_000)
    dest = tmp_path / "dest"
    dest.mkdir()
    result = push.send(root, dest)
    assert result["complete"] and result["changed"], result
    assert listing(dest / "limits") == listing(root)
    assert not push.send(root, dest)["changed"]
    assert (dest / "limits" / "one").stat().st_nlink == 1, "hard links become files of their own"


def test_contents_of_a_directory(push: Any, source: Path, tmp_path: Path) -> None:
    result = push.send(str(source) + "/", tmp_path / "out")
    assert result["dest"] == str(tmp_path / "out")
    assert listing(tmp_path / "out") == listing(source)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "patch", "site"]


def test_only_what_differs_is_touched(push: Any, source: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    push.send(str(source) + "/", target)
    (target / "mine").write_bytes(b"only here")
    (target / "grüße 世界").write_bytes(b"TEXT")
    (target / "link").unlink()
    (target / "link").write_bytes(b"not a link")
    (target / "empty dir").rmdir()
    os.utime(target / "$HOME", ns=(0, 0))
    (target / "zero").chmod(0o600)
    untouched = (target / "bin" / "big").stat()
    foretold = push.apply(push.info(str(source) + "/"), target, check=True)
    assert foretold["changed"]
    result = push.send(str(source) + "/", target)
    assert result["changed"]
    text = "".join(diff["after"] for diff in result["diff"])
    assert all(name in text for name in ("grüße 世界", "link", "empty dir", "$HOME", "zero"))
    assert "big" not in text
    assert "".join(diff["after"] for diff in foretold["diff"]) == text
    assert (target / "mine").read_bytes() == b"only here"
    (target / "mine").unlink()
    after = listing(target)
    assert after == listing(source)
    after_big = (target / "bin" / "big").stat()
    assert (after_big.st_ino, after_big.st_mtime_ns, after_big.st_ctime_ns) == (untouched.st_ino, untouched.st_mtime_ns, untouched.st_ctime_ns)


def test_attributes_are_repaired_without_bytes(push: Any, source: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    push.send(str(source) + "/", target)
    (target / "bin" / "run").chmod(0o600)
    os.utime(target / "bin" / "run")
    (target / "link").unlink()
    artifact = push.info(str(source) + "/")
    assert push.missing(artifact, target)["state"] == "complete"
    result = push.apply(artifact, target)
    assert (result["changed"], result["bytes_received"]) == (True, 0)
    (target / "bin").touch()
    assert push.apply(artifact, target)["changed"] is False, "the time of a directory is not worth a change"


def test_modes_by_option(push: Any, source: Path, tmp_path: Path) -> None:
    push.send(str(source) + "/", tmp_path / "out", mode="0640", directory_mode="0750")
    for path in (tmp_path / "out").rglob("*"):
        if not path.is_symlink():
            assert path.stat().st_mode & 0o7777 == (0o750 if path.is_dir() else 0o640), path
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o750


def test_backups_of_what_is_replaced(push: Any, source: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    push.send(str(source) + "/", target)
    (target / "zero").write_bytes(b"one")
    (target / "bin" / "run").write_bytes(b"two")
    result = push.send(str(source) + "/", target, backup=True)
    assert sorted(Path(path).read_bytes() for path in result["backup_files"]) == [b"one", b"two"]


def test_force_false_brings_only_what_is_absent(push: Any, source: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    (target / "bin").mkdir(parents=True)
    (target / "bin" / "run").write_bytes(b"mine")
    push.send(str(source) + "/", target, force=False)
    assert (target / "bin" / "run").read_bytes() == b"mine"
    assert (target / "bin" / "big").read_bytes() == (source / "bin" / "big").read_bytes()
    again = push.send(str(source) + "/", target, force=False)
    assert (again["changed"], again["complete"]) == (False, True)


@pytest.mark.parametrize("src", ["nothing", "nothing/"])
def test_empty_directory_becomes_an_empty_directory(push: Any, tmp_path: Path, src: str) -> None:
    (tmp_path / "nothing").mkdir()
    artifact = push.info(f"{tmp_path}/{src}")
    target = tmp_path / "out"
    assert push.missing(artifact, target)["state"] == "complete", "there are no bytes to send"
    assert push.apply(artifact, target, check=True)["changed"] is True
    assert not target.exists()
    result = push.apply(artifact, target)
    assert result["changed"] is True
    assert result["dest"] == str(target / "nothing" if src == "nothing" else target)
    assert Path(result["dest"]).is_dir()
    assert push.apply(artifact, target)["changed"] is False


@pytest.mark.parametrize(("name", "what"), [("bin/run", "has a file"), ("link", "has a symlink")])
def test_directory_in_the_way(push: Any, source: Path, tmp_path: Path, name: str, what: str) -> None:
    (tmp_path / "out" / name).mkdir(parents=True)
    result = push.send(str(source) + "/", tmp_path / "out")
    assert f"{tmp_path}/out/{name} is a directory where the artifact {what}" in result["msg"]


def test_file_in_the_way_of_a_directory(push: Any, source: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "bin").touch()
    assert "bin is a file where the artifact has a directory" in push.send(str(source) + "/", tmp_path / "out")["msg"]


def test_link_to_a_directory_serves_as_one(push: Any, source: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out" / "bin").symlink_to(tmp_path / "elsewhere")
    assert push.send(str(source) + "/", tmp_path / "out")["complete"]
    assert (tmp_path / "out" / "bin").is_symlink()
    assert (tmp_path / "elsewhere" / "run").read_bytes() == b"#!/bin/sh\n"


def test_validate_is_for_files(push: Any, source: Path, tmp_path: Path) -> None:
    assert "validate works for an artifact that is one file" in push.send(source, tmp_path / "out", validate="true %s")["msg"]


def test_cut_from_a_copy_of_the_tree(push: Any, source: Path, tmp_path: Path) -> None:
    """A patch may come from any host that has the same files."""
    shutil.copytree(source, tmp_path / "copy", symlinks=True)
    artifact = push.info(str(source) + "/")
    asked = push.missing(artifact, tmp_path / "out")
    source.rename(source.with_name("gone"))
    assert push.apply(artifact, tmp_path / "out", push.cut(artifact, tmp_path / "copy", asked["missing"]))["complete"]
