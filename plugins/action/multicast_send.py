# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of multicast_send: runs the module beside itself and shows its progress meanwhile."""

from __future__ import annotations

import time
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.utils.display import Display
from ansible_collections.fleetcast.core.plugins.plugin_utils._jobs import INTERVAL, LONGEST_LOOK, Job, JobAction
from ansible_collections.fleetcast.core.plugins.plugin_utils._packing import packed_meanwhile
from ansible_collections.fleetcast.core.plugins.plugin_utils._progress import ProgressLine, summarize

#: What is started next on all hosts, once the sender is known to be able to send.
_RECEIVER = "fleetcast.core.multicast_receive"
#: Seconds beyond the session's own limits before the job counts as lost: for start-up, digests and the last report.
_GRACE = 120


class ActionModule(JobAction):
    _supports_async = True
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        if self._task.async_val:
            return self.start_job(dict(self._task.args), task_vars, self._task.async_val)
        if self._task.check_mode:
            with packed_meanwhile(self, _RECEIVER, task_vars):
                return dict(self._execute_module(task_vars=task_vars))
        return self._run_watched(task_vars)

    def _run_watched(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        args = self._task.args
        try:
            limit = int(float(args.get("timeout", 3600)) + float(args.get("ready_timeout", 15))) + _GRACE
        except ValueError as error:
            raise AnsibleActionFail(f"timeout and ready_timeout are seconds: {error}") from error
        folder = self._make_tmp_path()
        # The module gets a folder of its own, which the asynchronous wrapper removes; this one is ours until the end.
        self._connection._shell.tmpdir = None
        try:
            progress_file = self._connection._shell.join_path(folder, "progress")
            started = self.start_job(dict(args, progress_file=progress_file), task_vars, limit)
            if "ansible_job_id" not in started:
                return started
            return self._watch(Job(self, started["ansible_job_id"]), progress_file, time.monotonic() + limit)
        finally:
            self._remove_tmp_path(folder, force=True)

    def _watch(self, job: Job, progress_file: str, deadline: float) -> dict[str, Any]:
        """Show the progress until the job has ended; return its result. Reading the progress acknowledges it: a session that nobody watches any more ends."""
        line = ProgressLine(Display().display, label=str(self._task.args.get("label", "")))
        summary = ""
        try:
            while time.monotonic() < deadline:
                look = job.watch(LONGEST_LOOK, progress_file)
                if look.note:
                    line.update(look.note)
                if look.result is not None:
                    summary = summarize(look.result)
                    return look.result
                time.sleep(INTERVAL)
        finally:
            line.close(summary)
        raise AnsibleActionFail(f"the sender has not ended within its time limits; its job on the sending host is {job.identifier}")
