# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Closes a ticket by hand."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.fleetcast.core.plugins.plugin_utils._job_ticket import TicketAction
from ansible_collections.fleetcast.core.plugins.plugin_utils._status.run import user_name
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets.composing import label
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets.desk import ticket_id


class ActionModule(TicketAction):
    ARGUMENT_SPEC: ClassVar[dict[str, Any]] = {
        "ticket": {"type": "str", "required": True},
        "resolution": {"type": "str", "default": "repaired"},
        "by": {"type": "str"},
    }

    def perform(self, arguments: dict[str, Any]) -> dict[str, Any]:
        number = ticket_id(arguments["ticket"])
        # With create, as a resolution is written; in check mode the action never creates.
        changed = self.desk().resolve(number, arguments["by"] or user_name(), arguments["resolution"], dry_run=self._task.check_mode)
        return {"changed": changed, "ticket": label(number)}
