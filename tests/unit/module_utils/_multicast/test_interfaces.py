# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of the kernel about interfaces, on loopback."""

from __future__ import annotations

import socket

import pytest
from ansible_collections.fleetcast.core.plugins.module_utils._multicast.interfaces import interface_of, transmitted
from ansible_collections.fleetcast.core.plugins.module_utils._multicast.session import Network
from ansible_collections.fleetcast.core.plugins.module_utils._multicast.sockets import SenderSocket

pytestmark = [pytest.mark.push, pytest.mark.engine]


def test_what_an_interface_sent_is_counted() -> None:
    before = transmitted("lo")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        sender.sendto(bytes(10_000), receiver.getsockname())
        receiver.recv(20_000)
    after = transmitted("lo")
    assert before is not None and after is not None
    assert after.bytes >= before.bytes + 10_000 and after.packets > before.packets


def test_an_interface_that_does_not_exist_has_no_counter() -> None:
    assert transmitted("nothere0") is None


def test_the_interface_of_an_address() -> None:
    assert interface_of("127.0.0.1") == "lo"
    assert interface_of("192.0.2.77") is None


@pytest.mark.parametrize("interface", ["lo", None])
def test_the_counter_of_the_way_to_the_group(interface: str | None) -> None:
    """Named, or found by the route, as that to loopback's broadcast address."""
    port = SenderSocket(Network("127.255.255.255", 45999, interface=interface, broadcast=True))
    try:
        first = port.transmitted()
        assert first is not None
        assert port.send_packet(bytes(1000))
        second = port.transmitted()
        assert second is not None and second.bytes >= first.bytes + 1000 and second.packets > first.packets
    finally:
        port.close()
