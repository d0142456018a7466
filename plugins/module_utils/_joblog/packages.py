# Copyright (c) 2026 The fleetcast authors
# SPDX-License-Identifier: BSD-2-Clause
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
"""Whether a package of a job still is on the server, and still is what it was."""

from __future__ import annotations

from typing import Any, Mapping

from .._artifact.errors import ArtifactError
from .._artifact.manifest import Entry, Manifest
from .._artifact.paths import printable
from .._artifact.scan import scan

#: Names in a message; more are counted.
_NAMED = 5


def problem_of(package: Mapping[str, Any]) -> str:
    """What is wrong with the package, or an empty text. Reads all of it."""
    path, wanted = str(package["path"]), Manifest.decode(str(package["manifest"]))
    layout = wanted.layout
    try:
        found = scan(path, symbol_size=layout.symbol_size, row_symbols=layout.row_symbols, section_rows=layout.section_rows)
    except ArtifactError as error:
        return f"the package cannot be read: {error}"
    if found.digest == wanted.digest:
        return ""
    return f"the package {path} is not what it was: {_difference(wanted, found)}"


def _difference(wanted: Manifest, found: Manifest) -> str:
    if (wanted.kind, wanted.name) != (found.kind, found.name):
        return f"it is the {found.kind} {printable(found.name)!r}, and was the {wanted.kind} {printable(wanted.name)!r}"
    was, is_now = ({entry.path: entry for entry in manifest.entries} for manifest in (wanted, found))
    texts = [_entry_difference(path, was.get(path), is_now.get(path)) for path in sorted(set(was) | set(is_now)) if was.get(path) != is_now.get(path)]
    more = f", and {len(texts) - _NAMED} more" if len(texts) > _NAMED else ""
    return "; ".join(texts[:_NAMED]) + more


def _entry_difference(path: str, was: Entry | None, found: Entry | None) -> str:
    name = printable(path)
    if was is None:
        return f"{name} was not there"
    if found is None:
        return f"{name} is missing"
    if was.sha256 != found.sha256:
        return f"{name} has {found.size} bytes with sha256 {found.sha256}, and had {was.size} with {was.sha256}"
    if was.mode is not None and found.mode is not None and was.mode != found.mode:
        return f"{name} has the mode {found.mode:04o}, and had {was.mode:04o}"
    return f"{name} has another type, time or target"
