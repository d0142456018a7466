# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads failure records and redistribution plans."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.fleetcast.core.plugins.plugin_utils._redistribution import plans
from ansible_collections.fleetcast.core.plugins.plugin_utils._status import reconcile
from ansible_collections.fleetcast.core.plugins.plugin_utils._status.action import StatusAction, now


class ActionModule(StatusAction):
    ARGUMENT_SPEC: ClassVar[dict[str, Any]] = {
        "distribution": {"type": "str"},
        "server": {"type": "str"},
        "plan": {"type": "str"},
        "resolved": {"type": "bool", "default": False},
    }

    def perform(self, arguments: dict[str, Any]) -> dict[str, Any]:
        which, server = arguments["distribution"], arguments["server"]
        # What dead plays left is settled in the view that is read, and not written: an _info module changes nothing.
        with self.open(create=False).write(dry_run=True) as connection:
            reconcile.reconcile(connection, now())
            return {
                "changed": False,
                "affected": plans.affected(connection, which, server, arguments["resolved"]),
                "plans": plans.listed(connection, which, server, arguments["plan"]),
            }
