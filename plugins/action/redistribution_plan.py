# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of redistribution_plan: the server makes the plan, the status table and the job tickets learn of it."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail
from ansible_collections.fleetcast.core.plugins.plugin_utils import _job_ticket
from ansible_collections.fleetcast.core.plugins.plugin_utils._redistribution import plans
from ansible_collections.fleetcast.core.plugins.plugin_utils._status import queries, reconcile, run
from ansible_collections.fleetcast.core.plugins.plugin_utils._status.action import StatusAction, now
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets.errors import TicketError
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets.states import FOLLOW_UP


class ActionModule(StatusAction):
    _requires_connection = True
    ARGUMENT_SPEC: ClassVar[dict[str, Any]] = {
        "distribution": {"type": "str", "required": True},
        "server": {"type": "str", "required": True},
        "path": {"type": "path"},
        "answers": {"type": "dict", "required": True},
        "only": {"type": "list", "elements": "str"},
        "unreached": {"type": "str", "choices": ["keep", "drop"], "default": "keep"},
        "validity": {"type": "int", "default": 14400},
        "fetch": {"type": "bool", "default": False},
        "src": {"type": "path"},
        "parameters": {"type": "dict", "default": {}},
    }

    def perform(self, arguments: dict[str, Any]) -> dict[str, Any]:
        asked = {name: value for name, value in arguments.items() if value is not None}
        database = self.open()
        with database.read() as connection:
            asked["distribution"] = str(queries.distribution_row(connection, asked["distribution"])["id"])
            if asked["fetch"]:
                job, src = plans.controller_copy(connection, asked["distribution"], asked["server"], asked["parameters"])
                asked["controller_job"] = with_size(job)
                asked["src"] = asked.get("src") or src
        made: dict[str, Any] = self._execute_module(
            module_name="fleetcast.core.redistribution_plan",
            module_args={name: value for name, value in asked.items() if value is not None},
            task_vars=dict(self._variables),
        )
        if made.get("failed"):
            raise AnsibleActionFail(str(made.get("msg")), result=made)
        made["tickets"] = []
        if made.get("plan") is not None and not self._task.check_mode:
            document = json.dumps(made["plan"], sort_keys=True, separators=(",", ":"), ensure_ascii=True)
            with database.write() as connection:
                # A redistribution that was killed is over before another is planned.
                reconcile.reconcile(connection, now())
                numbers = plans.register(connection, made["digest"], document, run.user_name(), now())
                self._tell_centres(connection, numbers)
            made["tickets"] = [f"FC-{number}" for number in numbers]
        return made

    @staticmethod
    def _tell_centres(connection: Any, numbers: list[int]) -> None:
        """A follow-up with the plan for each ticket. Without readable rules the ticket has the plan all the same."""
        from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets import tickets

        if not numbers:
            return
        try:
            rules = _job_ticket.Options.configured().load_rules()
        except TicketError:
            return
        for number in numbers:
            tickets.write_mail(connection, rules, number, FOLLOW_UP, 0, now())


def with_size(job: dict[str, Any] | None) -> dict[str, Any] | None:
    """The job with the size of its package, which stands in the manifest."""
    if job is None:
        return None
    from ansible_collections.fleetcast.core.plugins.module_utils._artifact.manifest import Manifest

    return {**job, "packages": [{**package, "size": Manifest.decode(package["manifest"]).size} for package in job["packages"]]}
