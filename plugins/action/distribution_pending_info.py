# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads from the status table what is still to be done for hosts."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.fleetcast.core.plugins.plugin_utils._status import queries, reconcile
from ansible_collections.fleetcast.core.plugins.plugin_utils._status.action import StatusAction, now


class ActionModule(StatusAction):
    ARGUMENT_SPEC: ClassVar[dict[str, Any]] = {"hosts": {"type": "list", "elements": "str"}, "distribution": {"type": "str"}}

    def perform(self, arguments: dict[str, Any]) -> dict[str, Any]:
        # What dead plays left is settled in the view that is read, and not written: an _info module changes nothing.
        with self.open(create=False).write(dry_run=True) as connection:
            reconcile.reconcile(connection, now())
            found = queries.pending(connection, arguments["hosts"], arguments["distribution"])
        hosts = found["hosts"]
        return {
            "changed": False,
            "hosts": hosts,
            "distributions": found["distributions"],
            "unknown": [name for name, host in hosts.items() if not host["known"]],
            "not_completed": [name for name, host in hosts.items() if host["pending"]],
        }
