# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Placing under fire: killed at any moment, on a full disk, without permission, two at once."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.errors import DiskFull
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.manifest import Manifest
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.place import place
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.plan import Step, make_plan
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.spool import Spool
from ansible_collections.fleetcast.core.tests.unit.module_process import start_module

pytestmark = pytest.mark.push

#: Sizes and moments; nothing secret.
RANDOM = random.Random()

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system or become another user")

needs_system_python = pytest.mark.skipif(not Path("/usr/bin/python3").exists(), reason="no Python that every user can run")


def unfinished(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob(".*.fleetcast-*")]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A tree that takes a while to place."""
    root = tmp_path / "site"
    for folder in range(20):
        (root / f"d{folder}").mkdir(parents=True)
        for number in range(15):
            (root / f"d{folder}" / f"f{number}").write_bytes(os.urandom(RANDOM.randrange(60_000)))
    (root / "big").write_bytes(os.urandom(6_000_000))
    return root


def only_whole_files(target: Path, old: dict[str, bytes], new: dict[str, bytes]) -> int:
    """Every file at a final name is the old or the new one; returns how many are new."""
    count = 0
    for path in target.rglob("*"):
        if path.is_file() and not path.name.startswith("."):
            name = str(path.relative_to(target))
            content = path.read_bytes()
            assert content in (old.get(name), new[name]), f"{name} is neither the old nor the new file"
            count += content == new[name]
    return count


def is_new(target: Path, new: dict[str, bytes], name: str) -> bool:
    path = target / name
    return path.exists() and path.read_bytes() == new[name]


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def fill_spool(artifact: dict[str, Any], part: str, source: Path) -> None:
    """What a receiver leaves that got everything and died before placing."""
    manifest = Manifest.decode(artifact["manifest"])
    with Spool(part, part[: -len("part")] + "map", manifest.layout, manifest.section_digests) as spool:
        spool.write(0, [b"".join((source / entry.path).read_bytes() for entry in manifest.files)])
        spool.mark(0, manifest.layout.symbols)
        spool.recover()
        assert spool.complete


def test_killed_at_any_moment_there_is_no_partial_file(push: Any, source: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    new = contents(source)
    old = {name: b"the old " + name.encode() for name in list(new)[::2]}
    artifact = push.info(str(source) + "/")
    arguments = {"manifest": artifact["manifest"], "dest": str(target)}
    order = sorted(new, key=lambda name: name.split("/"))

    def begin() -> None:
        if target.exists():
            shutil.rmtree(target)
        for name, content in old.items():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_bytes(content)
        fill_spool(artifact, push.missing(artifact, target)["spool"], source)

    begin()
    interrupted = 0
    for _attempt in range(60):
        whole = contents(target) == new
        if interrupted == 20 or (whole and interrupted):
            break
        if whole:
            # On a busy machine all may be in place before this process has its turn again.
            begin()
        left = [name for name in order if not is_new(target, new, name)]
        victim = RANDOM.choice(left[: len(left) // 4 + 1])
        process = start_module("artifact_apply", arguments)
        # Killed as soon as this file has its new content; the next attempt goes on from there.
        while process.poll() is None and not is_new(target, new, victim):
            pass
        process.kill()
        process.communicate(timeout=60)
        interrupted += only_whole_files(target, old, new) < len(new)
    assert interrupted > 0, "the kills never hit while something was placed"
    assert push.missing(artifact, target)["missing_bytes"] == 0
    result = push.apply(artifact, target)
    assert result["complete"], result
    assert contents(target) == new
    assert unfinished(tmp_path) == []


@pytest.fixture
def memory() -> Iterator[Path]:
    """A directory that needs no waiting for a disk."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as folder:  # noqa: S108
        yield Path(folder)


#: Runs modules in forks of one process: fork n dies by SIGKILL instead of its n-th call that changes the file system, a negative n never does.
FORKS = """
import json, os, runpy, signal, sys
from ansible.module_utils import basic
import ansible_collections.fleetcast.core.plugins.modules.artifact_apply
basic._ANSIBLE_PROFILE = "legacy"
for count, arguments in json.load(sys.stdin):
    child = os.fork()
    if child:
        print(os.WEXITSTATUS(status) if os.WIFEXITED(status := os.waitpid(child, 0)[1]) else -os.WTERMSIG(status), flush=True)
        continue
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    left = [count]
    def dying(function):
        def wrapped(*args, **kwargs):
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1
            return function(*args, **kwargs)
        return wrapped
    for name in ("open", "rename", "link", "unlink", "symlink", "mkdir", "chmod", "chown", "utime", "fsync", "pwritev", "ftruncate", "posix_fallocate"):
        setattr(os, name, dying(getattr(os, name)))
    basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode()
    runpy.run_module("ansible_collections.fleetcast.core.plugins.modules.artifact_apply", run_name="__main__")
"""


def run_in_forks(jobs: list[tuple[int, dict[str, Any]]]) -> list[int]:
    """Exit codes of artifact_apply with these arguments; minus the signal for those that were killed."""
    done = subprocess.run(
        [sys.executable, "-c", FORKS], input=json.dumps(jobs), capture_output=True, text=True, timeout=100, check=False,
        env={**os.environ, "PYTHONPATH": ":".join(sys.path), "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    codes = [int(line) for line in done.stdout.split()]
    assert len(codes) == len(jobs), done.stderr
    return codes


@pytest.mark.parametrize("kind", ["file", "tree"])
def test_killed_before_every_single_system_call(push: Any, tmp_path: Path, memory: Path, kind: str) -> None:
    """The n-th call that changes the file system never happens, for every n until one survives."""
    source = tmp_path / "new"
    if kind == "tree":
        (source / "d").mkdir(parents=True)
        (source / "d" / "a").write_bytes(b"new a")
        (source / "d" / "b").write_bytes(b"new b")
        (source / "l").symlink_to("d/a")
    else:
        source.write_bytes(b"new file")
    artifact = push.info(source)
    patch = push.cut(artifact, source, push.missing(artifact, f"{tmp_path}/none/")["missing"])
    final = Path("new/d/a" if kind == "tree" else "new")
    new = (source / "d" / "a").read_bytes() if kind == "tree" else b"new file"
    targets = [memory / f"target{count}" for count in range(80)]
    jobs = []
    for target in targets:
        (target / final).parent.mkdir(parents=True)
        (target / final).write_bytes(b"old")
        jobs.append({"manifest": artifact["manifest"], "dest": f"{target}/", "src": patch, "backup": True, "mode": "0600"})
    codes = run_in_forks(list(enumerate(jobs)))
    survivor = codes.index(0)
    assert survivor > 15
    assert codes == [-9] * survivor + [0] * (len(codes) - survivor)
    assert [(target / final).read_bytes() for target in targets[survivor:]] == [new] * (len(codes) - survivor)
    for target in targets:
        assert (target / final).read_bytes() in (b"old", new)
        assert all(backup.read_bytes() == b"old" for backup in target.rglob("*~"))
        if kind == "tree" and (target / "new" / "d" / "b").exists():
            assert (target / "new" / "d" / "b").read_bytes() == b"new b"
    assert run_in_forks([(-1, job) for job in jobs]) == [0] * len(jobs)
    for target in targets:
        assert (target / final).read_bytes() == new
        assert unfinished(target) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], check=True, timeout=30)
    yield folder
    subprocess.run(["umount", str(folder)], check=True, timeout=30)


@needs_root
def test_full_disk_is_known_before_bytes_are_written(push: Any, small_disk: Path, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(os.urandom(12_000_000))
    artifact = push.info(tmp_path / "large")
    result = push.apply(artifact, f"{small_disk}/", push.cut(artifact, tmp_path / "large", [[0, 1400]]))
    assert result["failed"]
    assert result["reason"] == "disk"
    assert "no room for" in result["msg"]
    assert result["needed_bytes"] >= 12_000_000 > result["free_bytes"]
    assert list(small_disk.iterdir()) == []


@needs_root
def test_tree_that_does_not_fit_twice(push: Any, small_disk: Path, tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "f").write_bytes(os.urandom(5_000_000))
    artifact = push.info(tmp_path / "t")
    result = push.apply(artifact, small_disk, push.cut(artifact, tmp_path / "t", [[0, 1400]]))
    assert result["reason"] == "disk"
    assert "needs its size twice" in result["msg"]
    assert list(small_disk.iterdir()) == []


class PlainHost:
    """No users, no backups."""

    def make_folder(self, path: bytes) -> None:
        os.mkdir(path)  # noqa: PTH102

    def dress(self, staged: bytes, step: Step) -> None:
        pass

    def before_replace(self, path: bytes) -> None:
        pass


@needs_root
def test_disk_that_fills_up_while_a_tree_is_unpacked(push: Any, small_disk: Path, tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    for number in range(6):
        (tmp_path / "t" / f"f{number}").write_bytes(os.urandom(500_000))
    artifact = push.info(tmp_path / "t")
    part = push.missing(artifact, small_disk)["spool"]
    fill_spool(artifact, part, tmp_path / "t")
    free = os.statvfs(small_disk)
    (small_disk / "hog").write_bytes(bytes(free.f_bavail * free.f_frsize - 1_200_000))
    result = push.apply(artifact, small_disk)
    assert (result.get("failed"), result["reason"]) == (True, "disk")
    # Room was there when placing began, and somebody else takes it meanwhile.
    manifest = Manifest.decode(artifact["manifest"])
    with Spool(part, part[: -len("part")] + "map", manifest.layout, manifest.section_digests) as spool, pytest.raises(DiskFull, match="t/f2"):
        place(manifest, make_plan(manifest, str(small_disk)), spool, PlainHost())
    assert [path.name for path in (small_disk / "t").iterdir()] == []
    (small_disk / "hog").unlink()
    result = push.apply(artifact, small_disk)
    assert result["complete"], result
    assert contents(small_disk / "t") == contents(tmp_path / "t")
    assert unfinished(small_disk) == []


def test_limit_on_the_size_of_files(push: Any, tmp_path: Path) -> None:
    """Without root: a file that may not grow is a full disk as well."""
    (tmp_path / "f").write_bytes(os.urandom(300_000))
    (tmp_path / "out").mkdir()
    artifact = push.info(tmp_path / "f")
    patch = push.cut(artifact, tmp_path / "f", [[0, 300_000]])
    process = start_module(
        "artifact_apply",
        {"manifest": artifact["manifest"], "dest": f"{tmp_path}/out/", "src": patch},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
    )
    out, _err = process.communicate(timeout=60)
    result = json.loads(out)
    assert result["reason"] == "disk", result
    assert list((tmp_path / "out").iterdir()) == []


def as_nobody() -> None:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)


def run_as_nobody(name: str, **arguments: Any) -> dict[str, Any]:
    # The Python that runs the tests may lie in a home directory that is closed to others.
    process = start_module(name, arguments, python="/usr/bin/python3", preexec_fn=as_nobody)
    out, err = process.communicate(timeout=60)
    assert out, err.decode()
    result: dict[str, Any] = json.loads(out)
    return result


@needs_root
@needs_system_python
def test_without_permission(push: Any, reachable: Path) -> None:
    source = reachable / "f"
    source.write_bytes(b"content")
    source.chmod(0o600)
    assert run_as_nobody("artifact_info", src=str(source))["msg"] == f"cannot read {source}: Permission denied"
    artifact = push.info(source)
    (reachable / "locked").mkdir(mode=0o755)
    (reachable / "hidden" / "deep").mkdir(parents=True)
    (reachable / "hidden").chmod(0o700)
    for dest, message in (
        ("locked/f", f"the destination directory {reachable}/locked is not writable by this user"),
        ("hidden/deep/f", "Permission denied"),
    ):
        for name in ("artifact_missing_info", "artifact_apply"):
            result = run_as_nobody(name, manifest=artifact["manifest"], dest=str(reachable / dest))
            assert result.get("failed"), result
            assert message in result["msg"] or "not accessible" in result["msg"]


@needs_root
@needs_system_python
def test_destination_whose_parent_belongs_to_somebody_else(push: Any, reachable: Path) -> None:
    """The contents of a directory go into one's own directory, though one cannot write beside it."""
    (reachable / "t").mkdir()
    (reachable / "t" / "f").write_bytes(b"content")
    home = reachable / "homes" / "nobody"
    home.mkdir(parents=True)
    os.chown(home, 65534, 65534)
    artifact = push.info(f"{reachable}/t/")
    patch = Path(shutil.move(push.cut(artifact, reachable / "t", [[0, 7]]), reachable / "patch"))
    os.chown(patch, 65534, 65534)
    result = run_as_nobody("artifact_apply", manifest=artifact["manifest"], dest=str(home), src=str(patch))
    assert result.get("complete"), result
    assert contents(home) == {"f": b"content"}
    assert unfinished(reachable) == []


def test_two_at_once_do_not_disturb_each_other(push: Any, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(os.urandom(100_000))
    (tmp_path / "out").mkdir()
    artifact = push.info(tmp_path / "f")
    manifest = Manifest.decode(artifact["manifest"])
    patch = push.cut(artifact, tmp_path / "f", [[0, 100_000]])
    part = push.missing(artifact, tmp_path / "out")["spool"]
    with Spool(part, part[: -len("part")] + "map", manifest.layout, manifest.section_digests):
        result = push.apply(artifact, tmp_path / "out", patch)
        assert "another process writes the spool" in result["msg"]
    assert push.apply(artifact, tmp_path / "out", patch)["complete"]
