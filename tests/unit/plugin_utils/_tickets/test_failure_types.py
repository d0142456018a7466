# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every message that was collected from real runs (tests/integration/tickets/messages) is taken for what it is."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets import alert, classification, loading, results

pytestmark = pytest.mark.tickets

_MESSAGES = [json.loads(line) for line in Path(__file__).with_name("messages.jsonl").read_text(encoding="utf-8").splitlines()]
_PATTERNS = loading.load(None, ("centre@example.org",)).patterns


@pytest.mark.parametrize("message", _MESSAGES, ids=[message["scene"] for message in _MESSAGES])
def test_a_real_message_is_taken_for_what_it_is(message: dict[str, Any]) -> None:
    result = message["result"]
    seen = alert.make(
        "device",
        results.text_of(result),
        kind=message["kind"],
        module=message["module"],
        return_code=results.return_code_of(result),
        fields=results.fields_of(result),
        occurred_at=datetime.now(UTC),
    )
    assert classification.classify(seen, _PATTERNS) == message["expect"], seen.text


def test_the_messages_are_many_and_of_every_kind() -> None:
    assert len(_MESSAGES) >= 60
    missing = {pattern.failure_type for pattern in _PATTERNS} - {message["expect"] for message in _MESSAGES}
    # Those of this collection's own modules are of other runs.
    assert missing <= {"distribution_server_failed", "multicast_not_received"}


@pytest.mark.parametrize(
    ("module", "text", "expected"),
    [
        ("fleetcast.core.multicast_receive", "4194304 of 8388608 bytes are missing: network_loss", "multicast_not_received"),
        ("fleetcast.core.multicast_receive", "4194304 of 8388608 bytes are missing: [Errno 28] No space left on device", "disk_full"),
        ("ansible.builtin.fail", "The multicast left 5 hosts incomplete, this one among them (8388608 of 8388608 bytes missing).", "multicast_not_received"),
        ("ansible.builtin.fail", "web1 still lacks 5 bytes after 3 rounds of unicast: what arrives does not match its digests. Check this", "digest_mismatch"),
        ("", "distribution server ds1 did not answer", "distribution_server_failed"),
        ("ansible.builtin.fail", "The distribution server ds1 could not be reached, so nothing was sent to its hosts: timed out", "distribution_server_failed"),
        ("ansible.builtin.fail", "The distribution server ds1 was lost while it sent (no route to host). It lacks 5 bytes", "distribution_server_failed"),
        (
            "ansible.builtin.fail",
            "The distribution server ds1 failed before it could send anything to its hosts: there is no room for it, 5 bytes are needed",
            "distribution_server_failed",
        ),
    ],
)
def test_what_this_collections_own_modules_and_roles_say(module: str, text: str, expected: str) -> None:
    assert classification.classify(alert.make("web1", text, module=module), _PATTERNS) == expected


def test_what_no_log_hides_is_nowhere() -> None:
    (hidden,) = [message for message in _MESSAGES if "censored" in message["result"]]
    assert results.text_of(hidden["result"]) == results.HIDDEN
    assert results.fields_of(hidden["result"]) == {}


def test_a_loop_says_what_its_failed_items_said() -> None:
    result = {
        "msg": "One or more items failed",
        "results": [
            {"item": "a", "failed": True, "msg": "no space left on device", "rc": 5},
            {"item": "b", "failed": False, "msg": "fine"},
            {"item": "c", "failed": True, "censored": "hidden", "msg": "secret"},
        ],
    }
    text = results.text_of(result)
    assert "item a: no space left on device" in text
    assert "fine" not in text and "secret" not in text
    assert results.return_code_of(result) == 5


def test_a_message_may_be_a_list() -> None:
    assert results.text_of({"msg": ["first", "second"], "failures": ["third"]}) == "first\nsecond\nthird"
