# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records in the status table what became of hosts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.fleetcast.core.plugins.plugin_utils._status import attempts, distributions, errors, states, text
from ansible_collections.fleetcast.core.plugins.plugin_utils._status.action import StatusAction, now

_KEYS = ("status", "code", "detail", "bytes_multicast", "bytes_unicast", "version")


class ActionModule(StatusAction):
    ARGUMENT_SPEC: ClassVar[dict[str, Any]] = {
        "distribution": {"type": "str"},
        "hosts": {"type": "dict", "required": True},
    }

    def perform(self, arguments: dict[str, Any]) -> dict[str, Any]:
        run = self.current_run()
        reports = {host: _report(host, said) for host, said in arguments["hosts"].items()}
        check_mode = bool(self._task.check_mode)
        refused: list[attempts.Refusal] = []
        if arguments["distribution"]:
            with self.open().write(dry_run=check_mode) as connection:
                refused = distributions.record(connection, arguments["distribution"], reports, run, now())
        elif not check_mode:
            raise errors.RequestError("distribution_record needs `distribution`, the identifier that distribution_start returned")
        turned_down = {refusal.host for refusal in refused}
        accepted = [host for host in reports if host not in turned_down]
        return {
            "changed": bool(accepted),
            "accepted": accepted,
            "refused": {refusal.host: {"status": refusal.status, "current": refusal.current, "reason": refusal.reason} for refusal in refused},
        }


def _report(host: str, said: object) -> attempts.Report:
    """What the play says of a host, checked."""
    if not isinstance(said, Mapping) or "status" not in said:
        raise errors.RequestError(f"hosts: the entry of {host} must be a dictionary with at least `status`, not {said!r}")
    unknown = sorted(set(said) - set(_KEYS))
    if unknown:
        raise errors.RequestError(f"hosts: the entry of {host} has {', '.join(unknown)}; it may have {', '.join(_KEYS)}")
    if said["status"] not in states.REPORTABLE:
        raise errors.RequestError(f"hosts: {said['status']!r} of {host} is no state that can be reported; these can: {', '.join(states.REPORTABLE)}")
    return attempts.Report(
        status=said["status"],
        code=_text(said, "code"),
        detail=_text(said, "detail"),
        bytes_multicast=_bytes(host, said, "bytes_multicast"),
        bytes_unicast=_bytes(host, said, "bytes_unicast"),
        version=_text(said, "version"),
    )


def _text(said: Mapping[str, object], key: str) -> str | None:
    value = said.get(key)
    return None if value in (None, "") else text.bounded(value)


def _bytes(host: str, said: Mapping[str, object], key: str) -> int | None:
    value = said.get(key)
    if value in (None, ""):
        return None
    try:
        count = int(str(value))
    except ValueError:
        count = -1
    # The columns are 64-bit integers.
    if not 0 <= count < 2**63:
        raise errors.RequestError(f"hosts: {key} of {host} must be a number of bytes, not {value!r}")
    return count
