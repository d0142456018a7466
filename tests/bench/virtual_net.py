# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A network that exists in one process: a clock, a link with a rate and a delay, loss at every receiver. The engine's two ends run on it unchanged.

Time passes when the sender waits, and, where that is asked for, while the sender computes: then the clock goes on by the CPU seconds that this took. What the
receivers compute costs nothing, for in reality every one of them has a processor of its own.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ansible_collections.fleetcast.core.plugins.module_utils._multicast.receiver import Receiver
from ansible_collections.fleetcast.core.plugins.module_utils._multicast.session import Network
from ansible_collections.fleetcast.core.plugins.module_utils._multicast.sockets import RECEIVE_BYTES, Address, Batch, Received

SENDER: Address = ("10.0.0.1", 40000)
#: Bytes that may wait below the sender, as in its socket's send buffer.
_QUEUE_BYTES = 1024 * 1024


class Link(NamedTuple):
    """:param rate_bits: of the sender's link. :param delay: seconds, one way. :param loss: share of packets lost, at every receiver on its own and on the way
    back. :param burst: mean length of a loss in packets; 1 is independent loss. :param overhead: bytes that Ethernet, IP and UDP add to a packet."""

    rate_bits: float
    delay: float
    loss: float
    burst: float
    overhead: int


class Counted(NamedTuple):
    packets: int
    #: UDP payload, our headers included.
    payload_bytes: int
    #: The same with Ethernet, IP and UDP headers.
    link_bytes: int

    def plus(self, packets: int, payload_bytes: int, overhead: int) -> Counted:
        return Counted(self.packets + packets, self.payload_bytes + payload_bytes, self.link_bytes + payload_bytes + packets * overhead)


class Clock:
    """The time in seconds since the session began. :param charge_cpu: whether the sender's computing takes time."""

    def __init__(self, charge_cpu: bool) -> None:
        self.now = 0.0
        self._charge = charge_cpu
        self._mark = time.thread_time()
        #: CPU seconds of the sender so far.
        self.sender_cpu = 0.0

    def sender_time(self) -> float:
        return self.now + (time.thread_time() - self._mark if self._charge else 0.0)

    def leave_sender(self) -> None:
        """The sender's code ends here for the moment."""
        spent = time.thread_time() - self._mark
        self.sender_cpu += spent
        if self._charge:
            self.now += spent

    def enter_sender(self) -> None:
        self._mark = time.thread_time()


class ReceiverPort:
    """A receiver's way to the network. All share one receive buffer, for they are served one after the other."""

    def __init__(self, net: VirtualNet) -> None:
        self.buffer = net.buffer
        self.overflow = 0
        self.coalesced = True
        self.rcvbuf = 32 * 1024 * 1024
        self.pending: Received | None = None
        self._net = net

    def opened(self, _network: Network, _packet_bytes: int) -> ReceiverPort:
        return self

    def receive(self) -> Received | None:
        pending, self.pending = self.pending, None
        return pending

    def answer(self, packet: bytes, address: Address) -> None:
        assert address == SENDER
        self._net.feedback(packet)

    def wait(self, seconds: float) -> None:
        raise AssertionError("a simulated receiver is driven, it never waits")

    def close(self) -> None:
        pass


class Station:
    """One receiver with its port, its own losses, and its alarm."""

    def __init__(self, receiver: Receiver, port: ReceiverPort, link: Link, seed: str) -> None:
        self.receiver = receiver
        self.port = port
        self.alarm = math.inf
        self.lost = 0
        self._random = random.Random(seed)
        self._burst = link.burst
        # A loss of so many packets on average, and between two of them a gap, so that the share comes out right.
        self._gap = link.burst * (1 - link.loss) / link.loss if link.loss else math.inf
        self._begin = self._end = 0
        self._next_loss()

    def _next_loss(self) -> None:
        if self._gap == math.inf:
            self._begin = self._end = 1 << 62
            return
        self._begin = self._end + self._length(self._gap + 1) - 1
        self._end = self._begin + self._length(self._burst)

    def _length(self, mean: float) -> int:
        """From a geometric distribution that begins at 1."""
        return 1 if mean <= 1 else 1 + int(math.log(1.0 - self._random.random()) / math.log(1.0 - 1.0 / mean))

    def losses(self, first: int, after: int) -> list[int]:
        """Which of the packets ``first`` to ``after`` (numbered over the session) do not reach this receiver."""
        found: list[int] = []
        while self._begin < after:
            found.extend(range(max(self._begin, first), min(self._end, after)))
            if self._end > after:
                break
            self._next_loss()
        self.lost += len(found)
        return found


class VirtualNet:
    """Delivers what the sender sends to all stations, and their answers to the sender. It is also the sender's transport."""

    def __init__(self, link: Link, seed: int, charge_cpu: bool) -> None:
        self.clock = Clock(charge_cpu)
        self.buffer = bytearray(2 * RECEIVE_BYTES)
        self.stations: list[Station] = []
        self.segmentation = True
        self.queue_full = 0
        self.data = self.control = self.answers = Counted(0, 0, 0)
        #: When each answer was handed to the network, and its length in bytes with all headers.
        self.answered: list[tuple[float, int]] = []
        #: The most answers that ever waited for the sender to read them.
        self.most_waiting = 0
        self._link = link
        self._random = random.Random(f"{seed} back")
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._inbox: deque[bytes] = deque()
        self._free_at = 0.0
        self._sent_packets = 0

    def open_sender(self, _network: Network) -> VirtualNet:
        self.clock.enter_sender()
        return self

    # -- the sender's side

    def send(self, batch: Batch, first: int = 0) -> int:
        self._leave_sender()
        try:
            if (self._free_at - self.clock.now) * self._link.rate_bits / 8 > _QUEUE_BYTES:
                self.queue_full += 1
                return 0
            data = b"".join(batch.buffers[2 * first :])
            count = batch.packets - first
            self.data = self.data.plus(count, len(data), self._link.overhead)
            self._transmit(data, batch.packet_bytes, count)
            return count
        finally:
            self.clock.enter_sender()

    def send_packet(self, packet: bytes) -> bool:
        self._leave_sender()
        self.control = self.control.plus(1, len(packet), self._link.overhead)
        self._transmit(packet, len(packet), 1)
        self.clock.enter_sender()
        return True

    def receive(self) -> bytes | None:
        self._leave_sender()
        packet = self._inbox.popleft() if self._inbox else None
        self.clock.enter_sender()
        return packet

    def wait(self, seconds: float) -> None:
        """Until there is something to receive, ``seconds`` at most."""
        self._leave_sender()
        until = self.clock.now + max(0.0, seconds)
        while not self._inbox and self._events and self._events[0][0] <= until:
            self._next_event()
        if not self._inbox:
            self.clock.now = until
        self.clock.enter_sender()

    def transmitted(self) -> None:
        """There is no interface with a counter."""

    def backlog(self) -> int:
        return 0

    def close(self) -> None:
        self._leave_sender()

    def _leave_sender(self) -> None:
        self.clock.leave_sender()
        now = self.clock.now
        while self._events and self._events[0][0] <= now:
            self._next_event()
        self.clock.now = now

    def _transmit(self, data: bytes, segment: int, count: int) -> None:
        self._free_at = max(self._free_at, self.clock.now) + (len(data) + count * self._link.overhead) * 8 / self._link.rate_bits
        first = self._sent_packets
        self._sent_packets += count
        self._at(self._free_at + self._link.delay, lambda: self._deliver(data, segment, first, count))

    # -- events

    def _at(self, when: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._order), action))

    def _next_event(self) -> None:
        self.clock.now, _order, action = heapq.heappop(self._events)
        action()

    def run_on(self, seconds: float) -> None:
        """Let the receivers do what they have to do after the sender has gone."""
        until = self.clock.now + seconds
        while self._events and self._events[0][0] <= until:
            self._next_event()
        self.clock.now = until
        for station in self.stations:
            if not station.receiver.over:
                self._step(station)

    # -- the receivers' side

    def add(self, station: Station) -> None:
        station.receiver.begin()
        self.stations.append(station)

    def _deliver(self, data: bytes, segment: int, first: int, count: int) -> None:
        """Everybody who is there gets what he did not lose; those that lost nothing first, so that the buffer is filled once for all of them."""
        spoilt: list[tuple[Station, list[int]]] = []
        self.buffer[: len(data)] = data
        whole = Received(0, len(data), segment, SENDER)
        for station in self.stations:
            if station.receiver.over:
                continue
            lost = station.losses(first, first + count)
            if lost:
                spoilt.append((station, lost))
            else:
                station.port.pending = whole
                self._step(station)
        for station, lost in spoilt:
            kept = _without(data, segment, [number - first for number in lost])
            if kept:
                self.buffer[: len(kept)] = kept
                station.port.pending = Received(0, len(kept), min(segment, len(kept)), SENDER)
                self._step(station)

    def _step(self, station: Station) -> None:
        receiver = station.receiver
        receiver.step()
        due = receiver.due
        if due < station.alarm:
            station.alarm = due
            self._at(due, lambda: self._ring(station))

    def _ring(self, station: Station) -> None:
        station.alarm = math.inf
        if not station.receiver.over:
            self._step(station)

    def feedback(self, packet: bytes) -> None:
        self.answers = self.answers.plus(1, len(packet), self._link.overhead)
        self.answered.append((self.clock.now, len(packet) + self._link.overhead))
        if self._random.random() >= self._link.loss:
            self._at(self.clock.now + self._link.delay, lambda: self._arrive(packet))

    def _arrive(self, packet: bytes) -> None:
        self._inbox.append(packet)
        self.most_waiting = max(self.most_waiting, len(self._inbox))


def _without(data: bytes, segment: int, lost: Sequence[int]) -> bytes:
    """The packets of a batch that are left, side by side as a network card or the kernel would join them."""
    pieces: list[bytes] = []
    at = 0
    for number in lost:
        pieces.append(data[at : number * segment])
        at = (number + 1) * segment
    pieces.append(data[at:])
    return b"".join(pieces)


def most_in_any(times: Sequence[tuple[float, int]], window: float) -> int:
    """The most events within any ``window`` seconds."""
    most = begin = 0
    for end, (moment, _size) in enumerate(times):
        while times[begin][0] <= moment - window:
            begin += 1
        most = max(most, end - begin + 1)
    return most

