# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the status table, as data and as text for a terminal."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible.utils.display import Display
from ansible_collections.fleetcast.core.plugins.plugin_utils._status import queries, reconcile, rendering, states
from ansible_collections.fleetcast.core.plugins.plugin_utils._status.action import StatusAction, now


class ActionModule(StatusAction):
    ARGUMENT_SPEC: ClassVar[dict[str, Any]] = {
        "distribution": {"type": "str", "default": "last"},
        "hosts": {"type": "list", "elements": "str", "default": []},
        "status": {"type": "list", "elements": "str", "default": [], "choices": list(states.ATTEMPT_STATES)},
        "summary": {"type": "bool", "default": False},
        "show": {"type": "bool", "default": False},
        "width": {"type": "int"},
    }

    def perform(self, arguments: dict[str, Any]) -> dict[str, Any]:
        database = self.open(create=False)
        # What dead plays left is settled in the view that is read, and not written: an _info module changes nothing.
        with database.write(dry_run=True) as connection:
            reconcile.reconcile(connection, now())
            found = [
                queries.status(connection, row, arguments["hosts"], arguments["status"], arguments["summary"])
                for row in queries.selected(connection, arguments["distribution"])
            ]
        display = Display()
        filtered = bool(arguments["hosts"] or arguments["status"])
        text = rendering.table(found, arguments["width"] or display.columns, filtered, overview=arguments["distribution"] == "all")
        if database.missing:
            text = f"No distribution is recorded: there is no status table at {database.shown} yet."
        if arguments["show"]:
            display.display(text)
        return {"changed": False, "distributions": found, "text": text}
