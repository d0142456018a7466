# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A policy approves what fulfils every one of its conditions."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.fleetcast.core.plugins.plugin_utils._redistribution.policy import objection
from ansible_collections.fleetcast.core.plugins.plugin_utils._status.errors import RequestError

pytestmark = pytest.mark.redistribution

_PLAN: dict[str, Any] = {"recipients": [{"name": "web1"}, {"name": "web2"}], "commands": [{"do": "send"}]}
_TYPES = {"web1": "unreachable_timeout", "web2": "disk_full"}
#: A Wednesday night in Berlin: 23:30 by the clock there.
_NIGHT = datetime(2026, 7, 1, 21, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("policy", "why_not"),
    [
        ({"max_hosts": 2}, ""),
        ({}, "no max_hosts"),
        ({"max_hosts": 1}, "has 2 recipients, the policy approves up to 1"),
        ({"max_hosts": 2, "failure_types": ["unreachable*", "disk_full"]}, ""),
        ({"max_hosts": 2, "failure_types": ["unreachable*"]}, r"not for the failure of web2 \(disk_full\)"),
        ({"max_hosts": 2, "failure_types": []}, "not for the failure of web1"),
        ({"max_hosts": 2, "windows": [{"from": "22:00", "to": "05:00", "time_zone": "Europe/Berlin"}]}, ""),
        ({"max_hosts": 2, "windows": [{"from": "22:00", "to": "05:00", "time_zone": "UTC"}]}, "21:30 UTC is in none"),
        ({"max_hosts": 2, "windows": [{"from": "22:00", "to": "05:00", "time_zone": "Europe/Berlin", "days": ["Wednesday"]}]}, ""),
        ({"max_hosts": 2, "windows": [{"from": "22:00", "to": "05:00", "time_zone": "Europe/Berlin", "days": ["tuesday"]}]}, "in none"),
    ],
)
def test_every_condition_must_hold(policy: dict[str, Any], why_not: str) -> None:
    said = objection(policy, _PLAN, _TYPES, _NIGHT)
    assert re.search(why_not, said) if why_not else said == ""


def test_what_is_fetched_from_the_controller_is_approved_only_by_name() -> None:
    plan = {**_PLAN, "commands": [{"do": "fetch_package"}]}
    assert "fetches something" in objection({"max_hosts": 2}, plan, _TYPES, _NIGHT)
    assert objection({"max_hosts": 2, "fetch": True}, plan, _TYPES, _NIGHT) == ""


@pytest.mark.parametrize(
    ("window", "message"),
    [
        ({"from": "25:00", "to": "05:00", "time_zone": "UTC"}, "a window has a time"),
        ({"from": "22:00", "to": "05:00", "time_zone": "Berlin"}, "time zone"),
        ({"from": "22:00", "to": "05:00", "time_zone": "UTC", "days": ["someday"]}, "someday is no weekday"),
    ],
)
def test_a_window_that_is_none_is_a_mistake(window: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        objection({"max_hosts": 2, "windows": [window]}, _PLAN, _TYPES, _NIGHT)
