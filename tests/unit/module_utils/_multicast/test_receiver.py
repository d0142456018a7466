# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a receiver answers, packet by packet, with a clock of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.spool import Spool
from ansible_collections.fleetcast.core.plugins.module_utils._multicast import session, wire
from ansible_collections.fleetcast.core.plugins.module_utils._multicast.receiver import Receiver
from ansible_collections.fleetcast.core.tests.fuzz.session_targets import DIGESTS, KEYS, LAYOUT, NETWORK, RECEIVERS, SENDER, ReceiverPort
from ansible_collections.fleetcast.core.tests.unit.module_utils._multicast.clock import Clock

pytestmark = [pytest.mark.push, pytest.mark.engine]


def test_a_poll_that_is_sent_twice_is_answered_once(tmp_path: Path) -> None:
    port, clock = ReceiverPort(), Clock()
    limits = session.Limits(wait=30, ready=30, session=60, host=10)
    with Spool(str(tmp_path / "part"), str(tmp_path / "map"), LAYOUT, DIGESTS) as spool:
        receiver = Receiver(NETWORK, KEYS.for_receiver(1), 1, RECEIVERS, spool, limits, clock=clock, open_socket=port.opened)
        receiver.begin()

        def poll(sequence: int, number: int) -> None:
            message = wire.Poll(number, LAYOUT.sections, session.SLOT_US, False, True, 1, bytes(1))
            packet = wire.pack_control(KEYS.session_id, KEYS.group, sequence, message)
            port.give(packet, len(packet), SENDER)
            receiver.step()
            # Its slot has come.
            clock.now += 0.01
            receiver.step()

        answers = []
        for sequence, number in enumerate((1, 1, 2, 2, 3), 1):
            poll(sequence, number)
            answers.append(port.answers)
        assert answers == [1, 1, 2, 2, 3]
