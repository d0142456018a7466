# Copyright (c) 2026 The fleetcast authors
# SPDX-License-Identifier: BSD-2-Clause
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
"""What the sender knows about each receiver, and the verdicts it draws from that."""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import Collection, Sequence

from . import session, wire
from .session import Verdict

#: A receiver that is this many polls behind is one that the sender's window no longer waits for; after as many in a row that it keeps up with,
#: it is waited for again. Above what chance makes of lost polls and answers.
_POLLS_BEHIND = 3
#: Share of a receiver's packets lost from which the loss is the reason that it did not finish.
_NOTABLE_LOSS = 0.001
#: Packets over which loss is measured: at 5 % random loss the figure is then within 0.7 % (one standard deviation).
_LOSS_SAMPLE = 1000


#: A receiver that loses more than twice what the better half does, and this share beside, is served when the others are done.
_POOR = 0.1
#: Part of the receivers that may be left when nearly all are done: they, or the last one, are stragglers.
_STRAGGLERS = 1 / 8


class State(Enum):
    """ABSENT: never heard. ACTIVE: takes part. The others are out: complete, failed (it said so itself), silent for too long, excused beforehand."""

    ABSENT = "absent"
    ACTIVE = "active"
    DONE = "done"
    FAILED = "failed"
    LOST = "lost"
    EXCUSED = "excused"


class Peer:
    """One receiver, as its feedback shows it. ``sent`` counts are data and parity packets since the session began."""

    def __init__(self, index: int, name: str, size: int) -> None:
        self.index = index
        self.name = name
        self.state = State.ABSENT
        self.sequence = 0
        self.last_heard = 0.0
        self.rcvbuf: int | None = None
        self.missing_bytes = size
        self.reason = ""
        self.detail = ""
        self.overflow = 0
        self.polluted = False
        self.acknowledged = 0
        self.answered_poll = 0
        self._asked: deque[int] = deque(maxlen=_POLLS_BEHIND)
        self._kept_up = 0
        self.lagging = False
        #: It loses far more than the others: what it lacks would hold them up.
        self.poor = False
        self.pages: dict[int, bytes] = {}
        self._joined: int | None = None
        self._received = 0
        self._last_counter = 0
        self._sampled = (0, 0)
        self._sample_after = 0
        self.lost_packets = 0

    def ready(self, message: wire.Ready, sections: int) -> bool:
        """Take a READY packet; True once all of its pages are there."""
        expected = max(1, -(-sections // wire.HELD_PER_PAGE))
        if message.pages == 1:
            self.pages = {0: message.held}
        elif message.pages == expected:
            self.pages[message.page] = message.held
        if len(self.pages) != message.pages:
            return False
        self.rcvbuf = message.rcvbuf
        self._joined = 0
        return True

    def levels(self, sections: int) -> bytes:
        """What it holds already, one byte per section (:data:`wire.HOLDS_LITTLE` and so on)."""
        return wire.unpack_held(b"".join(self.pages[page] for page in sorted(self.pages)), sections)

    def status(self, message: wire.Status, sent_at_poll: int) -> float | None:
        """Take a report; return the share of packets lost, once enough were sent since it was last told."""
        self.missing_bytes = message.missing_bytes
        self.overflow = message.overflow
        self.polluted = message.polluted
        self.acknowledged = max(self.acknowledged, sent_at_poll)
        self.answered_poll = max(self.answered_poll, message.poll)
        if self._joined is None:
            # A late joiner: what was sent before is not its loss.
            self._joined = sent_at_poll
            self._sampled = (sent_at_poll, 0)
            self._last_counter = message.received
            return None
        self._received += (message.received - self._last_counter) & 0xFFFFFFFF
        self._last_counter = message.received
        self.lost_packets = max(0, sent_at_poll - self._joined - self._received)
        if self._sampled[0] < self._sample_after:
            self._sampled = (sent_at_poll, self._received)
            return None
        sent, received = sent_at_poll - self._sampled[0], self._received - self._sampled[1]
        if sent < _LOSS_SAMPLE:
            return None
        self._sampled = (sent_at_poll, self._received)
        return max(0.0, 1 - received / sent)

    def compare(self, loss: float, better_half: float) -> None:
        """Judge its loss by that of the better half of the receivers."""
        self.poor = loss > 2 * better_half + _POOR

    def sample_after(self, position: int) -> None:
        """The rate changed: loss is to be told only of what is sent from this packet on."""
        self._sample_after = position

    def round_closed(self, poll: int) -> None:
        """Note whether it keeps up with the polls that ask it: the window does not wait for a receiver that does not."""
        self._asked.append(poll)
        if len(self._asked) < _POLLS_BEHIND or self.answered_poll >= self._asked[0]:
            self._kept_up += 1
            self.lagging = self.lagging and self._kept_up < _POLLS_BEHIND
        else:
            self._kept_up = 0
            self.lagging = True

    @property
    def asked_at(self) -> int:
        """The last poll that asked this receiver and whose round is over; 0 before the first."""
        return self._asked[-1] if self._asked else 0

    def verdict(self, outcome: str, total_sent: int) -> Verdict:
        completed = self.state is State.DONE
        return Verdict(
            name=self.name,
            completed=completed,
            reason=session.COMPLETED if completed else self._why(outcome, total_sent),
            missing_bytes=0 if completed else self.missing_bytes,
            detail=self.detail,
            lost_packets=self.lost_packets,
            overflow_packets=self.overflow,
        )

    def _why(self, outcome: str, total_sent: int) -> str:
        if self.state is State.ABSENT:
            return session.NOT_READY
        if self.state is State.FAILED:
            return self.reason
        if self.state is State.LOST:
            return session.SILENCE
        return self.hindrance(total_sent) if outcome == session.DEADLINE else outcome

    def hindrance(self, total_sent: int) -> str:
        """Why it takes so long."""
        if self.overflow * 2 > self.lost_packets and self.overflow > total_sent * _NOTABLE_LOSS:
            return session.SOCKET_OVERFLOW
        return session.NETWORK_LOSS if self.lost_packets > total_sent * _NOTABLE_LOSS else session.DEADLINE


class Roster:
    """All receivers of the session. Thousands, perhaps, and the sender looks at them for every batch: so who is in a state is kept.

    :param without: names of those who keep their number and are not waited for, asked or judged.
    """

    def __init__(self, names: Sequence[str], size: int, without: Collection[str] = ()) -> None:
        self.peers = [Peer(index, name, size) for index, name in enumerate(names)]
        self._lists: dict[tuple[State, ...], list[Peer]] = {}
        for peer in self.peers:
            if peer.name in without:
                peer.state = State.EXCUSED
        #: Those with whom the session is held.
        self.members = [peer for peer in self.peers if peer.state is not State.EXCUSED]

    def __len__(self) -> int:
        """Of all numbers."""
        return len(self.peers)

    def move(self, peer: Peer, state: State) -> None:
        peer.state = state
        self._lists.clear()

    def of(self, *states: State) -> list[Peer]:
        """Those in one of these states, in order. Not to be changed."""
        found = self._lists.get(states)
        if found is None:
            found = self._lists[states] = [peer for peer in self.peers if peer.state in states]
        return found

    def bits(self, *states: State) -> int:
        """The receivers in these states as a bit set."""
        bits = bytearray(-(-len(self.peers) // 8))
        for peer in self.of(*states):
            bits[peer.index >> 3] |= 1 << (peer.index & 7)
        return int.from_bytes(bits, "little")

    def bitmap(self, *states: State) -> bytes:
        """The same for the wire."""
        return wire.to_bitmap([peer.index for peer in self.of(*states)], len(self.peers))

    def usual_loss(self, sent: int) -> float:
        """The largest share that anybody lost of ``sent`` packets, but for those who lose far more than the others."""
        return max((peer.lost_packets for peer in self.of(State.ACTIVE) if not peer.poor), default=0) / max(1, sent)

    def stragglers(self) -> list[Peer]:
        """Those who are left when nearly everybody is done; none before."""
        active, done = self.of(State.ACTIVE), self.of(State.DONE)
        return active if done and len(active) <= max(1, _STRAGGLERS * (len(active) + len(done))) else []

    def least_held(self, sections: int) -> bytes:
        """Per section, what everybody who takes part holds at least (:data:`wire.HOLDS_LITTLE` and so on)."""
        least: bytes | None = None
        for peer in self.of(State.ACTIVE):
            levels = peer.levels(sections)
            least = levels if least is None else bytes(map(min, least, levels))
            if not any(least):
                break
        return least or bytes(sections)
