# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of redistribution: the approval comes from the status table, and goes there again with what came of it."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail
from ansible_collections.fleetcast.core.plugins.action.redistribution_plan import with_size
from ansible_collections.fleetcast.core.plugins.plugin_utils._redistribution import performances, plans
from ansible_collections.fleetcast.core.plugins.plugin_utils._status import distributions, queries, reconcile, run
from ansible_collections.fleetcast.core.plugins.plugin_utils._status.action import StatusAction, now

_RESULT = ("status", "detail", "bytes_multicast", "bytes_unicast", "version")


class ActionModule(StatusAction):
    _requires_connection = True
    ARGUMENT_SPEC: ClassVar[dict[str, Any]] = {
        "plan": {"type": "str", "required": True},
        "state": {"type": "str", "choices": ["checked", "started", "finished", "rejected"], "required": True},
        "path": {"type": "path"},
        "parameters": {"type": "dict", "default": {}},
        "lease": {"type": "int", "default": 3600},
    }

    def perform(self, arguments: dict[str, Any]) -> dict[str, Any]:
        digest, state = arguments["plan"], arguments["state"]
        database = self.open()
        asked: dict[str, Any] = {"plan": digest, "state": state}
        if arguments["path"]:
            asked["path"] = arguments["path"]
        playbook_run = self.current_run() if state == "started" else None
        # What dead plays left is settled in the view that is read; it is written with what this one does.
        with database.write(dry_run=True) as connection:
            reconcile.reconcile(connection, now())
            row = performances.load(connection, digest)
            asked["distribution"] = row["distribution_id"]
            if state == "finished":
                asked["results"] = _results(connection, row["distribution_id"], [one["name"] for one in row["values"]["recipients"]])
            elif state == "rejected":
                asked["approval"] = plans.rejection(connection, digest)
            else:
                asked["approval"] = plans.approval(connection, digest, now())
                performances.refuse_beside_another(connection, row)
                if any(command["do"] == "fetch_job_log" for command in row["values"]["commands"]):
                    job, _src = plans.controller_copy(connection, row["distribution_id"], row["server"], arguments["parameters"])
                    asked["controller_job"] = with_size(job)
        check_mode, failed = bool(self._task.check_mode), []
        if state == "finished":
            # The table first: it must not wait for a server that is away again.
            with database.write(dry_run=check_mode) as connection:
                failed = performances.conclude(connection, performances.load(connection, digest), run.user_name(), now())
        told: dict[str, Any] = self._execute_module(module_name="fleetcast.core.redistribution", module_args=asked, task_vars=dict(self._variables))
        if told.get("failed"):
            raise AnsibleActionFail(str(told.get("msg")), result=told)
        # What is performed is what was approved here, whatever the server says.
        if state in ("checked", "started") and told.get("plan") != row["values"]:
            raise AnsibleActionFail(f"{row['server']} answers with another plan than {digest}, which was approved: see what happened there")
        if playbook_run:
            with database.write(dry_run=check_mode) as connection:
                reconcile.reconcile(connection, now())
                distributions.register(connection, playbook_run, arguments["lease"])
                performances.begin(connection, digest, playbook_run.id, arguments["lease"], run.user_name(), now())
        if state == "finished":
            told["failures"] = failed
        elif state != "rejected":
            told["run"] = playbook_run.id if playbook_run and not check_mode else None
        return told


def _results(connection: Any, distribution_id: str, hosts: list[str]) -> dict[str, dict[str, Any]]:
    shown = queries.status(connection, queries.distribution_row(connection, distribution_id), hosts)["hosts"]
    return {one["host"]: {key: one[key] for key in _RESULT if one[key] is not None} for one in shown}
