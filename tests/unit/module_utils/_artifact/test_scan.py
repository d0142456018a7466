# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a source to its manifest: what is taken, what is refused, and that every digest is right."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from ansible_collections.fleetcast.core.plugins.module_utils._artifact import scan as scan_module
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.errors import SourceError
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.manifest import Manifest
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.scan import scan, source_files

pytestmark = pytest.mark.push

SECTION = 1400 * 44 * 64


def section_digests(stream: bytes) -> list[str]:
    return [hashlib.sha256(stream[begin : begin + SECTION]).hexdigest() for begin in range(0, len(stream), SECTION)]


def test_file_has_the_digests_of_its_content(tmp_path: Path) -> None:
    content = os.urandom(2 * SECTION + 12345)
    source = tmp_path / "tool 1.0 ü.deb"
    source.write_bytes(content)
    source.chmod(0o640)
    manifest = scan(str(source))
    document = json.loads(manifest.document)
    assert document["kind"] == "file"
    assert document["name"] == "tool 1.0 ü.deb"
    assert document["size"] == len(content)
    assert document["sections"] == section_digests(content)
    assert document["entries"] == [
        {"path": "tool 1.0 ü.deb", "type": "file", "mode": 0o640, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    ]
    assert manifest.digest == hashlib.sha256(manifest.document).hexdigest()
    assert Manifest.decode(manifest.encode()) == manifest


def test_digest_of_a_file_does_not_depend_on_its_time_but_on_its_mode(tmp_path: Path) -> None:
    source = tmp_path / "f"
    source.write_bytes(b"content")
    source.chmod(0o644)
    before = scan(str(source)).digest
    os.utime(source, (1, 1))
    assert scan(str(source)).digest == before
    source.chmod(0o600)
    assert scan(str(source)).digest != before


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with everything that may be in one."""
    root = tmp_path / "site"
    (root / "empty dir").mkdir(parents=True)
    (root / "bin").mkdir()
    (root / "bin" / "run").write_bytes(b"#!/bin/sh\n")
    (root / "bin" / "run").chmod(0o4755)
    (root / "bin-more").write_bytes(os.urandom(SECTION + 7))
    (root / "zero").write_bytes(b"")
    (root / "grüße 世界").write_bytes(b"text")
    Path(os.fsdecode(os.fsencode(root) + b"/latin-\xe9")).write_bytes(b"not utf-8")
    (root / "link").symlink_to("bin/run")
    (root / "dangling").symlink_to("/nowhere at all")
    os.link(root / "zero", root / "zero too")
    os.utime(root / "bin" / "run", ns=(0, 1234567890123456789))
    return root


def test_tree_is_one_stream_of_its_files_in_order(tree: Path) -> None:
    manifest = scan(str(tree))
    document = json.loads(manifest.document)
    paths = [entry["path"] for entry in document["entries"]]
    assert paths == [
        ".", "bin", "bin/run", "bin-more", "dangling", "empty dir", "grüße 世界", "latin-\udce9", "link", "zero", "zero too",
    ]  # fmt: skip
    stream = b"".join((tree / path).read_bytes() for path in paths if (tree / path).is_file() and not (tree / path).is_symlink())
    assert document["sections"] == section_digests(stream)
    entries = {entry["path"]: entry for entry in document["entries"]}
    assert entries["bin/run"]["mode"] == 0o4755
    assert entries["bin/run"]["mtime"] == 1234567890123456789
    assert entries["dangling"] == {"path": "dangling", "type": "symlink", "target": "/nowhere at all", "mtime": os.lstat(tree / "dangling").st_mtime_ns}
    assert entries["zero"]["sha256"] == hashlib.sha256(b"").hexdigest()
    assert Manifest.decode(manifest.encode()) == manifest
    assert [Path(path).name for path, _size in source_files(manifest, str(tree))] == ["run", "bin-more", "grüße 世界", "latin-\udce9", "zero", "zero too"]


def test_slash_at_the_end_takes_only_the_contents(tree: Path) -> None:
    document = json.loads(scan(str(tree) + "/").document)
    assert document["name"] == ""
    assert document["entries"][0]["path"] == "bin"


def test_follow_takes_what_links_point_to(tree: Path) -> None:
    (tree / "dangling").unlink()
    (tree / "linked dir").symlink_to("bin")
    entries = {entry["path"]: entry for entry in json.loads(scan(str(tree), follow=True).document)["entries"]}
    assert entries["link"]["type"] == "file"
    assert entries["linked dir/run"]["sha256"] == hashlib.sha256(b"#!/bin/sh\n").hexdigest()


def test_link_as_source_is_what_it_points_to(tree: Path) -> None:
    document = json.loads(scan(str(tree / "link")).document)
    assert (document["kind"], document["name"], document["size"]) == ("file", "link", 10)


def test_empty_directory_and_empty_file(tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    (tmp_path / "zero").touch()
    empty = json.loads(scan(str(tmp_path / "nothing") + "/").document)
    assert (empty["size"], empty["sections"], empty["entries"]) == (0, [], [])
    named = json.loads(scan(str(tmp_path / "nothing")).document)
    assert [entry["path"] for entry in named["entries"]] == ["."]
    zero = scan(str(tmp_path / "zero"))
    assert (zero.size, zero.section_digests) == (0, ())
    assert Manifest.decode(zero.encode()) == zero


def test_missing_source(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="gone does not exist on this host"):
        scan(str(tmp_path / "gone"))


def test_file_with_a_slash(tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    with pytest.raises(SourceError, match="is a file, not a directory"):
        scan(str(tmp_path / "f") + "/")


def test_dangling_link_with_follow(tree: Path) -> None:
    with pytest.raises(SourceError, match="dangling does not exist"):
        scan(str(tree), follow=True)


def test_links_in_a_circle_with_follow(tmp_path: Path) -> None:
    (tmp_path / "t" / "a").mkdir(parents=True)
    (tmp_path / "t" / "a" / "up").symlink_to("..")
    with pytest.raises(SourceError, match=r"a/up leads back to"):
        scan(str(tmp_path / "t"), follow=True)
    assert "a/up" in [entry.path for entry in scan(str(tmp_path / "t")).entries]


def test_fifo_socket_and_device_are_refused_by_name(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SourceError, match="pipe is a FIFO"):
        scan(str(tmp_path))
    (tmp_path / "pipe").unlink()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "sock"))
        with pytest.raises(SourceError, match="sock is a socket"):
            scan(str(tmp_path))
    with pytest.raises(SourceError, match="/dev/null is a character device"):
        scan("/dev/null")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user who may not read")
def test_directories_too_deep(tmp_path: Path) -> None:
    """Deeper than Python follows; the kernel's limit on paths comes later."""
    root = tmp_path / "deep"
    for depth in range(1201):
        Path(str(root) + "/d" * depth).mkdir()
    with pytest.raises(SourceError, match="too deep"):
        scan(str(root))
    # Or pytest could not remove it either.
    for depth in range(1200, -1, -1):
        Path(str(root) + "/d" * depth).rmdir()


def test_unreadable_source(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"x")
    (tmp_path / "secret").chmod(0)
    folder = tmp_path
    while folder != Path("/"):
        folder.chmod(folder.stat().st_mode | 0o711)
        folder = folder.parent
    code = (
        "import os, sys; sys.path[:0] = sys.argv[2:]; os.setgid(65534); os.setuid(65534)\n"
        "from ansible_collections.fleetcast.core.plugins.module_utils._artifact.scan import scan\n"
        "try: scan(sys.argv[1])\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import {scan_module.__name__}\n{code}", str(tmp_path / "secret"), *sys.path],
        capture_output=True, text=True, timeout=60, check=False, env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    assert done.stdout == f"SourceError cannot read {tmp_path}/secret: Permission denied\n", done.stderr


def test_source_that_grows_while_it_is_read(tmp_path: Path) -> None:
    source = tmp_path / "log"
    source.write_bytes(bytes(50_000_000))
    stop = threading.Event()

    def grow() -> None:
        with source.open("ab") as file:
            while not stop.is_set():
                file.write(b"more\n")
                file.flush()

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        with pytest.raises(SourceError, match="log changed while it was read"):
            scan(str(source))
    finally:
        stop.set()
        writer.join()


@pytest.mark.parametrize("change", ["rewrite", "replace", "remove", "add", "mode"])
def test_tree_that_changes_behind_the_reader(tree: Path, change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever happens after a file was digested and before the scan ends is noticed too."""
    digest_file = scan_module._hash_file

    def digest_then_change(raw_path: bytes, item: scan_module._Found, hasher: scan_module._SectionHasher) -> str:
        digest = digest_file(raw_path, item, hasher)
        if item.path == "zero too":
            victim = tree / "bin" / "run"
            if change == "rewrite":
                victim.write_bytes(b"#!/bin/zs\n")
            elif change == "replace":
                (tree.parent / "new").write_bytes(victim.read_bytes())
                os.utime(tree.parent / "new", ns=(0, victim.stat().st_mtime_ns))
                (tree.parent / "new").replace(victim)
            elif change == "remove":
                (tree / "bin-more").unlink()
            elif change == "add":
                (tree / "late").touch()
            else:
                victim.chmod(0o700)
        return digest

    monkeypatch.setattr(scan_module, "_hash_file", digest_then_change)
    with pytest.raises(SourceError, match="changed while it was read"):
        scan(str(tree))


def test_memory_does_not_grow_with_the_source(tmp_path: Path) -> None:
    source = tmp_path / "big"
    with source.open("wb") as file:
        file.truncate(400_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    scan(str(source))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1024  # KiB
