# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One file: digested, asked for, cut, applied and placed, by modules that run as processes."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.push

SECTION = 1400 * 44 * 64


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source" / "tool 1.0.bin"
    path.parent.mkdir()
    path.write_bytes(os.urandom(SECTION + 100_000))
    path.chmod(0o640)
    return path


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "target"
    path.mkdir()
    return path


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_whole_way(push_with_any_python: Any, source: Path, target: Path) -> None:
    push = push_with_any_python
    artifact = push.info(source)
    assert artifact["checksum"] == sha256(source)
    assert (artifact["kind"], artifact["name"], artifact["size"], artifact["files"], artifact["sections"]) == ("file", "tool 1.0.bin", SECTION + 100_000, 1, 2)
    asked = push.missing(artifact, target)
    assert asked["state"] == "absent"
    assert asked["missing"] == [[0, SECTION + 100_000]]
    assert asked["final_path"] == str(target / "tool 1.0.bin")
    assert names(target) == []

    # Two rounds, as over a line that is shared.
    asked = push.missing(artifact, target, max_bytes=SECTION)
    assert asked["missing"] == [[0, SECTION]]
    assert asked["missing_bytes"] == SECTION + 100_000
    result = push.apply(artifact, target, push.cut(artifact, source, asked["missing"]))
    assert (result["complete"], result["missing_bytes"], result["bytes_received"], result["changed"]) == (False, 100_000, SECTION, True)
    asked = push.missing(artifact, target)
    assert (asked["state"], asked["missing"], asked["have_bytes"]) == ("partial", [[SECTION, 100_000]], SECTION)
    assert asked["spool"] in [str(path) for path in target.iterdir()]
    assert asked["spool"] == str(target / f".tool 1.0.bin.{artifact['digest'][:12]}.fleetcast-part")
    result = push.apply(artifact, target, push.cut(artifact, source, asked["missing"]), mode="0600", owner=str(os.geteuid()))
    assert (result["complete"], result["missing_bytes"], result["bytes_received"], result["changed"]) == (True, 0, 100_000, True)
    assert result["dest"] == str(target / "tool 1.0.bin")
    assert result["mode"] == "0600"
    assert names(target) == ["tool 1.0.bin"]
    assert sha256(target / "tool 1.0.bin") == sha256(source) == result["checksum"]

    again = push.apply(artifact, target, mode="0600")
    assert (again["changed"], again["complete"], again["bytes_received"], again["diff"]) == (False, True, 0, [])
    assert push.missing(artifact, target)["state"] == "complete"


def test_modes(push: Any, source: Path, target: Path) -> None:
    umask = os.umask(0)
    os.umask(umask)
    dest = target / "f"
    assert push.send(source, dest)["mode"] == f"0{0o666 & ~umask:o}"
    dest.chmod(0o604)
    source.write_bytes(b"second")
    assert push.send(source, dest)["mode"] == "0604"
    source.write_bytes(b"third")
    source.chmod(0o640)
    assert push.send(source, dest, mode="preserve")["mode"] == "0640"
    changed = push.send(source, dest, mode="u=rw,g=,o=")
    assert (changed["changed"], changed["mode"], changed["bytes_received"]) == (True, "0600", 0)
    assert changed["diff"][0]["before"] == f"{dest}: mode 0640\n"
    assert changed["diff"][0]["after"] == f"{dest}: mode 0600\n"


def test_backup_is_whole_and_named_as_copy_names_it(push: Any, source: Path, target: Path) -> None:
    dest = target / "f"
    dest.write_bytes(b"the old one")
    result = push.send(source, dest, backup=True)
    backup = Path(result["backup_file"])
    assert backup.parent == target
    assert backup.name.startswith("f.")
    assert backup.name.endswith("~")
    assert backup.read_bytes() == b"the old one"
    assert dest.read_bytes() == source.read_bytes()
    assert "backup_file" not in push.send(source, dest, backup=True)


def test_force_false_leaves_what_is_there(push: Any, source: Path, target: Path) -> None:
    dest = target / "f"
    dest.write_bytes(b"mine")
    dest.chmod(0o600)
    result = push.send(source, dest, force=False, mode="0644")
    assert (result["changed"], result["complete"], result["mode"]) == (False, True, "0600")
    assert dest.read_bytes() == b"mine"
    dest.unlink()
    assert push.send(source, dest, force=False)["changed"] is True
    assert dest.read_bytes() == source.read_bytes()


def test_validate_comes_before_placing(push: Any, source: Path, tmp_path: Path) -> None:
    target = tmp_path / "with space; $(touch gotcha) 'quote"
    target.mkdir()
    dest = target / "f"
    dest.write_bytes(b"old")
    refused = push.send(source, dest, validate="grep -q no-such-text %s")
    assert refused["failed"]
    assert "validate failed with exit code 1" in refused["msg"]
    assert dest.read_bytes() == b"old"
    accepted = push.send(source, dest, validate="cmp %s '" + str(source) + "'")
    assert accepted["changed"], accepted
    assert accepted["bytes_received"] == 0, "what had arrived before is kept"
    assert dest.read_bytes() == source.read_bytes()
    assert not list(tmp_path.rglob("gotcha"))
    assert "must contain %s" in push.send(source, dest, validate="true")["msg"]


def test_check_mode_and_diff_tell_the_truth(push: Any, tmp_path: Path, target: Path) -> None:
    source = tmp_path / "hosts"
    source.write_text("one\ntwo\n")
    dest = target / "hosts"
    dest.write_text("one\n")
    artifact = push.info(source)
    foretold = push.apply(artifact, dest, check=True)
    assert foretold["changed"] is True
    assert foretold["complete"] is False
    assert dest.read_text() == "one\n"
    assert names(target) == ["hosts"]
    assert "4 bytes" in foretold["diff"][0]["before"]
    assert artifact["checksum"] in foretold["diff"][0]["after"]
    done = push.send(source, dest)
    assert done["diff"] == [{"before_header": str(dest), "after_header": "hosts", "before": "one\n", "after": "one\ntwo\n"}]
    foretold = push.apply(artifact, dest, check=True)
    assert (foretold["changed"], foretold["complete"], foretold["diff"]) == (False, True, [])
    foretold = push.apply(artifact, dest, check=True, mode="0600")
    assert foretold["changed"] is True
    assert dest.stat().st_mode & 0o777 != 0o600


def test_binary_and_large_files_have_no_text_diff(push: Any, tmp_path: Path, target: Path) -> None:
    (target / "f").write_bytes(b"a\0b")
    (tmp_path / "f").write_bytes(b"text\n" * 100_000)
    assert push.send(tmp_path / "f", target / "f")["diff"] == [
        {"before_header": str(target / "f"), "after_header": "f", "dst_binary": 1, "src_larger": 104448}
    ]


def test_link_at_the_destination_is_replaced_not_followed(push: Any, source: Path, target: Path) -> None:
    (target / "elsewhere").write_bytes(b"precious")
    (target / "f").symlink_to("elsewhere")
    assert push.send(source, target / "f")["changed"]
    assert not (target / "f").is_symlink()
    assert (target / "elsewhere").read_bytes() == b"precious"
    assert (target / "f").read_bytes() == source.read_bytes()


def test_empty_file(push: Any, tmp_path: Path, target: Path) -> None:
    (tmp_path / "zero").touch()
    assert push.send(tmp_path / "zero", target)["changed"] is True
    assert (target / "zero").read_bytes() == b""
    assert push.send(tmp_path / "zero", target)["changed"] is False
    (target / "zero").write_bytes(b"no longer")
    assert push.send(tmp_path / "zero", target)["changed"] is True
    assert names(target) == ["zero"]


def test_long_name_and_destination_with_a_slash(push: Any, tmp_path: Path, target: Path) -> None:
    name = "é" * 127
    (tmp_path / name).write_bytes(b"content")
    result = push.send(tmp_path / name, str(target) + "/new/folder/", directory_mode="0710")
    assert result["changed"], result
    assert (target / "new" / "folder" / name).read_bytes() == b"content"
    assert (target / "new").stat().st_mode & 0o777 == 0o710
    assert names(target / "new" / "folder") == [name]


def test_parent_that_does_not_exist(push: Any, source: Path, target: Path) -> None:
    result = push.send(source, target / "no" / "f")
    assert result["msg"] == f"the destination directory {target}/no does not exist: create it, or end dest with /"


def test_directory_where_a_file_is_asked(push: Any, source: Path, target: Path) -> None:
    (target / "tool 1.0.bin").mkdir()
    assert "is a directory where the artifact has a file: move it away" in push.send(source, target)["msg"]


def test_file_where_a_directory_is_asked(push: Any, source: Path, target: Path) -> None:
    (target / "f").touch()
    assert f"{target}/f is not a directory" in push.send(source, str(target / "f" / "g"))["msg"]


def test_fifo_at_the_destination(push: Any, source: Path, target: Path) -> None:
    os.mkfifo(target / "f")
    assert "is a special file where the artifact has a file" in push.send(source, target / "f")["msg"]


def test_other_version_leaves_nothing_of_the_first(push: Any, source: Path, target: Path) -> None:
    first = push.info(source)
    push.apply(first, target / "f", push.cut(first, source, [[0, 1400]]))
    assert len(names(target)) == 2
    source.write_bytes(b"second version")
    assert push.send(source, target / "f")["changed"]
    assert names(target) == ["f"]


def test_patch_without_a_manifest_of_its_own(push: Any, source: Path, tmp_path: Path, target: Path) -> None:
    (tmp_path / "other").write_bytes(os.urandom(5000))
    other = push.info(tmp_path / "other")
    patch = push.cut(other, tmp_path / "other", [[0, 5000]])
    result = push.apply(push.info(source), target, patch)
    assert result["failed"]
    assert "src is a patch of the artifact" in result["msg"]


def test_errors_of_the_source_name_it(push: Any, tmp_path: Path) -> None:
    result = push.run("artifact_info", src=str(tmp_path / "gone"))
    assert result["failed"]
    assert result["msg"] == f"{tmp_path}/gone does not exist on this host"
    assert push.run("artifact_missing_info", manifest="nonsense", dest="/tmp")["msg"].startswith("this is no manifest")  # noqa: S108
