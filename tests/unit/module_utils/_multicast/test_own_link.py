# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Others on the sender's own link, and the queue before it, with counters of the test's own."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.fleetcast.core.plugins.module_utils._multicast.interfaces import Traffic
from ansible_collections.fleetcast.core.plugins.module_utils._multicast.own_link import Counters, LinkShare, OwnLink
from ansible_collections.fleetcast.core.plugins.module_utils._multicast.pacing import RateControl, TokenBucket
from ansible_collections.fleetcast.core.tests.fuzz.session_targets import Input, SenderPort
from ansible_collections.fleetcast.core.tests.unit.module_utils._multicast.clock import Clock

pytestmark = [pytest.mark.push, pytest.mark.engine]

PACKET, HEADERS, BATCH = 1458, 42, 44


def counters(at: float, own: int, everything: int, refused: int) -> Counters:
    """Of bytes with all headers, by an interface that counts every packet of a batch."""
    return Counters(at, own, own // PACKET, own // PACKET // BATCH, everything, everything // PACKET, refused)


def test_others_make_the_rate_at_most_half_of_the_link() -> None:
    share, control = LinkShare(HEADERS), RateControl(None)
    own, everything = 0, 0
    rates = []
    for look in range(8):
        share.look(counters(0.5 * look, own, everything, look))
        control.leave_room(share.most_bits)
        rates.append(control.rate_bits)
        own, everything = own + int(control.rate_bits * 0.5 / 8), everything + int(220e6 * 0.5 / 8)
    assert rates[0] == 200e6 and rates[-1] == pytest.approx(110e6, rel=0.01)
    control.update(0.0, limited_by_rate=True, achieved_bits=20e6)
    assert control.rate_bits == pytest.approx(99e6, rel=0.01)
    control.leave_room(float("inf"))
    control.update(0.0, limited_by_rate=True, achieved_bits=20e6)
    assert control.rate_bits == 20e6


@pytest.mark.parametrize("others", [0, 3_000_000])
def test_an_interface_that_counts_a_batch_as_one_packet_hides_nobody(others: int) -> None:
    """It counts the headers of a batch once, which is 3 % less than what the session counts: as much as is left to a TCP stream beside it."""
    share = LinkShare(HEADERS)
    for look in range(8):
        batches = look * 100
        tcp = others * look // 16  # bits per second, for half a second, in bytes
        own, packets = batches * BATCH * PACKET, batches * BATCH
        everything = own - (packets - batches) * HEADERS + tcp
        share.look(Counters(0.5 * look, own, packets, batches, everything, batches + tcp // 1514, look))
        assert (share.most_bits < float("inf")) == (others > 0 and look > 2 - 1)


def test_a_queue_that_empties_is_nobody_else() -> None:
    """Alone: what goes out and what is handed over differ by the queue, whatever its state."""
    share = LinkShare(HEADERS)
    handed = sent = 0
    for look in range(200):
        share.look(counters(0.5 * look, handed, sent, look))
        assert share.most_bits == float("inf")
        sent += 6_250_000
        # Full for three looks, then empty for two.
        handed = sent + (1_500_000 if look % 5 < 3 else 0)


class Port(SenderPort):
    """A queue below, and an interface that counts every packet."""

    def __init__(self) -> None:
        super().__init__(Input(b""), [0.0])
        self.waiting = 0
        self.sent = Traffic(0, 0)

    def backlog(self) -> int:
        return self.waiting

    def transmitted(self) -> Traffic:  # type: ignore[override]
        return self.sent


def test_a_queue_stands_when_it_was_seen_and_never_empty() -> None:
    port = Port()
    link = OwnLink(port, HEADERS, makes_room=True)
    port.waiting = 60_000
    link.look_at_queue()
    assert link.sample() == (False, False), "it was empty when the session began"
    link.look_at_queue()
    port.queue_full += 1
    assert link.sample() == (True, True)
    port.waiting = 0
    link.look_at_queue()
    port.waiting = 60_000
    link.look_at_queue()
    assert link.sample() == (False, False)


@pytest.mark.parametrize(("makes_room", "refused"), [(True, 1), (True, 0), (False, 1)])
def test_room_is_made_without_a_ceiling_once_the_queue_was_full(makes_room: bool, refused: int) -> None:
    """What waits in the queue has not left: others have what the interface sent beside the rest."""
    port = Port()
    link = OwnLink(port, HEADERS, makes_room)
    port.queue_full, port.waiting = refused, 44 * PACKET
    port.sent = Traffic(0, 0)
    link.handed_over(44 * PACKET, 44)
    most = []
    for look in range(4):
        most.append(link.most_bits(0.5 * look))
        for _batch in range(100):
            link.handed_over(44 * PACKET, 44)
        port.queue_full += refused
        port.sent = Traffic(port.sent.bytes + 4400 * PACKET + 300_000, port.sent.packets + 4400 + 200)
    assert link.bytes == 401 * 44 * PACKET
    total = (4400 * PACKET + 300_000) * 8 / 0.5
    alone = [float("inf")] * 4
    assert most == ([*alone[:2], *[pytest.approx(max(total / 2, 0.8 * 4400 * PACKET * 8 / 0.5))] * 2] if makes_room and refused else alone)


class SharedLink:
    """The sender's own link with its queue, and a TCP stream beside: it keeps two pieces, of a millisecond of its rate, in the queue."""

    PACKET, PIECE = 1458, 2916

    def __init__(self, clock: Clock, link: float, queue: int) -> None:
        self.clock, self.link, self.queue = clock, link, queue
        self.sent = {"own": 0, "tcp": 0}
        self.tcp = False
        self._waiting: list[list[Any]] = []
        self._backlog = self._time = 0.0
        self._tcp_rate, self._tcp_at, self._tcp_queued = 0.0, 0.0, 0
        self._time = clock.now

    def send(self, size: int, owner: str = "own") -> bool:
        if owner == "own":
            self._advance()
        if self._backlog + size > self.queue:
            return False
        self._waiting.append([owner, size, size])
        self._backlog += size
        return True

    def _refill(self) -> None:
        while self.tcp and self._tcp_queued < 2:
            if not self.send(int(max(self.PIECE, self._tcp_rate / 8 * 0.001)), "tcp"):
                self._tcp_rate /= 2
                return
            self._tcp_queued += 1

    def _advance(self) -> None:
        while self._time < self.clock.now:
            self._refill()
            if not self._waiting:
                self._time = self.clock.now
                return
            owner, left, size = self._waiting[0]
            gone = min(left, (self.clock.now - self._time) * self.link / 8)
            self._time += gone * 8 / self.link
            self._backlog -= gone
            self._waiting[0][1] -= gone
            if gone < left - 1e-6:
                self._time = self.clock.now
                return
            self._waiting.pop(0)
            self.sent[owner] += size
            if owner == "tcp":
                self._tcp_queued -= 1
                self._tcp_rate += (size * 8 / max(self._time - self._tcp_at, 1e-6) - self._tcp_rate) / 8
                self._tcp_at = self._time


def shared(link: float, queue: int, yields: bool = True) -> list[tuple[float, float]]:
    """Shares of the link of the session and of TCP, each second of 25; TCP is there from the sixth to the eighteenth."""
    clock = Clock()
    path, control, share = SharedLink(clock, link, queue), RateControl(None), LinkShare(HEADERS)
    bucket = TokenBucket(control.rate_bits, clock)
    own = packets = refused = refused_before = 0
    shares: list[tuple[float, float]] = []
    back_off, before, begin = 0.0, {"own": 0, "tcp": 0}, clock.now
    while len(shares) < 25:
        clock.now += max(bucket.delay(), 1e-6)
        path.tcp = 5 <= clock.now - begin < 18
        batch = max(1, min(45, int(bucket.rate_bits * 0.003 / path.PACKET / 8)))
        if path.send(batch * path.PACKET):
            own, packets, back_off = own + batch * path.PACKET, packets + batch, 0.0
            bucket.spend(batch * path.PACKET)
        else:
            back_off, refused = min(0.02, max(0.0005, 2 * back_off)), refused + 1
            bucket.hold(back_off)
        if packets >= 1000:
            control.update(0.0, bucket.busy_share() > 0.7, bucket.achieved_bits() if refused > refused_before else None)
            bucket.restart()
            packets, refused_before = 0, refused
        if yields and refused:
            share.look(counters(clock.now, own, sum(path.sent.values()), refused))
            control.leave_room(share.most_bits)
        bucket.rate_bits = control.rate_bits
        if clock.now - begin >= len(shares) + 1:
            gone = {owner: sent - before[owner] for owner, sent in path.sent.items()}
            shares.append((gone["own"] * 8 / link, gone["tcp"] * 8 / link))
            before = dict(path.sent)
    return shares


@pytest.mark.parametrize(("link", "queue"), [(50e6, 262_144), (100e6, 262_144), (200e6, 262_144)])
def test_a_stream_on_the_same_link_gets_its_share(link: float, queue: int) -> None:
    shares = shared(link, queue)
    assert all(own > 0.95 for own, _tcp in shares[1:5]), shares
    assert all(own > 0.25 and tcp > 0.25 for own, tcp in shares[9:17]), shares
    assert all(own > 0.93 for own, _tcp in shares[21:]), shares


def test_a_full_queue_would_starve_it() -> None:
    """What the session must not do: this is the stream's share without a look at the link."""
    assert all(tcp < 0.15 for _own, tcp in shared(100e6, 262_144, yields=False)[9:17])
