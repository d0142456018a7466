# Copyright (c) 2026 The fleetcast authors
# SPDX-License-Identifier: BSD-2-Clause
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
"""Who is root can see what reaches the interface before a firewall does, and the queries by which switches keep groups alive.

IGMP (RFC 2236, RFC 3376) and MLD (RFC 2710, RFC 3810): a querier asks all hosts now and then, at intervals that are longer than anybody wants to wait
here; but it asks at once, after its last member has left, whether anybody is left in a group. So we join a group of our own and leave it.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import struct
from pathlib import Path

from .._artifact.layout import SYMBOL_SIZE
from .errors import EngineError
from .interfaces import interface_index
from .session import Network
from .sockets import ReceiverSocket

_ETH_P_ALL = 0x0003
_PACKET_OUTGOING = 4
_SOL_PACKET = 263
_PACKET_ADD_MEMBERSHIP = 1
_PACKET_MR_ALLMULTI = 2
_IGMP, _UDP, _ICMPV6, _HOP_BY_HOP = 2, 17, 58, 0
_IGMP_QUERY = 0x11
_MLD_QUERY = 130


class Tap:
    """Looks at the packets that reach an interface, before any filter.

    :param port: UDP port to count for; :param addresses: way -> address that its packets are sent to.
    :raises PermissionError: that needs CAP_NET_RAW.
    """

    def __init__(self, interface: str | None, port: int, addresses: dict[str, str]) -> None:
        index = interface_index(interface)
        self._port = port
        self._ways = {ipaddress.ip_address(address).packed: way for way, address in addresses.items()}
        #: way -> packets that reached the interface.
        self.packets = dict.fromkeys(addresses, 0)
        #: Addresses of the queriers that asked.
        self.queriers: set[str] = set()
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, socket.htons(_ETH_P_ALL))
        if interface is not None:
            self._socket.bind((interface, _ETH_P_ALL))
            # A question about our group comes to its address, which the network card does not listen to any more.
            self._socket.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, struct.pack("@iHH8x", index, _PACKET_MR_ALLMULTI, 0))

    def take(self) -> None:
        """Look at all that has come."""
        while True:
            try:
                packet, address = self._socket.recvfrom(2048)
            except OSError:
                # Nothing more, or the interface is down: then nothing comes either.
                return
            if address[2] != _PACKET_OUTGOING:
                self._look(packet)

    def _look(self, packet: bytes) -> None:
        version = packet[0] >> 4 if packet else 0
        if version == 4 and len(packet) >= 20:
            protocol, source, target, rest = packet[9], packet[12:16], packet[16:20], packet[4 * (packet[0] & 15) :]
        elif version == 6 and len(packet) >= 40:
            protocol, source, target, rest = packet[6], packet[8:24], packet[24:40], packet[40:]
            if protocol == _HOP_BY_HOP and len(rest) >= 8:
                protocol, rest = rest[0], rest[8 * (rest[1] + 1) :]
        else:
            return
        if protocol == _UDP and len(rest) >= 4 and int.from_bytes(rest[2:4], "big") == self._port:
            way = self._ways.get(target)
            if way is not None:
                self.packets[way] += 1
        elif rest and ((protocol == _IGMP and rest[0] == _IGMP_QUERY) or (protocol == _ICMPV6 and rest[0] == _MLD_QUERY)):
            self.queriers.add(str(ipaddress.ip_address(source)))

    def close(self) -> None:
        self._socket.close()


class LeavingGroup:
    """A membership of our own, to be given up so that a querier asks for what is left of it."""

    def __init__(self, network: Network) -> None:
        number = int.from_bytes(os.urandom(2), "big")
        group = f"ff15::fc:{number:x}" if network.is_ipv6 else f"239.255.{number >> 8}.{number & 255}"
        self._member: ReceiverSocket | None = None
        try:
            self._member = ReceiverSocket(Network(group, network.port, network.interface), SYMBOL_SIZE)
        except EngineError:
            # The session's own group will have the same trouble, and tells it.
            self._member = None

    def leave(self) -> None:
        if self._member is not None:
            self._member.close()
            self._member = None


def querier_known(interface: str | None) -> str | None:
    """What a host that is not root can tell of a querier: that of its own bridge, or that an old one has been heard. None: nothing."""
    if interface is not None:
        bridge = Path("/sys/class/net") / interface / "bridge/multicast_querier"
        if bridge.exists() and bridge.read_text(encoding="ascii").strip() == "1":
            return f"the bridge {interface} of this host"
    try:
        lines = Path("/proc/net/igmp").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    for line in lines:
        words = line.replace(":", " ").split()
        # "2  eth0  :  1  V2": the version in use is that of the querier, and without one the newest, V3.
        if len(words) == 4 and words[0].isdigit() and interface in (None, words[1]) and words[1] != "lo" and words[3] in ("V1", "V2"):
            return f"of IGMP version {words[3][1]} on {words[1]}"
    return None
