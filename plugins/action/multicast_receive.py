# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of multicast_receive: gives the host its seat in the session, and keeps the session's secret."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible_collections.fleetcast.core.plugins.module_utils._multicast.auth import SessionKeys
from ansible_collections.fleetcast.core.plugins.module_utils._multicast.errors import BadSession
from ansible_collections.fleetcast.core.plugins.plugin_utils._jobs import ANSWER_FD, JobAction


class ActionModule(JobAction):
    _supports_async = True
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        arguments = dict(self._task.args)
        receivers = [str(name) for name in arguments.pop("receivers", [])]
        session_key = str(arguments.pop("session_key", ""))
        if not self._task.check_mode:
            arguments["seat"] = _seat(str(task_vars["inventory_hostname"]), receivers, session_key)
        if self._task.async_val:
            result.update(self._start(arguments, task_vars, self._task.async_val))
        else:
            result.update(self._execute_module(module_args=arguments, task_vars=task_vars))
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return result

    def _start(self, arguments: dict[str, Any], task_vars: dict[str, Any], seconds: int) -> dict[str, Any]:
        """A receiver that listens, if something is missing: by one run of the module where it can say so itself, else by two."""
        if self.can_answer:
            return self.start_job({**arguments, "answer_fd": ANSWER_FD}, task_vars, seconds, answers=True)
        before = dict(self._execute_module(module_args={**arguments, "listen": False}, task_vars=task_vars, wrap_async=False))
        if before.get("failed") or before.get("unreachable") or before.get("complete"):
            return before
        return {**before, **self.start_job({**arguments, "reuse": False}, task_vars, seconds)}


def _seat(host: str, receivers: list[str], session_key: str) -> dict[str, Any]:
    """Where this host sits in the session, and the keys that it may have."""
    if host not in receivers:
        raise AnsibleActionFail(f"{host} is not in the list of receivers, so the sender would not listen to it: add it, or skip this task there")
    try:
        keys = SessionKeys.from_hex(session_key)
    except BadSession as error:
        raise AnsibleActionFail(f"session_key: {error}") from error
    number = receivers.index(host)
    return {"number": number, "count": len(receivers), "keys": keys.for_receiver(number).to_hex()}
