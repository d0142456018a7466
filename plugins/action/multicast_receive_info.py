# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes the outcome of a receiver that runs asynchronously."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible.plugins.action import ActionBase
from ansible_collections.fleetcast.core.plugins.plugin_utils._jobs import Job


class ActionModule(ActionBase):
    ARGUMENT_SPEC: ClassVar[dict[str, Any]] = {"job": {"type": "str", "required": True}, "timeout": {"type": "float", "default": 60}}
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validated, arguments = self.validate_argument_spec(argument_spec=self.ARGUMENT_SPEC)
        if self._task.check_mode:
            result.update(changed=False, complete=False, reason="lost", msg="no receiver runs in check mode")
            return result
        received = Job(self, str(arguments["job"])).wait(arguments["timeout"])
        if received is None:
            received = {
                "changed": False,
                "reason": "lost",
                "msg": f"the receiver has not ended within {arguments['timeout']:g} s, it must have been killed; its job on the host is {arguments['job']}",
            }
        result.update(received)
        result.setdefault("complete", False)
        result.setdefault("reason", "completed" if result["complete"] else "error")
        # A receiver that lacks something has failed, the taking of its outcome has not.
        result["failed"] = False
        return result
