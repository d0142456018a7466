# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes in what killed plays left, and sends what waits."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar

from ansible.utils.display import Display
from ansible_collections.fleetcast.core.plugins.plugin_utils._job_ticket import TicketAction
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets import closing, journal
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets.desk import Intake


class ActionModule(TicketAction):
    ARGUMENT_SPEC: ClassVar[dict[str, Any]] = {"timeout": {"type": "float", "default": 300.0}, "show": {"type": "bool", "default": False}}

    def perform(self, arguments: dict[str, Any]) -> dict[str, Any]:
        desk = self.desk()
        if self._task.check_mode:
            unsent = desk.unsent()
            return {"changed": unsent > 0, "delivered": 0, "deferred": 0, "dead": desk.dead_letters(), "unsent": unsent, "opened": [], "resolved": []}
        intake, left_over, more = Intake(), 0, True
        while more:
            with journal.left_over(self.options.journal) as rest:
                intake.add(desk.take_in(rest.alerts, rest.passed))
                for problem in [*rest.problems, *map(closing.unreadable, rest.unreadable)]:
                    journal.keep_problem(self.options.journal, problem)
            left_over += len(rest.alerts)
            more = rest.more
        delivery = desk.deliver(arguments["timeout"])
        dead = desk.dead_letters()
        if arguments["show"]:
            Display().display("\n".join([*closing.told(intake, left_over), closing.sent(delivery) or "mails: none was due"]))
        result: dict[str, Any] = {
            **asdict(delivery),
            "changed": bool(intake.recorded or intake.opened or intake.resolved or delivery.delivered or delivery.dead),
            "opened": intake.opened,
            "resolved": intake.resolved,
            "dead": dead,
        }
        if dead:
            result.update(failed=True, msg="\n".join(closing.alarms(dead)))
        return result
