# Copyright (c) 2026 The fleetcast authors
# SPDX-License-Identifier: BSD-2-Clause
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# Names of files are bytes here, which pathlib does not take.
# ruff: noqa: PTH112, PTH113, PTH118, PTH120, PTH123
"""What the modules that place an artifact share: their options, the spool beside the destination, placing, and what they return."""

from __future__ import annotations

import os
import shlex
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ._artifact.errors import ArtifactError, DiskFull, SpoolError
from ._artifact.manifest import FILE, Manifest
from ._artifact.patch import apply_patch
from ._artifact.paths import printable, to_text
from ._artifact.place import finish, place
from ._artifact.plan import Plan, final_path, make_plan, spool_paths
from ._artifact.ranges import Ranges, first, merge, subtract, total
from ._artifact.reuse import OlderContent, take_over
from ._artifact.spool import Spool
from ._artifact_host import ModuleHost
from ._manifest_module import MANIFEST_OPTION

#: Largest file whose text is shown by --diff, in bytes (what ansible.builtin.copy shows).
_DIFF_MAX = 104448
#: Seconds to wait for another process that holds the spool: a sender ends half a minute after its play was killed, and its receivers with it.
PATIENCE = 45.0


def placing_argument_spec() -> dict[str, dict[str, Any]]:
    """Options of every module that places an artifact; documented in the fragment ``fleetcast.core.placing``."""
    return {
        "manifest": MANIFEST_OPTION,
        "dest": {"type": "path", "required": True},
        "mode": {"type": "raw"},
        "directory_mode": {"type": "raw"},
        "owner": {"type": "str"},
        "group": {"type": "str"},
        "seuser": {"type": "str"},
        "serole": {"type": "str"},
        "selevel": {"type": "str"},
        "setype": {"type": "str"},
        "attributes": {"type": "str", "aliases": ["attr"]},
        "backup": {"type": "bool", "default": False},
        "force": {"type": "bool", "default": True},
        "validate": {"type": "str"},
    }


def already_held(module: AnsibleModule, manifest: Manifest) -> dict[str, Any] | None:
    """The module's result when nothing has to be received, else None.

    Nothing has to be received when every byte is at the destination already (then modes, owners, times, links, directories and empty files are
    brought in order, and spools that are left over removed), and in check mode (then the result says what would change).
    """
    plan = _plan(module, manifest)
    if plan.needs_bytes and not module.check_mode:
        return None
    return _carry_out(module, manifest, plan, None)


def open_spool(module: AnsibleModule, manifest: Manifest, *, reuse: bool = True, patience: float = PATIENCE) -> tuple[Spool, int]:
    """The spool beside the destination, with room for all that will be written, and the bytes that an older version at the destination gave to it.

    Missing directories above it are made.

    :param reuse: whether to look at older versions.
    :param patience: seconds to wait for another process that holds the spool.

    :raises DiskFull: the stream, or the tree that is to be unpacked beside it, does not fit.
    :raises SpoolBusy: another process receives the same artifact to the same place.
    """
    plan = _plan(module, manifest)
    host = ModuleHost(module, manifest)
    paths = spool_paths(manifest, plan.root)
    beside = os.path.dirname(os.fsencode(paths.part))
    for folder in plan.folders:
        if os.path.join(beside, b"").startswith(os.path.join(folder, b"")):
            host.make_folder(folder)
    spool = Spool(paths.part, paths.map, manifest.layout, manifest.section_digests, patience)
    try:
        _check_room(manifest, plan, to_stream=0)
    except DiskFull:
        if spool.resumed:
            spool.close()
        else:
            spool.discard()
        raise
    try:
        taken = take_over(OlderContent(manifest, plan.root), spool) if reuse else 0
    except SpoolError:
        spool.close()
        raise
    return spool, taken


def _check_room(manifest: Manifest, plan: Plan, to_stream: int) -> None:
    """See whether what is still to be written fits: ``to_stream`` bytes of the stream, and a tree once more when it is unpacked beside it."""
    to_unpack = sum(step.entry.size for step in plan.steps) if manifest.kind != FILE else 0
    part = spool_paths(manifest, plan.root).part
    folder = os.path.dirname(os.fsencode(part))
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    room = os.statvfs(folder)
    if to_stream + to_unpack > room.f_bavail * room.f_frsize:
        reason = "a tree is unpacked beside its stream, so it needs its size twice" if to_unpack else "free some, or choose another dest"
        raise DiskFull(part, to_stream + to_unpack, reason)


def place_complete(module: AnsibleModule, manifest: Manifest, spool: Spool) -> dict[str, Any]:
    """Place a complete spool and remove it; the module's result."""
    return _carry_out(module, manifest, _plan(module, manifest), spool)


def missing(module: AnsibleModule, manifest: Manifest, max_bytes: int | None, *, reuse: bool = True) -> dict[str, Any]:
    """What the destination, the spool and older versions lack; the result of ``artifact_missing_info``. Makes no spool where there is none."""
    plan = _plan(module, manifest)
    paths = spool_paths(manifest, plan.root)
    lacking: Ranges = []
    older: OlderContent | None = None
    state = "complete"
    if plan.needs_bytes:
        state, lacking, searched = _spooled(manifest, plan)
        older = None if searched else OlderContent(manifest, plan.root)
    unspooled = total(lacking)
    if older is not None and reuse:
        lacking = subtract(lacking, _reusable(manifest, older, lacking))
        state = "partial" if total(lacking) < unspooled else state
    return {
        "state": state,
        "missing": first(lacking, max_bytes, manifest.layout.symbol_size) if max_bytes is not None else lacking,
        "missing_bytes": total(lacking),
        "have_bytes": manifest.size - total(lacking),
        "reusable_bytes": unspooled - total(lacking),
        "older_bytes": 0 if older is None else older.size,
        # Not "dest": to a result with that name AnsibleModule adds the state, size and owner of the file.
        "final_path": printable(to_text(plan.root)),
        "spool": printable(to_text(os.fsencode(paths.part))),
        "digest": manifest.digest,
    }


def _spooled(manifest: Manifest, plan: Plan) -> tuple[str, Ranges, bool]:
    """State and missing ranges by the spool alone, and whether older versions have been searched for it. :raises DiskFull: a new one would not fit."""
    paths = spool_paths(manifest, plan.root)
    if all(os.path.lexists(path) for path in paths):
        with Spool(paths.part, paths.map, manifest.layout, manifest.section_digests, PATIENCE) as spool:
            return "partial", spool.missing_ranges(), spool.searched
    _check_room(manifest, plan, to_stream=manifest.size)
    return "absent", [(0, manifest.size)], False


def _reusable(manifest: Manifest, older: OlderContent, lacking: Ranges) -> Ranges:
    """The sections of which something is lacking and that older versions have."""
    layout = manifest.layout
    sections: dict[int, None] = {}
    for offset, length in lacking:
        sections.update(dict.fromkeys(range(offset // layout.section_bytes, (offset + length - 1) // layout.section_bytes + 1)))
    return merge((layout.section_offset(section), len(view)) for section, view in older.matching(sections))


def apply_and_place(module: AnsibleModule, manifest: Manifest, src: str | None) -> dict[str, Any]:
    """Write the patch ``src`` (if any) into the spool, and place the artifact if that completes it; the result of ``artifact_apply``."""
    received = 0
    if src is None:
        held = missing(module, manifest, None, reuse=False)
        if held["state"] == "absent" and not held["older_bytes"]:
            return incomplete(module, manifest, manifest.size, received, 0)
    spool, reused = open_spool(module, manifest)
    with spool:
        if src is not None:
            try:
                with open(src, "rb") as patch:
                    received = apply_patch(patch, manifest, spool)
            except OSError as error:
                raise ArtifactError(f"cannot read the patch {src}: {error.strerror}") from error
        if not spool.complete:
            result = incomplete(module, manifest, spool.missing_bytes, received, reused)
            if spool.missing_bytes == manifest.size and not spool.resumed:
                spool.discard()
            return result
        result = place_complete(module, manifest, spool)
    result.update(bytes_received=received, bytes_reused=reused)
    return result


def incomplete(module: AnsibleModule, manifest: Manifest, missing_bytes: int, received: int, reused: int) -> dict[str, Any]:
    """The result of a module after which something is still missing."""
    return {
        "dest": printable(to_text(final_path(manifest, str(module.params["dest"])))),
        "digest": manifest.digest,
        "checksum": manifest.checksum,
        "complete": False,
        "missing_bytes": missing_bytes,
        "bytes_received": received,
        "bytes_reused": reused,
        "changed": received > 0,
    }


def _plan(module: AnsibleModule, manifest: Manifest) -> Plan:
    return make_plan(manifest, str(module.params["dest"]), force=module.params["force"])


def _carry_out(module: AnsibleModule, manifest: Manifest, plan: Plan, spool: Spool | None) -> dict[str, Any]:
    host = ModuleHost(module, manifest)
    result: dict[str, Any] = {
        "dest": printable(to_text(plan.root)),
        "digest": manifest.digest,
        "checksum": manifest.checksum,
        "complete": not plan.needs_bytes or spool is not None,
        "missing_bytes": 0 if spool is not None or not plan.needs_bytes else manifest.size,
        "bytes_received": 0,
        "bytes_reused": 0,
        "changed": bool(plan.steps or plan.folders),
    }
    diff = _diff_of(module, manifest, plan, spool)
    if not module.check_mode:
        if plan.steps or plan.folders:
            if manifest.kind == FILE and plan.steps:
                _validate(module, plan, spool)
            place(manifest, plan, spool, host)
        if spool is not None:
            spool.close()
        finish(manifest, plan.root)
    changed_attributes = host.settle_attributes(plan)
    if host.backups:
        result["backup_file" if manifest.kind == FILE else "backup_files"] = host.backups[0] if manifest.kind == FILE else host.backups
    if changed_attributes:
        result["changed"] = True
        diff.append(_attributes_diff(plan, changed_attributes))
    if module._diff:
        result["diff"] = diff
    return result


def _validate(module: AnsibleModule, plan: Plan, spool: Spool | None) -> None:
    command = module.params.get("validate")
    if command is None:
        return
    path = spool.part if spool is not None else os.devnull
    # Split as a shell would, never run by one.
    code, out, err = module.run_command(command.replace("%s", shlex.quote(path)))
    if code != 0:
        module.fail_json(
            msg=f"{printable(to_text(plan.root))} is not placed: validate failed with exit code {code}",
            exit_status=code,
            stdout=out,
            stderr=err,
        )


def _diff_of(module: AnsibleModule, manifest: Manifest, plan: Plan, spool: Spool | None) -> list[dict[str, Any]]:
    if not module._diff or not (plan.steps or plan.folders):
        return []
    root = printable(to_text(plan.root))
    if manifest.kind == FILE and spool is not None and plan.steps:
        return [_text_diff(manifest, plan, spool)]
    before = [f"{printable(to_text(step.path))}: {step.before}\n" for step in plan.steps if step.before != "absent"]
    after = [f"{printable(to_text(folder))}: directory\n" for folder in plan.folders]
    after += [f"{printable(to_text(step.path))}: {step.after}\n" for step in plan.steps]
    return [{"before_header": root, "after_header": root, "before": "".join(before), "after": "".join(after)}]


def _text_diff(manifest: Manifest, plan: Plan, spool: Spool) -> dict[str, Any]:
    """As `ansible.builtin.copy` does it: the text of small text files, else the reason why it is not shown."""
    root = printable(to_text(plan.root))
    diff: dict[str, Any] = {"before_header": root, "after_header": manifest.name}
    old = b""
    if os.path.isfile(plan.root):
        with open(plan.root, "rb") as file:
            old = file.read(_DIFF_MAX + 1)
    new = spool.read(0, min(manifest.size, _DIFF_MAX + 1))
    for side, key, content in (("dst", "before", old), ("src", "after", new)):
        if len(content) > _DIFF_MAX:
            diff[side + "_larger"] = _DIFF_MAX
        elif b"\0" in content:
            diff[side + "_binary"] = 1
        else:
            diff[key] = content.decode("utf-8", "replace")
    return diff


def _attributes_diff(plan: Plan, changed: dict[str, dict[str, Any]]) -> dict[str, Any]:
    root = printable(to_text(plan.root))
    texts = {}
    for side in ("before", "after"):
        lines = []
        for path, diff in sorted(changed.items()):
            lines.append(f"{path}: " + ", ".join(f"{key} {value}" for key, value in sorted(diff.get(side, {}).items())) + "\n")
        texts[side] = "".join(lines)
    return {"before_header": root, "after_header": root, **texts}
