# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A manifest that comes from outside: accepted when it is sound, refused with the reason when not, and never anything else."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.errors import ManifestError
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.manifest import DOCUMENT_MAX, Manifest
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.push

EMPTY = hashlib.sha256(b"").hexdigest()


def pack(values: Any) -> str:
    """A manifest in transport form, made without the code under test."""
    document = json.dumps(values, sort_keys=True, separators=(",", ":")).encode()
    return base64.b64encode(zlib.compress(document)).decode()


def file_entry(path: str, size: int = 0) -> dict[str, Any]:
    return {"path": path, "type": "file", "mode": 0o644, "size": size, "sha256": EMPTY}


def directory(path: str) -> dict[str, Any]:
    return {"path": path, "type": "directory", "mode": 0o755, "mtime": 0}


def values_of(*entries: dict[str, Any], name: str = "t", kind: str = "tree", size: int = 0, sections: int = 0) -> dict[str, Any]:
    return {
        "version": 1,
        "kind": kind,
        "name": name,
        "size": size,
        "layout": {"symbol_size": 1400, "row_symbols": 44, "section_rows": 64},
        "sections": [EMPTY] * sections,
        "entries": list(entries),
    }


def test_sound_manifest_is_taken_and_keeps_its_digest() -> None:
    values = values_of(directory("."), directory("a"), file_entry("a/b"), {"path": "l", "type": "symlink", "target": "../../etc"})
    manifest = Manifest.decode(pack(values))
    assert manifest.digest == hashlib.sha256(json.dumps(values, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    assert [entry.path for entry in manifest.entries] == [".", "a", "a/b", "l"]


@pytest.mark.parametrize(
    "path", ["../x", "a/../../x", "/etc/passwd", "", "a//b", "a/./b", "./a", "a/", "nul\0byte", "x" * 256, "\ud800"], ids=ascii
)
def test_path_that_leaves_the_destination_or_no_host_can_have(path: str) -> None:
    with pytest.raises(ManifestError):
        Manifest.decode(pack(values_of(directory("."), file_entry(path))))


def change(**changes: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda values: values.update(changes)


def change_entry(**changes: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda values: values["entries"][1].update(changes)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (change(version=2), "version 2"),
        (change(version=True), "version is missing or not a int"),
        (change(size=5), "5 bytes|section digests"),
        (change(size=-1), "outside 0 to"),
        (change(size=2**63), "outside 0 to"),
        (change(sections=[EMPTY]), "1 section digests for 0 sections"),
        (change(kind="pipe"), "unknown kind"),
        (change(kind="file"), "must have one entry"),
        (change(name="a/b"), "name is a path"),
        (change(name=".."), "relative"),
        (change(name=""), "root of the artifact"),
        (change(name=None), "name is missing"),
        (change(layout={"symbol_size": 0, "row_symbols": 44, "section_rows": 64}), "outside 1"),
        (change(layout={"symbol_size": 1400, "row_symbols": 65, "section_rows": 64}), "impossible layout"),
        (change(entries={}), "entries is missing or not a list"),
        (change(entries=[1]), "not an object"),
        (change(entries=[directory("."), file_entry("a"), file_entry("a")]), "occur twice"),
        (change(entries=[directory("."), file_entry("b"), file_entry("a")]), "out of order"),
        (change(entries=[directory("."), file_entry("a/b")]), "lies in is no directory"),
        (change(entries=[directory("."), file_entry("a"), file_entry("a/b")]), "lies in is no directory"),
        (change(entries=[directory("."), {"path": "a", "type": "symlink", "target": "/etc"}, file_entry("a/passwd")]), "lies in is no directory"),
        (change(entries=[file_entry(".")]), "root of the artifact"),
        (change_entry(type="fifo"), "unknown type"),
        (change_entry(mode=0o10000), "outside 0 to 4095"),
        (change_entry(mode="0644"), "mode is missing or not a int"),
        (change_entry(size=3), "files have 3"),
        (change_entry(sha256="A" * 64), "hexadecimal"),
        (change_entry(sha256=EMPTY + "\n"), "hexadecimal"),
        (change_entry(target="x"), "cannot have target"),
        (change_entry(owner="root"), "cannot have owner"),
        (change_entry(mtime=2**63), "outside"),
        (change_entry(type="symlink", target=""), "cannot have|empty"),
        (change(surplus=1), "canonical"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_damaged_manifest_is_refused_with_the_reason(damage: Callable[[dict[str, Any]], Any], message: str) -> None:
    values = values_of(directory("."), file_entry("a"))
    Manifest.decode(pack(values))
    damage(values)
    with pytest.raises(ManifestError, match=message):
        Manifest.decode(pack(values))


@pytest.mark.parametrize("text", ["", "no base64!", "YWJj", base64.b64encode(zlib.compress(b"{")).decode(), pack([]), pack(values_of())[:-8], "ü"])
def test_text_that_is_no_manifest(text: str) -> None:
    with pytest.raises(ManifestError):
        Manifest.decode(text)


def test_bomb_is_not_unpacked() -> None:
    bomb = zlib.compress(b" " * (DOCUMENT_MAX + 10))
    with pytest.raises(ManifestError, match="larger than"):
        Manifest.decode(base64.b64encode(bomb).decode())


def test_deeply_nested_json() -> None:
    with pytest.raises(ManifestError):
        Manifest.decode(base64.b64encode(zlib.compress(b"[" * 200000)).decode())


def test_other_spelling_of_the_same_content_is_refused() -> None:
    document = json.dumps(values_of(), sort_keys=False, indent=1).encode()
    with pytest.raises(ManifestError, match="canonical"):
        Manifest.decode(base64.b64encode(zlib.compress(document)).decode())


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_any_json_is_refused_in_one_way(values: Any) -> None:
    with pytest.raises(ManifestError):
        Manifest.decode(pack(values))


@given(st.sampled_from(["version", "kind", "name", "size", "layout", "sections", "entries"]), st.integers() | st.text() | st.lists(st.integers()))
def test_any_value_in_any_field_is_taken_or_refused(key: str, value: Any) -> None:
    values = values_of(directory("."), file_entry("a"))
    values[key] = value
    try:
        manifest = Manifest.decode(pack(values))
    except ManifestError:
        return
    assert json.loads(manifest.document) == values


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_in_one_way(noise: bytes) -> None:
    with pytest.raises(ManifestError):
        Manifest.decode(base64.b64encode(noise).decode())
