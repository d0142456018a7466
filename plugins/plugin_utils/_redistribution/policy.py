# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a plan is approved without a person: few hosts, at a certain time, with certain failures only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, time
from fnmatch import fnmatchcase
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from .._status.errors import RequestError
from .._tickets.outages import WEEKDAYS, Recurring


def objection(policy: Mapping[str, Any], plan: Mapping[str, Any], types: Mapping[str, str], now: datetime) -> str:
    """Why the policy does not approve the plan; empty when it does.

    :param types: recipient -> failure type of its record; one without a record has none.
    """
    windows = [_window(window) for window in policy.get("windows") or ()]
    hosts = [one["name"] for one in plan["recipients"]]
    if policy.get("max_hosts") is None:
        return "the policy has no max_hosts, so it approves nothing"
    if len(hosts) > policy["max_hosts"]:
        return f"the plan has {len(hosts)} recipients, the policy approves up to {policy['max_hosts']}"
    if windows and not any(window.contains(now) for window in windows):
        return f"{now:%Y-%m-%d %H:%M} UTC is in none of the policy's windows"
    allowed: Sequence[str] | None = policy.get("failure_types")
    if allowed is not None:
        other = [host for host in hosts if not any(fnmatchcase(types.get(host, ""), pattern) for pattern in allowed)]
        if other:
            shown = ", ".join(f"{host} ({types.get(host, 'no failure record')})" for host in other[:5])
            return f"the policy is not for the failure of {shown}"
    if not policy.get("fetch") and any(command["do"].startswith("fetch") for command in plan["commands"]):
        return "the plan fetches something from the controller, which the policy does not approve"
    return ""


def _window(values: Mapping[str, Any]) -> Recurring:
    days = [str(day).lower() for day in values.get("days") or WEEKDAYS]
    unknown = [day for day in days if day not in WEEKDAYS]
    if unknown:
        raise RequestError(f"policy: {', '.join(unknown)} is no weekday; these are: {', '.join(WEEKDAYS)}")
    try:
        zone = ZoneInfo(values["time_zone"])
        begins, ends = time.fromisoformat(values["from"]), time.fromisoformat(values["to"])
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise RequestError(
            f"policy: a window has a time or time zone that is none: {error}. Write from: '22:00', to: '05:00', time_zone: Europe/Berlin"
        ) from error
    return Recurring(frozenset(WEEKDAYS.index(day) for day in days), begins, ends, zone)
