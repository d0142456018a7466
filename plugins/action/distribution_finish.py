# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ends in the status table what a play still has open of a distribution."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.fleetcast.core.plugins.plugin_utils._status import distributions, errors, queries
from ansible_collections.fleetcast.core.plugins.plugin_utils._status.action import StatusAction, now


class ActionModule(StatusAction):
    ARGUMENT_SPEC: ClassVar[dict[str, Any]] = {
        "distribution": {"type": "str"},
        "hosts": {"type": "list", "elements": "str"},
    }

    def perform(self, arguments: dict[str, Any]) -> dict[str, Any]:
        run = self.current_run()
        check_mode = bool(self._task.check_mode)
        hosts: list[str] | None = arguments["hosts"]
        if not arguments["distribution"]:
            if check_mode:
                return {"changed": False, "status": "running", "counts": {}, "total_hosts": 0, "completed": 0, "not_completed": []}
            raise errors.RequestError("distribution_finish needs `distribution`, the identifier that distribution_start returned")
        with self.open().write(dry_run=check_mode) as connection:
            before = queries.status(connection, queries.distribution_row(connection, arguments["distribution"]), summary=True)
            distributions.finish(connection, before["distribution"], hosts, run, now())
            after = queries.status(connection, queries.distribution_row(connection, before["distribution"]), summary=True)
            not_completed = queries.not_completed(connection, before["distribution"], hosts)
        return {
            "changed": before != after,
            "status": after["status"],
            "counts": after["counts"],
            "total_hosts": after["total_hosts"],
            "completed": after["completed"],
            "not_completed": not_completed,
        }
