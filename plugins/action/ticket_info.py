# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads tickets, as data and as text for a terminal."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible.utils.display import Display
from ansible_collections.fleetcast.core.plugins.plugin_utils._job_ticket import TicketAction
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets import closing, journal, rendering
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets.desk import ticket_id


class ActionModule(TicketAction):
    ARGUMENT_SPEC: ClassVar[dict[str, Any]] = {
        "ticket": {"type": "str"},
        "device": {"type": "str", "default": ""},
        "status": {"type": "str", "default": "open", "choices": ["open", "resolved", "all"]},
        "show": {"type": "bool", "default": False},
    }

    def perform(self, arguments: dict[str, Any]) -> dict[str, Any]:
        desk = self.desk(create=False)
        one = arguments["ticket"]
        found = [desk.ticket(ticket_id(one))] if one else desk.tickets(arguments["status"], arguments["device"])
        kept = journal.problems(self.options.journal)
        text = rendering.details(found[0]) if one else rendering.table(found, desk.unsent(), kept, closing.alarms(desk.dead_letters()))
        if arguments["show"]:
            Display().display(text)
        return {"changed": False, "tickets": found, "unsent": desk.unsent(), "dead": desk.dead_letters(), "problems": kept, "text": text}
