# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of artifact_apply: bring the patch to the host, unless the host holds the artifact already."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase

_ASKED = ("manifest", "dest", "force")


class ActionModule(ActionBase):
    TRANSFERS_FILES = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        patch = arguments.pop("src", None)
        sent = 0
        try:
            if patch and not self._task.check_mode and not self._is_held(arguments, task_vars):
                source = Path(self._find_patch(str(patch)))
                arguments["src"] = self._bring(source)
                sent = source.stat().st_size
            result.update(self._execute_module(module_name="fleetcast.core.artifact_apply", module_args=arguments, task_vars=task_vars))
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        result["bytes_sent"] = sent
        return result

    def _is_held(self, arguments: dict[str, Any], task_vars: dict[str, Any] | None) -> bool:
        """Ask the host, so that no bytes move for nothing."""
        asked = {name: arguments[name] for name in _ASKED if name in arguments}
        # An older version is looked through when the patch is applied.
        asked["reuse"] = False
        answer = self._execute_module(module_name="fleetcast.core.artifact_missing_info", module_args=asked, task_vars=task_vars)
        if answer.get("failed"):
            raise AnsibleActionFail(str(answer.get("msg", "the host cannot say what it lacks")), result=answer)
        return bool(answer["missing_bytes"] == 0)

    def _find_patch(self, patch: str) -> str:
        try:
            return str(self._find_needle("files", patch))
        except AnsibleError as error:
            raise AnsibleActionFail(
                f"the patch {patch} is not on the controller; make it with artifact_extract, and fetch it if the sender is another host"
            ) from error

    def _bring(self, source: Path) -> str:
        """Transfer the patch to the temporary directory of the host's connection, readable by the user that the task becomes."""
        folder = self._connection._shell.tmpdir
        path = self._connection._shell.join_path(folder, "artifact.patch")
        self._transfer_file(str(source), path)
        self._fixup_perms2((folder, path))
        return str(path)
