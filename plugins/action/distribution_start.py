# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Begins a distribution, or further attempts of one, in the status table."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.fleetcast.core.plugins.plugin_utils._status import distributions, errors
from ansible_collections.fleetcast.core.plugins.plugin_utils._status.action import StatusAction, now
from ansible_collections.fleetcast.core.plugins.plugin_utils._variables import misspelt


class ActionModule(StatusAction):
    ARGUMENT_SPEC: ClassVar[dict[str, Any]] = {
        "distribution": {"type": "str"},
        "name": {"type": "str"},
        "kind": {"type": "str", "default": "file"},
        "digest": {"type": "str"},
        "manifest": {"type": "str"},
        "commands": {"type": "dict", "default": {}},
        "parent": {"type": "str"},
        "hosts": {"type": "list", "elements": "str", "required": True},
        "lease": {"type": "int", "default": 3600},
    }

    def perform(self, arguments: dict[str, Any]) -> dict[str, Any]:
        run = self.current_run()
        missing = [name for name in ("name", "digest", "manifest") if not arguments[name]]
        if missing and not arguments["distribution"]:
            raise errors.RequestError(f"a new distribution needs {', '.join(missing)}; to go on with one that is recorded, give `distribution`")
        if arguments["lease"] < 1:
            raise errors.RequestError(f"lease must be at least 1 second, not {arguments['lease']}")
        request = distributions.Request(
            hosts=tuple(dict.fromkeys(arguments["hosts"])),
            lease_seconds=arguments["lease"],
            distribution_id=arguments["distribution"],
            name=arguments["name"] or "",
            kind=arguments["kind"],
            digest=arguments["digest"] or "",
            manifest=arguments["manifest"] or "",
            parent_id=arguments["parent"] or None,
            commands=arguments["commands"],
        )
        for name, meant in misspelt(self._variables).items():
            self._display.warning(f"{name} is no variable of fleetcast.core, and has no effect on it: did you mean {meant}?")
        check_mode = bool(self._task.check_mode)
        with self.open().write(dry_run=check_mode) as connection:
            started = distributions.start(connection, request, run, now())
        return {
            "changed": bool(started.new_hosts or started.reconciled or not started.joined),
            "distribution": None if check_mode and not started.joined else started.distribution_id,
            "joined": started.joined,
            "hosts": list(started.attempts),
            "attempts": started.attempts,
            "completed": started.completed,
            "ended": started.ended,
            "busy": started.busy,
            "superseded": started.superseded,
            "supersedes": started.supersedes,
            "reconciled": started.reconciled,
        }
