# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removes what is over and old from the tickets' database."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Any, ClassVar

from ansible.utils.display import Display
from ansible_collections.fleetcast.core.plugins.module_utils._joblog.errors import JobLogError
from ansible_collections.fleetcast.core.plugins.module_utils._joblog.retention import seconds
from ansible_collections.fleetcast.core.plugins.plugin_utils._job_ticket import TicketAction
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets.composing import label
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets.errors import RequestError


class ActionModule(TicketAction):
    ARGUMENT_SPEC: ClassVar[dict[str, Any]] = {"max_age": {"type": "str", "required": True}, "show": {"type": "bool", "default": False}}

    def perform(self, arguments: dict[str, Any]) -> dict[str, Any]:
        try:
            max_age = timedelta(seconds=seconds(arguments["max_age"]))
        except (JobLogError, OverflowError) as error:
            raise RequestError(f"max_age: {error}") from error
        counts = asdict(self.desk().prune(max_age, dry_run=bool(self._task.check_mode)))
        counts["tickets"] = [label(number) for number in counts["tickets"]]
        if arguments["show"]:
            Display().display(
                f"removed: {len(counts['tickets'])} tickets with {counts['mails']} mails, {counts['alerts']} alerts, "
                f"{counts['failure_records']} failure records, {counts['plans']} plans"
            )
        return {"changed": any(counts.values()), **counts}
