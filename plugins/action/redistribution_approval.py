# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records who decided what about a redistribution plan."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.fleetcast.core.plugins.plugin_utils._redistribution import performances, plans, policy
from ansible_collections.fleetcast.core.plugins.plugin_utils._redistribution.performances import Decision
from ansible_collections.fleetcast.core.plugins.plugin_utils._status import reconcile, run
from ansible_collections.fleetcast.core.plugins.plugin_utils._status.action import StatusAction, now

_WINDOW = {
    "days": {"type": "list", "elements": "str"},
    "from": {"type": "str", "required": True},
    "to": {"type": "str", "required": True},
    "time_zone": {"type": "str", "required": True},
}


class ActionModule(StatusAction):
    ARGUMENT_SPEC: ClassVar[dict[str, Any]] = {
        "plan": {"type": "str", "required": True},
        "decision": {"type": "str", "choices": ["approved", "rejected", "policy"], "required": True},
        "how": {"type": "str", "default": "digest"},
        "who": {"type": "str"},
        "reason": {"type": "str", "default": ""},
        "policy": {
            "type": "dict",
            "options": {
                "max_hosts": {"type": "int"},
                "failure_types": {"type": "list", "elements": "str"},
                "windows": {"type": "list", "elements": "dict", "options": _WINDOW},
                "fetch": {"type": "bool", "default": False},
            },
        },
    }

    def perform(self, arguments: dict[str, Any]) -> dict[str, Any]:
        digest, wanted = arguments["plan"], arguments["decision"]
        decision = Decision(arguments["who"] or run.user_name(), arguments["how"], arguments["reason"])
        with self.open().write(dry_run=bool(self._task.check_mode)) as connection:
            reconcile.reconcile(connection, now())
            if wanted == "policy":
                row = performances.load(connection, digest)
                affected = plans.affected(connection, row["distribution_id"], None, resolved=False)
                types = {one["host"]: one["failure_type"] for entry in affected for one in entry["recipients"]}
                why_not = policy.objection(arguments["policy"] or {}, row["values"], types, now())
                if why_not:
                    return {"changed": False, "decision": "none", "reason": why_not, "who": "", "how": "policy"}
                wanted, decision = "approved", Decision("policy", "policy", f"{len(row['values']['recipients'])} recipients, as the policy allows")
            changed = plans.decide(connection, digest, wanted, decision, now())
        return {"changed": changed, "decision": wanted, **decision._asdict()}
