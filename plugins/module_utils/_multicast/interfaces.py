# Copyright (c) 2026 The fleetcast authors
# SPDX-License-Identifier: BSD-2-Clause
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
"""What the kernel says of network interfaces, by name: number, MTU, IPv4 and broadcast address."""

from __future__ import annotations

import fcntl
import ipaddress
import socket
import struct
from pathlib import Path
from typing import Iterator, NamedTuple

from .errors import BadSession, NoInterface, NotMulticast

# Requests of ioctl(2) and flags of an interface (linux/sockios.h, linux/if.h; netdevice(7)).
_SIOCGIFFLAGS = 0x8913
_SIOCGIFADDR = 0x8915
_SIOCGIFBRDADDR = 0x8919
_SIOCGIFNETMASK = 0x891B
_SIOCGIFMTU = 0x8921
_IFF_UP = 0x1
_IFF_BROADCAST = 0x2
_IFF_LOOPBACK = 0x8

#: Reaches every host of the link, whatever its addresses (RFC 919).
LIMITED_BROADCAST = "255.255.255.255"
#: An address that only a default route leads to (RFC 5737); nothing is sent there.
_ELSEWHERE = ("192.0.2.1", 9)


class Interface(NamedTuple):
    """``address`` and ``broadcast``: the first IPv4 address, None where there is none or where the device cannot broadcast."""

    name: str
    number: int
    up: bool
    loopback: bool
    mtu: int
    address: str | None
    broadcast: str | None


def interface_index(name: str | None) -> int:
    """Kernel's number of an interface; 0 when none is named. :raises NoInterface: there is none of that name."""
    if name is None:
        return 0
    try:
        return socket.if_nametoindex(name)
    except OSError as error:
        names = ", ".join(sorted(known for _index, known in socket.if_nameindex()))
        raise NoInterface(f"there is no network interface {name!r} (there are: {names})") from error


class Traffic(NamedTuple):
    """What an interface has sent."""

    bytes: int
    packets: int


def transmitted(name: str) -> Traffic | None:
    """What an interface of this network namespace has sent; None when the kernel does not tell.

    A batch that leaves uncut (UDP_SEGMENT, over a virtual link or to a network card that cuts) is mostly counted as one packet, with its headers once.
    """
    try:
        lines = Path("/proc/net/dev").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        known, _colon, counters = line.partition(":")
        if known.strip() == name:
            fields = counters.split()
            return Traffic(int(fields[8]), int(fields[9]))
    return None


def _interfaces() -> Iterator[Interface]:
    return map(interface, [name for _index, name in socket.if_nameindex()])


def interface_of(address: str) -> str | None:
    """Name of the interface that has an IPv4 address as its first; None when there is none."""
    return next((found.name for found in _interfaces() if found.address == address), None)


def interface(name: str) -> Interface:
    """:raises NoInterface: there is none of that name."""
    number = interface_index(name)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        flags = _ask(asked, _SIOCGIFFLAGS, name, "@H", 0)
        mtu = _ask(asked, _SIOCGIFMTU, name, "@i", 0)
        address, netmask, broadcast = (_ask_address(asked, request, name) for request in (_SIOCGIFADDR, _SIOCGIFNETMASK, _SIOCGIFBRDADDR))
    if not address or not netmask or not flags & _IFF_BROADCAST:
        broadcast = None
    elif broadcast in (None, "0.0.0.0"):  # noqa: S104  no address to bind to
        # `ip address add` sets none unless asked, and the kernel then takes the network's last.
        broadcast = str(ipaddress.IPv4Network((address, netmask), strict=False).broadcast_address)
    return Interface(name, number, bool(flags & _IFF_UP), bool(flags & _IFF_LOOPBACK), mtu, address, broadcast)


def _ask(asked: socket.socket, request: int, name: str, kind: str, default: int) -> int:
    try:
        answer = fcntl.ioctl(asked.fileno(), request, struct.pack("@16s24x", name.encode()))
    except OSError:
        # The interface has gone meanwhile, or has no such property: as good as none.
        return default
    (value,) = struct.unpack_from(kind, answer, 16)
    return int(value)


def _ask_address(asked: socket.socket, request: int, name: str) -> str | None:
    try:
        answer = fcntl.ioctl(asked.fileno(), request, struct.pack("@16s24x", name.encode()))
    except OSError:
        # EADDRNOTAVAIL: no IPv4 address.
        return None
    return socket.inet_ntoa(answer[20:24])


def default_interface() -> Interface:
    """The one that the default route names, or the only one that there is. :raises NoInterface: it is not clear which."""
    known = [found for found in _interfaces() if found.up and not found.loopback and found.address]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            asked.connect(_ELSEWHERE)
            mine = asked.getsockname()[0]
        except OSError:
            # No default route.
            mine = None
    chosen = [found for found in known if found.address == mine] or known
    if len(chosen) != 1:
        raise NoInterface(f"it is not clear which network is meant, name the interface (there are: {', '.join(found.name for found in known) or 'none'})")
    return chosen[0]


def broadcast_address(name: str | None) -> str:
    """The broadcast address of the interface; of the one of the default route when none is named.

    :raises NoInterface: there is none, or it has none.
    """
    found = default_interface() if name is None else interface(name)
    if found.broadcast is None:
        raise NoInterface(f"the interface {found.name} has no broadcast address: broadcast exists in IPv4 only, and needs an address on it")
    return found.broadcast


def is_broadcast(address: str) -> bool:
    """Whether this machine takes an IPv4 address for the broadcast of one of its networks."""
    if address == LIMITED_BROADCAST:
        return True
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            asked.connect((address, 9))
        except PermissionError:
            # To broadcast one has to ask first (SO_BROADCAST), and only then (ip4_datagram_connect).
            return True
        except OSError:
            return False
    return False


def destination(address: str, transport: str, name: str | None) -> tuple[str, bool]:
    """The address that a session is sent to, and whether that is a broadcast.

    :param transport: ``multicast``, or ``broadcast`` to take the broadcast address of the interface ``name`` where ``address`` is none.
    :raises BadSession: the two do not go together.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError as error:
        raise BadSession(f"the group {address!r} is not an IP address") from error
    if parsed.version == 6:
        if transport == "broadcast":
            raise BadSession(f"broadcast exists in IPv4 only, and {address} is IPv6: use multicast, which IPv6 has in every network, or unicast")
        return address, False
    if parsed.is_multicast:
        return (broadcast_address(name), True) if transport == "broadcast" else (address, False)
    if is_broadcast(address):
        return address, True
    raise NotMulticast(
        f"the group {address} is not a multicast address (224.0.0.0/4 or ff00::/8) and not the broadcast address of a network that this machine is in"
    )
