# Copyright (c) 2026 The fleetcast authors
# SPDX-License-Identifier: BSD-2-Clause
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
"""The sender's own link: the queue before it, and others who want it too."""

from __future__ import annotations

from typing import NamedTuple

from .sockets import SenderTransport

#: Seconds of one look at the link, and looks in a row after which others are believed: a queue that merely empties looks like them once.
_LOOK_SECONDS, _LOOKS = 0.5, 2
#: Share of the link that others must have to count: less are answers, logins and the counters' blur. A TCP stream that is starved has hardly more.
_OTHERS = 0.01
#: Others who do not take the room that is made for them are content with what they have, and count again when they have this many times as much.
_MORE = 1.5
#: Share of what went out while the queue was full that makes the link full; that much beyond it, without a full queue, it was not the link's end.
_FULL, _BEYOND = 0.93, 1.05
#: What is kept of the own rate at each look until the link is shared evenly.
_YIELD = 0.8


class Counters(NamedTuple):
    """At a time: bytes, packets and batches of this session that left, bytes and packets that the interface sent, whosever, and how often its queue was
    full."""

    at: float
    own_bytes: int
    own_packets: int
    own_batches: int
    all_bytes: int
    all_packets: int
    refused: int


class LinkShare:
    """Finds out whether others want the sender's own link, and what rate leaves them room: no more than half is taken from them.

    The queue of the link does not tell. TCP keeps but a few packets in the queue of its own host, so it gives way to whoever keeps that full, and fills
    what is left without ever filling the queue. So what the interface sent is compared with what this session did. Without others nothing changes.

    :param header_bytes: what the headers add to each packet. Where batches leave uncut the interface counts them once a batch, which is up to 4 % less:
        enough to hide others.
    """

    def __init__(self, header_bytes: int) -> None:
        self._header_bytes = header_bytes
        #: The rate that leaves others room.
        self.most_bits = float("inf")
        self._began: Counters | None = None
        #: What went out, in bits per second, when the queue was full.
        self._link_bits = float("inf")
        self._crowded = 0
        self._content_bits = 0.0

    def look(self, counters: Counters) -> None:
        """Take the counters as they stand now."""
        began = self._began or counters
        self._began = began
        seconds = counters.at - began.at
        if seconds < _LOOK_SECONDS:
            return
        self._began = counters
        _at, own_bytes, packets, batches, all_bytes, all_packets, refused = (after - before for after, before in zip(counters, began))
        if all_packets < (packets + batches) / 2:
            own_bytes -= (packets - batches) * self._header_bytes
        own, total = own_bytes * 8 / seconds, all_bytes * 8 / seconds
        if refused:
            self._link_bits = total
        elif total > _BEYOND * self._link_bits:
            self._link_bits = float("inf")
        full = total >= _FULL * self._link_bits
        if self._crowded >= _LOOKS and not full:
            self._content_bits = _MORE * (total - own)
        crowded = full and total - own > max(_OTHERS * total, self._content_bits)
        self._crowded = self._crowded + 1 if crowded else 0
        self.most_bits = max(total / 2, _YIELD * own) if self._crowded >= _LOOKS else float("inf")


class OwnLink:
    """Keeps count of what a session hands over to the queue below it.

    :param header_bytes: what the headers add to each packet.
    :param makes_room: whether to look for others who want the link.
    """

    def __init__(self, transport: SenderTransport, header_bytes: int, makes_room: bool) -> None:
        self._transport = transport
        self._share = LinkShare(header_bytes) if makes_room else None
        #: Bytes handed over, with all headers.
        self.bytes = 0
        self._packets = self._batches = 0
        self._full_before = 0
        self._least_backlog = 0

    def handed_over(self, size: int, packets: int) -> None:
        """These packets, of so many bytes with their headers, were taken by one call."""
        self.bytes += size
        self._packets += packets
        self._batches += 1 if self._transport.segmentation else packets

    def look_at_queue(self) -> None:
        """To be called now and then: whether the queue is ever empty."""
        self._least_backlog = min(self._least_backlog, self._transport.backlog())

    def sample(self) -> tuple[bool, bool]:
        """Whether the queue was full since the last call, and whether it was never seen empty."""
        full, standing = self._transport.queue_full > self._full_before, self._least_backlog > 0
        self._full_before, self._least_backlog = self._transport.queue_full, self._transport.backlog()
        return full, standing

    def most_bits(self, now: float) -> float:
        """The rate that leaves others room; nobody is looked for before the queue was full."""
        if self._share is None or not self._transport.queue_full:
            return float("inf")
        everything = self._transport.transmitted()
        if everything is not None:
            left = self.bytes - self._transport.backlog()
            self._share.look(Counters(now, left, self._packets, self._batches, *everything, self._transport.queue_full))
        return self._share.most_bits
