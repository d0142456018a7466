# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many packets in one call, on sockets of the loopback interface: what the socket module would have said of each."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from ansible_collections.fleetcast.core.plugins.module_utils._multicast.bulk import BulkReceiver

pytestmark = pytest.mark.engine

EXPECTED, COUNT, LARGEST = 100, 8, 4096


class Ends:
    def __init__(self, family: socket.AddressFamily) -> None:
        self.local = "::1" if family == socket.AF_INET6 else "127.0.0.1"
        self.receiver, self.one, self.other = (socket.socket(family, socket.SOCK_DGRAM) for _ in range(3))
        for sock in (self.receiver, self.one, self.other):
            sock.bind((self.local, 0))
        self.buffer = bytearray(LARGEST + COUNT * LARGEST)
        self.bulk = BulkReceiver(self.receiver, self.buffer, EXPECTED, COUNT, LARGEST, LARGEST)

    def send(self, *packets: bytes, by: socket.socket | None = None) -> None:
        for packet in packets:
            (by or self.one).sendto(packet, self.receiver.getsockname())

    def close(self) -> None:
        for sock in (self.receiver, self.one, self.other):
            sock.close()


@pytest.fixture(params=[socket.AF_INET, socket.AF_INET6])
def ends(request: pytest.FixtureRequest) -> Iterator[Ends]:
    made = Ends(request.param)
    yield made
    made.close()


def test_nothing_is_there(ends: Ends) -> None:
    assert ends.bulk.receive() == []


def test_packets_of_the_expected_length_stand_side_by_side(ends: Ends) -> None:
    packets = [bytes([number]) * EXPECTED for number in range(COUNT + 3)]
    ends.send(*packets)
    assert ends.bulk.receive() == [EXPECTED] * COUNT
    assert ends.buffer[: COUNT * EXPECTED] == b"".join(packets[:COUNT])
    assert ends.bulk.from_one(COUNT) and ends.bulk.address(0) == ends.one.getsockname() == ends.bulk.address(COUNT - 1)
    assert ends.bulk.receive() == [EXPECTED] * 3
    assert ends.buffer[: 3 * EXPECTED] == b"".join(packets[COUNT:])
    assert ends.bulk.receive() == []


def test_packets_of_other_lengths_and_senders(ends: Ends) -> None:
    long, short = bytes(range(256)) * 12, b"short"
    ends.send(b"a" * EXPECTED, long, short, b"", b"b" * EXPECTED)
    ends.send(b"c" * EXPECTED, by=ends.other)
    lengths = ends.bulk.receive()
    assert lengths == [EXPECTED, len(long), len(short), 0, EXPECTED, EXPECTED]
    begin = ends.bulk.straight(1)
    assert ends.buffer[begin : begin + len(long)] == long
    assert ends.buffer[2 * EXPECTED : 2 * EXPECTED + len(short)] == short
    assert ends.buffer[4 * EXPECTED : 6 * EXPECTED] == b"b" * EXPECTED + b"c" * EXPECTED
    assert not ends.bulk.from_one(6) and ends.bulk.from_one(5)
    assert [ends.bulk.address(index) for index in (4, 5, 0)] == [ends.one.getsockname(), ends.other.getsockname(), ends.one.getsockname()]
    # What one call used of its room is there again for the next.
    ends.send(long, by=ends.other)
    assert ends.bulk.receive() == [len(long)] and ends.bulk.address(0) == ends.other.getsockname()


def test_what_the_kernel_says_beside_a_packet(ends: Ends) -> None:
    """The count of packets that were dropped at a full socket (SO_RXQ_OVFL, option 40)."""
    ends.receiver.setsockopt(socket.SOL_SOCKET, 40, 1)
    ends.receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    ends.send(*[bytes(1000)] * 200)
    while ends.bulk.receive():
        pass
    ends.send(b"after the drops")
    assert ends.bulk.receive() == [15]
    ((level, kind, value),) = ends.bulk.ancillary(0)
    assert (level, kind) == (socket.SOL_SOCKET, 40)
    assert 0 < int.from_bytes(value[:4], "little") < 200
