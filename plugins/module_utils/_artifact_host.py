# Copyright (c) 2026 The fleetcast authors
# SPDX-License-Identifier: BSD-2-Clause
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# Names of files are bytes here, which pathlib does not take.
# ruff: noqa: PTH101, PTH102, PTH104, PTH110, PTH114
"""Users, modes, SELinux contexts and backups of what is placed, by the means of `AnsibleModule`."""

from __future__ import annotations

import os
import shutil
import stat
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ._artifact.manifest import DIRECTORY, FILE, SYMLINK, Entry, Manifest
from ._artifact.paths import printable, to_text
from ._artifact.plan import REPLACE, TOUCH, Plan, Step, entry_paths

#: Umask-masked mode of a new file, as open(2) would give.
_NEW_FILE_MODE = 0o666


class ModuleHost:
    """The :class:`place.Host` of a module, by its parameters. ``backups``: the paths of those that were made."""

    def __init__(self, module: AnsibleModule, manifest: Manifest) -> None:
        self.module = module
        self.manifest = manifest
        self.backups: list[str] = []
        self._umask = os.umask(0)
        os.umask(self._umask)

    def make_folder(self, path: bytes) -> None:
        # 0777 less the umask, as mkdir(1) does.
        os.mkdir(path)
        attributes = self._attributes(path, self.module.params["directory_mode"])
        self.module.set_fs_attributes_if_different(attributes, False, expand=False)

    def dress(self, staged: bytes, step: Step) -> None:
        if step.entry.type == FILE:
            self._inherit(staged, step)
        attributes = self._attributes(step.path, self._mode(step.entry))
        attributes["path"] = to_text(staged)
        # An immutable file cannot be renamed: chattr comes when it has its name.
        attributes["attributes"] = None
        if self.module.selinux_enabled():
            context = self.module.selinux_context(to_text(step.path)) if step.action == REPLACE else self.module.selinux_default_context(to_text(step.path))
            self.module.set_context_if_different(to_text(staged), context, False)
        self.module.set_fs_attributes_if_different(attributes, False, expand=False)

    def _inherit(self, staged: bytes, step: Step) -> None:
        """A file that replaces one keeps its mode and owner, a new one gets what open(2) would give it."""
        old = os.lstat(step.path) if step.action == REPLACE else None
        if old is not None and stat.S_ISREG(old.st_mode):
            mine = os.lstat(staged)
            if (mine.st_uid, mine.st_gid) != (old.st_uid, old.st_gid):
                try:
                    os.chown(staged, old.st_uid, old.st_gid)
                except PermissionError:
                    # Only root may give files away; copy does not insist either.
                    self.module.debug(f"{printable(to_text(step.path))} does not keep its owner")
            # Mode, access control lists and other extended attributes; the times are our own.
            shutil.copystat(step.path, staged)
            os.utime(staged, ns=(mine.st_atime_ns, mine.st_mtime_ns))
        else:
            os.chmod(staged, _NEW_FILE_MODE & ~self._umask)

    def before_replace(self, path: bytes) -> None:
        """A backup under the name that `AnsibleModule.backup_local` would give it; a second name for the old file costs no room and is never partial."""
        if not self.module.params["backup"] or not os.path.exists(path):
            return
        backup = path + time.strftime(".%d.%%Y-%%m-%%d@%%H:%%M:%%S~" % os.getpid()).encode()
        try:
            if os.path.islink(path):
                raise OSError("what the link points to is to be kept")
            os.link(path, backup)
        except OSError:
            partial = backup + b".partial"
            self.module.preserved_copy(to_text(path), to_text(partial))
            os.rename(partial, backup)
        self.backups.append(printable(to_text(backup)))

    def settle_attributes(self, plan: Plan) -> dict[str, dict[str, Any]]:
        """Modes, owners and contexts of everything that is in place: what differed, by final path. In check mode nothing is changed."""
        changed = {}
        fresh = {step.path for step in plan.steps}
        # What got everything before it got its name; chattr alone is left for later. Looking again would take as long as placing a small file.
        dressed = {step.path for step in plan.steps if step.action != TOUCH and step.entry.type != DIRECTORY and self.module.params["attributes"] is None}
        for entry, path in reversed(entry_paths(self.manifest, plan.root)):
            if path in dressed or (self.module.check_mode and path in fresh):
                continue
            if not self.module.params["force"] and path not in fresh and entry.type != DIRECTORY:
                continue
            diff: dict[str, Any] = {}
            attributes = self._attributes(path, self._mode(entry))
            if self.module.set_fs_attributes_if_different(attributes, False, diff, expand=False) and path not in fresh:
                changed[printable(to_text(path))] = diff
        return changed

    def _mode(self, entry: Entry) -> Any:
        """The mode an entry is to have: as the option says, else, in a tree, as in the source; None leaves it as it is."""
        if entry.type == SYMLINK:
            return None
        wanted = self.module.params["directory_mode" if entry.type == DIRECTORY else "mode"]
        if wanted == "preserve" or (wanted is None and self.manifest.kind != FILE):
            return entry.mode
        return wanted

    def _attributes(self, path: bytes, mode: Any) -> dict[str, Any]:
        attributes: dict[str, Any] = self.module.load_file_common_arguments(self.module.params, path=to_text(path))
        # load_file_common_arguments expands variables and ~, which are ordinary characters here.
        attributes.update(path=to_text(path), mode=None if mode == "preserve" else mode)
        return attributes
