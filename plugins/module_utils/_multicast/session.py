# Copyright (c) 2026 The fleetcast authors
# SPDX-License-Identifier: BSD-2-Clause
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
"""What sender and receiver of one session agree on, and what they report in the end."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import Callable

from .errors import BadSession, NotMulticast

#: Seconds between announcements while receivers are still missing.
ANNOUNCE_INTERVAL = 0.1
#: Seconds between polls when nothing else is sent: keeps receivers from thinking that the sender is gone.
IDLE_POLL_INTERVAL = 0.25
#: Seconds between two calls of a progress callback, at least.
PROGRESS_INTERVAL = 0.25
#: Microseconds between the feedback of two receivers. A thousand take a tenth of a second, and 80-byte answers stay below 7 Mbit/s.
SLOT_US = 100


@dataclass(frozen=True)
class Network:
    """Where the session takes place.

    :param group: multicast address, IPv4 or IPv6; or a broadcast address, which is IPv4.
    :param port: UDP port of the group.
    :param interface: name of the network interface; None leaves the choice to the routing table.
    :param ttl: hop limit (IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS); 1 stays on the link.
    :param source: the sender's address for a source-specific group (RFC 4607); None joins for any source.
    :param feedback_port: UDP port at the sender for the answers; 0 lets the kernel choose.
    :param broadcast: the group is a broadcast address: every host of the network gets the packets, and no router forwards them.
    :param gso: let the kernel cut batches (UDP_SEGMENT), where it can. :param gro: let it hand over batches (UDP_GRO), where it can.
    """

    group: str
    port: int
    interface: str | None = None
    ttl: int = 1
    source: str | None = None
    feedback_port: int = 0
    broadcast: bool = False
    gso: bool = True
    gro: bool = True

    def __post_init__(self) -> None:
        group = _address(self.group, "group")
        if self.broadcast:
            if group.version != 4 or group.is_multicast:
                raise BadSession(f"{self.group} is not a broadcast address: those are IPv4, as 255.255.255.255 or the last of the network")
        elif not group.is_multicast:
            raise NotMulticast(f"the group {self.group} is not a multicast address (224.0.0.0/4 or ff00::/8)")
        if not 1 <= self.port <= 65535:
            raise BadSession(f"the port must be 1 to 65535, not {self.port}")
        if not 0 <= self.feedback_port <= 65535:
            raise BadSession(f"the feedback port must be 0 to 65535, not {self.feedback_port}")
        if not 0 <= self.ttl <= 255:
            raise BadSession(f"the ttl must be 0 to 255, not {self.ttl}")
        if self.source is not None:
            source = _address(self.source, "source")
            if source.version != group.version or source.is_multicast:
                raise BadSession(f"the source {self.source} must be a unicast address of the group's family (IPv{group.version})")

    @property
    def is_ipv6(self) -> bool:
        # Asked for every packet; parsing the address each time was 1 % of a sender's time.
        return ":" in self.group

    @property
    def overhead(self) -> int:
        """Bytes that Ethernet (14), IP and UDP add to a packet: a rate is counted as the link's queue counts it."""
        return 14 + (40 if self.is_ipv6 else 20) + 8


def _address(text: str, what: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        return ipaddress.ip_address(text)
    except ValueError as error:
        raise BadSession(f"the {what} {text!r} is not an IP address") from error


@dataclass(frozen=True)
class Limits:
    """Every wait has one. All in seconds.

    :param wait: a receiver's, for the first packet of the session.
    :param ready: the sender's, for all receivers to be ready; it begins without those that are not.
    :param session: either end's, for everything, from its own start.
    :param host: how long the other end may be silent: a receiver falls out of the session, a sender is given up.
    :param straggler: the sender's, for the last few receivers once nearly all are done; or half of the session's time until then, when that is longer.
    """

    wait: float = 120.0
    ready: float = 10.0
    session: float = 3600.0
    host: float = 15.0
    straggler: float = 10.0

    def __post_init__(self) -> None:
        for name in ("wait", "ready", "session", "host", "straggler"):
            if getattr(self, name) <= 0:
                raise BadSession(f"the time limit {name} must be more than 0 seconds, not {getattr(self, name)}")


@dataclass(frozen=True)
class Progress:
    """How far a session is. At the sender ``done`` and ``total`` are bytes of the stream sent once, at a receiver bytes held."""

    phase: str
    done: int
    total: int
    rate_bits: float
    hosts_done: int
    hosts: int


ProgressCallback = Callable[[Progress], None]

COMPLETED = "completed"
NOT_READY = "not_ready"
SILENCE = "silence"
DISK = "disk"
NETWORK_LOSS = "network_loss"
SOCKET_OVERFLOW = "socket_overflow"
DEADLINE = "deadline"
CANCELED = "canceled"
SENDER_ENDED = "sender_ended"
DIGEST = "digest_mismatch"
MISMATCH = "other_artifact"


@dataclass
class Verdict:
    """How one receiver came out of the session, as the sender knows it.

    ``reason``: completed, not_ready, silence, disk, network_loss, socket_overflow, deadline, canceled, digest_mismatch or other_artifact. ``lost_packets`` and
    ``overflow_packets`` are what did not arrive, and the part of it that the receiver's own socket dropped.
    """

    name: str
    completed: bool
    reason: str
    missing_bytes: int
    detail: str = ""
    lost_packets: int = 0
    overflow_packets: int = 0


@dataclass
class SendReport:
    """The outcome of a sender. Bytes count UDP payload with our headers; ``link_bytes`` adds Ethernet, IP and UDP headers."""

    verdicts: dict[str, Verdict]
    outcome: str
    seconds: float
    size: int
    data_packets: int = 0
    parity_packets: int = 0
    control_packets: int = 0
    feedback_bytes: int = 0
    link_bytes: int = 0
    no_buffer_events: int = 0
    secured: bool = False
    segmentation_offload: bool = False
    phases: dict[str, float] = field(default_factory=dict)

    @property
    def all_completed(self) -> bool:
        return all(verdict.completed for verdict in self.verdicts.values())

    @property
    def completed(self) -> list[str]:
        return [name for name, verdict in self.verdicts.items() if verdict.completed]


@dataclass
class ReceiveReport:
    """The outcome of a receiver. ``reason`` is as in :class:`Verdict`, or ``sender_ended`` when the sender closed the session first."""

    completed: bool
    reason: str
    missing_bytes: int
    seconds: float
    detail: str = ""
    received_packets: int = 0
    duplicate_packets: int = 0
    rejected_packets: int = 0
    overflow_packets: int = 0
    polluted_sections: int = 0
    decoded_symbols: int = 0
    rcvbuf: int = 0
    coalesced: bool = False
