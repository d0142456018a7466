# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets a ticket's unsent and dead mails be tried again."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.fleetcast.core.plugins.plugin_utils._job_ticket import TicketAction
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets.composing import label
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets.desk import ticket_id

#: Instead of a ticket's label.
ALL = "all"


class ActionModule(TicketAction):
    ARGUMENT_SPEC: ClassVar[dict[str, Any]] = {"ticket": {"type": "str", "required": True}}

    def perform(self, arguments: dict[str, Any]) -> dict[str, Any]:
        number = None if arguments["ticket"] == ALL else ticket_id(arguments["ticket"])
        mails = self.desk().resend(number, dry_run=self._task.check_mode)
        return {"changed": mails > 0, "ticket": ALL if number is None else label(number), "mails": mails}
