# Copyright (c) 2026 The fleetcast authors
# SPDX-License-Identifier: BSD-2-Clause
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# Names of files are bytes here, which pathlib does not take.
# ruff: noqa: PTH100, PTH112, PTH116, PTH118, PTH119, PTH120
"""What stands between an artifact and its destination: compared, named, and judged before a byte moves."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from typing import NamedTuple

from .errors import PlacingError
from .manifest import DIRECTORY, FILE, ROOT, SYMLINK, Entry, Manifest
from .paths import MAP_SUFFIX, PART_SUFFIX, native, printable, to_bytes, to_text, unfinished_name

_CHUNK = 256 * 1024

#: What is to be done with an entry. TOUCH: a file's content is right, its time is not.
CREATE, REPLACE, TOUCH = "create", "replace", "touch"


class Step(NamedTuple):
    """One entry of the artifact that is not at the destination as it should be. ``path``: its final name; ``before``: what is there now, for people."""

    entry: Entry
    path: bytes
    action: str
    before: str

    @property
    def after(self) -> str:
        """What will be there, for people."""
        entry = self.entry
        if entry.type == FILE:
            return f"file, {entry.size} bytes, sha256 {entry.sha256}" + ("" if entry.mtime is None else f", mtime {entry.mtime / 1e9:.6f}")
        return "directory" if entry.type == DIRECTORY else f"symlink to {printable(entry.target or '')}"


@dataclass(frozen=True)
class Plan:
    """All that is to be done at the destination.

    ``root``: final path of the file, or of the directory that the tree's paths are relative to. ``folders``: directories above the entries that do
    not exist yet, outermost first. ``steps``: in the manifest's order.
    """

    root: bytes
    folders: list[bytes]
    steps: list[Step]

    @property
    def needs_bytes(self) -> bool:
        """Whether any of it needs bytes of the stream."""
        return any(step.entry.size > 0 and step.action != TOUCH for step in self.steps)


class SpoolPaths(NamedTuple):
    part: str
    map: str


def final_path(manifest: Manifest, dest: str) -> bytes:
    """Where the artifact ends up when it is sent to `dest`: a file as or in it, a tree with a name in it, the contents of a tree as it."""
    raw = os.path.abspath(to_bytes(dest))
    into = manifest.name and (manifest.kind != FILE or dest.endswith("/") or os.path.isdir(raw))
    return os.path.join(raw, to_bytes(manifest.name)) if into else raw


def spool_paths(manifest: Manifest, root: bytes) -> SpoolPaths:
    """Where this artifact's spool is or would be: beside `root`. Within it when it is a directory on another file system than its parent, or
    when its parent is not ours to write to. Placing changes none of these conditions, so the spool is found again."""
    folder = os.path.dirname(root)
    if os.path.isdir(root) and (os.stat(root).st_dev != os.stat(folder).st_dev or not os.access(folder, os.W_OK | os.X_OK)):
        folder = root
    name = to_text(os.path.basename(root))
    part, map_ = (native(to_text(os.path.join(folder, to_bytes(unfinished_name(name, manifest.digest, suffix))))) for suffix in (PART_SUFFIX, MAP_SUFFIX))
    return SpoolPaths(part, map_)


def make_plan(manifest: Manifest, dest: str, *, force: bool = True) -> Plan:
    """Compare the destination with the artifact. Files of the same size are read and digested; everything else is a look at their status.

    :param force: False leaves files and links alone that exist, whatever they are.
    :raises PlacingError: something is in the way that the artifact cannot replace, or the destination cannot be written.
    """
    root = final_path(manifest, dest)
    may_create_parent = manifest.kind != FILE or dest.endswith("/")
    is_top = manifest.kind == FILE or manifest.name
    try:
        folders = _missing_folders(os.path.dirname(root) if is_top else root, may_create_parent)
        steps = _steps(manifest, root, force)
    except OSError as error:
        name = error.filename if isinstance(error.filename, bytes) else root
        raise PlacingError(f"cannot look at {printable(to_text(name))}: {error.strerror}") from error
    _check_writable({os.path.dirname(path) for path in [*folders, *(step.path for step in steps if step.action != TOUCH)]})
    return Plan(root, folders, steps)


def _entry_path(manifest: Manifest, root: bytes, entry: Entry) -> bytes:
    return root if manifest.kind == FILE or entry.path == ROOT else os.path.join(root, to_bytes(entry.path))


def entry_paths(manifest: Manifest, root: bytes) -> list[tuple[Entry, bytes]]:
    """Every entry with its final path."""
    return [(entry, _entry_path(manifest, root, entry)) for entry in manifest.entries]


def _missing_folders(folder: bytes, may_create: bool) -> list[bytes]:
    missing: list[bytes] = []
    while not os.path.lexists(folder):
        missing.insert(0, folder)
        folder = os.path.dirname(folder)
    if not os.path.isdir(folder):
        raise PlacingError(f"{printable(to_text(folder))} is not a directory, so nothing can be placed in it")
    if missing and not may_create:
        if not os.access(folder, os.X_OK):
            raise PlacingError(f"the destination directory {printable(to_text(missing[-1]))} is not accessible to this user")
        raise PlacingError(f"the destination directory {printable(to_text(missing[-1]))} does not exist: create it, or end dest with /")
    return missing


def _check_writable(folders: set[bytes]) -> None:
    for folder in sorted(folders):
        if os.path.isdir(folder) and not os.access(folder, os.W_OK | os.X_OK):
            raise PlacingError(f"the destination directory {printable(to_text(folder))} is not writable by this user")


def _steps(manifest: Manifest, root: bytes, force: bool) -> list[Step]:
    steps = []
    # What is in a directory that is not there need not be looked for: a look costs as much as the rest of the plan.
    absent: set[str] = set()
    for entry in manifest.entries:
        path = _entry_path(manifest, root, entry)
        step: Step | None = Step(entry, path, CREATE, "absent")
        if not absent or (entry.path.rpartition("/")[0] or ROOT) not in absent:
            step = _step(entry, path, force)
        if step is not None:
            steps.append(step)
            if entry.type == DIRECTORY:
                absent.add(entry.path)
    return steps


def _step(entry: Entry, path: bytes, force: bool) -> Step | None:
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        # Something that is no directory in the middle of the path has a conflict of its own, found at its own entry.
        return Step(entry, path, CREATE, "absent")
    if entry.type == DIRECTORY:
        # A symlink to a directory serves as one, as it does for copy.
        if os.path.isdir(path):
            return None
        raise PlacingError(f"{printable(to_text(path))} is {_kind(status)} where the artifact has a directory: move it away")
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode)):
        raise PlacingError(f"{printable(to_text(path))} is {_kind(status)} where the artifact has a {entry.type}: move it away")
    if not force:
        return None
    if entry.type == SYMLINK:
        return _symlink_step(entry, path, status)
    return _file_step(entry, path, status)


def _symlink_step(entry: Entry, path: bytes, status: os.stat_result) -> Step | None:
    if not stat.S_ISLNK(status.st_mode):
        return Step(entry, path, REPLACE, f"file, {status.st_size} bytes")
    target = to_text(os.readlink(path))
    return None if target == entry.target else Step(entry, path, REPLACE, f"symlink to {printable(target)}")


def _file_step(entry: Entry, path: bytes, status: os.stat_result) -> Step | None:
    if stat.S_ISLNK(status.st_mode):
        return Step(entry, path, REPLACE, f"symlink to {printable(to_text(os.readlink(path)))}")
    if status.st_size != entry.size:
        return Step(entry, path, REPLACE, f"file, {status.st_size} bytes")
    digest = _file_digest(path)
    if digest != entry.sha256:
        return Step(entry, path, REPLACE, f"file, {status.st_size} bytes, sha256 {digest}")
    if entry.mtime is not None and entry.mtime != status.st_mtime_ns:
        return Step(entry, path, TOUCH, f"file, {status.st_size} bytes, sha256 {digest}, mtime {status.st_mtime:.6f}")
    return None


def _file_digest(path: bytes) -> str:
    digest = hashlib.sha256()
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123
        while True:
            chunk = file.read(_CHUNK)
            if not chunk:
                return digest.hexdigest()
            digest.update(chunk)


def _kind(status: os.stat_result) -> str:
    if stat.S_ISDIR(status.st_mode):
        return "a directory"
    if stat.S_ISLNK(status.st_mode):
        return "a symlink that leads to no directory"
    return "a file" if stat.S_ISREG(status.st_mode) else "a special file"
