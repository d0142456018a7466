# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sending behind a play: how long the process may live that does it."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable

import pytest
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets import outbox
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets.courier import send_behind
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets.outbox import Delivery
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets.rules import Rules

pytestmark = pytest.mark.tickets


def _deliver_within(seconds: float) -> Callable[[], Delivery]:
    def deliver() -> Delivery:
        time.sleep(seconds)
        return Delivery(delivered=1)

    return deliver


def test_a_mail_that_is_just_being_sent_is_not_cut_off() -> None:
    assert send_behind(_deliver_within(0.5), 0.1, 20, 20) == Delivery(delivered=1)


def test_a_process_with_many_open_files_is_answered_too() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = []
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], 1200), max(before[1], 1200)))
        held = [os.dup(0) for _ in range(1100)]
        assert send_behind(_deliver_within(0), 20, 20, 20) == Delivery(delivered=1)
    finally:
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_process_that_hangs_is_ended() -> None:
    assert send_behind(_deliver_within(60), 0.1, 0.2, 20) == "the sending process ended without a word"


def test_the_time_for_the_last_mail_is_more_than_all_servers_may_take(load_rules: Callable[[str], Rules]) -> None:
    mail = load_rules("mail: {servers: [{host: a, timeout: 90s}, {host: b, timeout: 90s}]}").mail
    assert outbox.lease_seconds(mail) > 180
