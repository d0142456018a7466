# Copyright (c) 2026 The fleetcast authors
# SPDX-License-Identifier: BSD-2-Clause
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
"""The two ends' sockets: options, memberships, and batches of packets in one system call.

A batch goes out as one buffer that the kernel or the network card cuts (UDP_SEGMENT, linux 4.18), and comes in as one buffer of equal
segments (UDP_GRO, linux 5.0). Both are opportunistic: where they are missing every packet is a batch of one.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import select
import socket
import struct
import sys
import termios
import time
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Sequence, Tuple, Union

from .errors import EngineError, MembershipLimit, MtuTooSmall, NetworkDown, NoInterface, NoRoute, PortInUse
from .interfaces import Traffic, interface_index, interface_of, transmitted
from .session import Network

if TYPE_CHECKING:
    from .bulk import BulkReceiver

Buffer = Union[bytes, bytearray, memoryview]
Address = Tuple[Any, ...]

# Option numbers that the socket module lacks in some versions (linux/in.h, linux/in6.h, linux/udp.h, asm-generic/socket.h).
_SOL_UDP = 17
_UDP_SEGMENT = 103
_UDP_GRO = 104
_SO_SNDBUFFORCE = 32
_SO_RCVBUFFORCE = 33
_SO_RXQ_OVFL = 40
_IP_MTU_DISCOVER = 10
_IPV6_MTU_DISCOVER = 23
_PMTUDISC_DO = 2
_IP_RECVERR = 11
_IP_UNICAST_IF = 50
_SO_BINDTODEVICE = 25
_IPV6_RECVERR = 25
_IP_MULTICAST_ALL = 49
_IPV6_MULTICAST_ALL = 29
_MCAST_JOIN_GROUP = 42
_MCAST_JOIN_SOURCE_GROUP = 46

#: What one receive can bring: the largest UDP datagram, which is what the kernel coalesces up to.
RECEIVE_BYTES = 65536
#: Bytes asked for; the kernel doubles the figure and counts its own overhead. Without privilege net.core.rmem_max is the limit.
_RCVBUF = 16 * 1024 * 1024
#: Small enough that what waits in the queue is a fraction of a second at any usual rate, large enough for a dozen batches.
_SNDBUF = 1024 * 1024
#: Seconds in which single packets may gather before they are read, at most: every waking costs as much as a dozen packets. Short against a poll's round.
_GATHER = 0.003
#: What may gather must fit a quarter of the receive buffer: memory that the kernel counts for a packet, and seconds that one takes at 1 Gbit/s.
_PACKET_MEMORY, _PACKET_SECONDS = 2560, 12e-6
#: The kernel answers these where it, or the device, cannot cut batches.
_NO_SEGMENTATION = (errno.EIO, errno.EINVAL, errno.ENOPROTOOPT, errno.EOPNOTSUPP)
_UNREACHABLE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL)
_QUEUE_FULL = (errno.ENOBUFS, errno.EAGAIN, errno.EWOULDBLOCK)


class Batch(NamedTuple):
    """Packets of equal length (the last may be shorter): header, payload, header, payload, ..."""

    buffers: Sequence[Buffer]
    packet_bytes: int
    packets: int
    total_bytes: int


class SenderTransport(Protocol):
    """What a sender needs of the network; :class:`SenderSocket` says what each does."""

    segmentation: bool
    queue_full: int

    def send(self, batch: Batch, first: int = 0) -> int: ...

    def send_packet(self, packet: bytes) -> bool: ...

    def receive(self) -> bytes | None: ...

    def wait(self, seconds: float) -> None: ...

    def transmitted(self) -> Traffic | None: ...

    def backlog(self) -> int: ...

    def close(self) -> None: ...


class ReceiverTransport(Protocol):
    """What a receiver needs of the network; :class:`ReceiverSocket` says what each does."""

    buffer: bytearray
    overflow: int
    coalesced: bool
    rcvbuf: int

    def receive(self) -> Received | None: ...

    def answer(self, packet: bytes, address: Address) -> None: ...

    def wait(self, seconds: float) -> None: ...

    def close(self) -> None: ...


class SenderSocket:
    """Sends batches to the group and takes feedback. Non-blocking throughout."""

    def __init__(self, network: Network) -> None:
        family = socket.AF_INET6 if network.is_ipv6 else socket.AF_INET
        index = interface_index(network.interface)
        self._network = network
        self._group: Address = (network.group, network.port, 0, index) if network.is_ipv6 else (network.group, network.port)
        self.segmentation = network.gso
        #: How often the queue below was full.
        self.queue_full = 0
        self._leaves_by: str | None = None
        self._socket = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        try:
            _set_buffer(self._socket, _SO_SNDBUFFORCE, socket.SO_SNDBUF, _SNDBUF)
            _set_buffer(self._socket, _SO_RCVBUFFORCE, socket.SO_RCVBUF, _RCVBUF)
            self._set_options(network, index)
            self._socket.bind((network.source or "", network.feedback_port))
        except OSError as error:
            self._socket.close()
            raise _socket_error(error, network, network.feedback_port) from error

    def _set_options(self, network: Network, index: int) -> None:
        if network.is_ipv6:
            self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, network.ttl)
            self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 1)
            self._socket.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _PMTUDISC_DO)
            self._socket.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
            if index:
                self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
            return
        if network.broadcast:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        else:
            self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, network.ttl)
            self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
        # A packet that does not fit is an error here, and not fragments whose loss is multiplied.
        self._socket.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PMTUDISC_DO)
        # Without it a full queue drops in silence (ip(7), IP_RECVERR).
        self._socket.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
        if index and network.broadcast:
            self._socket.setsockopt(socket.IPPROTO_IP, _IP_UNICAST_IF, struct.pack("!I", index))
        elif index:
            self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, struct.pack("@4s4si", bytes(4), bytes(4), index))

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, batch: Batch, first: int = 0) -> int:
        """Send the batch's packets from ``first`` on; return how many went out. 0: the queue is full, try again a little later.

        :raises NoRoute, MtuTooSmall, NetworkDown: the network refuses.
        """
        if self.segmentation and batch.packets - first > 1:
            cut = [(_SOL_UDP, _UDP_SEGMENT, struct.pack("@H", batch.packet_bytes))]
            try:
                self._socket.sendmsg(batch.buffers[2 * first :], cut, 0, self._group)
            except OSError as error:
                if error.errno not in _NO_SEGMENTATION:
                    return self._refused(error, batch.packet_bytes)
                self.segmentation = False
            else:
                return batch.packets - first
        for index in range(first, batch.packets):
            try:
                self._socket.sendmsg(batch.buffers[2 * index : 2 * index + 2], (), 0, self._group)
            except OSError as error:
                self._refused(error, batch.packet_bytes)
                return index - first
        return batch.packets - first

    def send_packet(self, packet: bytes) -> bool:
        """Send one packet; False when the queue is full."""
        try:
            self._socket.sendto(packet, self._group)
        except OSError as error:
            self._refused(error, len(packet))
            return False
        return True

    def _refused(self, error: OSError, packet_bytes: int) -> int:
        if error.errno in _QUEUE_FULL:
            self.queue_full += 1
            return 0
        if error.errno == errno.EMSGSIZE:
            raise MtuTooSmall(
                f"a packet of {packet_bytes + self._network.overhead - 14} bytes with its IP header does not fit the MTU of "
                f"{self._network.interface or 'the interface'} on the way to {self._network.group}: choose a smaller symbol size or a larger MTU"
            ) from error
        raise _socket_error(error, self._network, self._network.port) from error

    def receive(self) -> bytes | None:
        """One feedback packet, or None when there is none."""
        try:
            return self._socket.recv(2048)
        except OSError as error:
            # Errors that IP_RECVERR reports belong to earlier sends (ICMP from somewhere); sending again will show what persists.
            if error.errno not in _QUEUE_FULL and error.errno not in _UNREACHABLE and error.errno not in (errno.ECONNREFUSED, errno.EMSGSIZE):
                raise NetworkDown(f"cannot receive feedback: {error.strerror}") from error
            return None

    def wait(self, seconds: float) -> None:
        """Sleep until there is feedback, ``seconds`` at most (to the microsecond, which poll(2) cannot)."""
        select.select([self._socket], [], [], max(0.0, seconds))

    def transmitted(self) -> Traffic | None:
        """What left the interface so far, whosever it was; None when that is not known."""
        if self._leaves_by is None:
            self._leaves_by = self._network.interface or self._interface_of_route() or ""
        return transmitted(self._leaves_by) if self._leaves_by else None

    def backlog(self) -> int:
        """Bytes handed over that wait in the queue below (SIOCOUTQ, udp(7)): the memory they take, which is somewhat more than their number."""
        return int(struct.unpack("@i", fcntl.ioctl(self._socket, termios.TIOCOUTQ, bytes(4)))[0])

    def _interface_of_route(self) -> str | None:
        """Where packets to the group leave when no interface is named (IPv4)."""
        if self._network.is_ipv6:
            return None
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
            asked.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            try:
                asked.connect(self._group)
                return interface_of(asked.getsockname()[0])
            except (OSError, NoInterface):
                return None

    def close(self) -> None:
        self._socket.close()


class Received(NamedTuple):
    """A batch in the receiver's buffer: ``length`` bytes from ``begin`` on, segments of ``segment`` bytes (the last may be shorter)."""

    begin: int
    length: int
    segment: int
    address: Address


class ReceiverSocket:
    """A member of the group. What is received stands in :attr:`buffer` until the next call.

    :param single_bytes: length of the session's data packets: where they come one by one, as many as are there are collected into one batch.
    """

    def __init__(self, network: Network, single_bytes: int) -> None:
        family = socket.AF_INET6 if network.is_ipv6 else socket.AF_INET
        index = interface_index(network.interface)
        self._single = single_bytes
        at_once = RECEIVE_BYTES // single_bytes
        # Room for a row of single packets and, behind them, for as many of the largest datagrams (memory that is used only when they come).
        self.buffer = bytearray((1 + at_once) * RECEIVE_BYTES)
        self._views = [memoryview(self.buffer)[:RECEIVE_BYTES]]
        self._at_once = at_once
        self._bulk: BulkReceiver | None = None
        self._waiting: deque[Received] = deque()
        self._singles = not network.gro
        #: Packets that the kernel dropped because this socket's buffer was full.
        self.overflow = 0
        #: Whether the kernel ever handed over more than one packet at a time.
        self.coalesced = False
        self._ancillary = socket.CMSG_SPACE(4) * 2
        self._socket = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        self._feedback = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.rcvbuf = _set_buffer(self._socket, _SO_RCVBUFFORCE, socket.SO_RCVBUF, _RCVBUF)
            self._try_option(socket.SOL_SOCKET, _SO_RXQ_OVFL, 1)
            if network.gro:
                self._try_option(_SOL_UDP, _UDP_GRO, 1)
            # Bound to the group, not to any address: nothing else comes in, and the kernel's lookup for coalescing succeeds.
            self._socket.bind((network.group, network.port, 0, index) if network.is_ipv6 else (network.group, network.port))
            if network.broadcast:
                self._stay_on(network.interface)
            else:
                self._try_option(*((socket.IPPROTO_IPV6, _IPV6_MULTICAST_ALL) if network.is_ipv6 else (socket.IPPROTO_IP, _IP_MULTICAST_ALL)), 0)
                self._join(network, index)
            self._bulk = self._open_bulk()
        except OSError as error:
            self.close()
            raise _socket_error(error, network, network.port) from error
        except EngineError:
            self.close()
            raise

    def _try_option(self, level: int, option: int, value: int) -> bool:
        try:
            self._socket.setsockopt(level, option, value)
        except OSError as error:
            if error.errno not in (errno.ENOPROTOOPT, errno.EINVAL, errno.EOPNOTSUPP):
                raise
            return False
        return True

    def _stay_on(self, interface: str | None) -> None:
        """Take packets from this interface only."""
        if interface is not None:
            # Before linux 5.7 it needs CAP_NET_RAW. Without it those of other interfaces are heard too, and judged like all.
            with contextlib.suppress(PermissionError):
                self._socket.setsockopt(socket.SOL_SOCKET, _SO_BINDTODEVICE, interface.encode() + b"\0")

    def _join(self, network: Network, index: int) -> None:
        level = socket.IPPROTO_IPV6 if network.is_ipv6 else socket.IPPROTO_IP
        # struct group_req and group_source_req (linux/in.h): the addresses are aligned as a long is.
        request = struct.pack("@I0L128s", index, _sockaddr(network.group, network.is_ipv6))
        option = _MCAST_JOIN_GROUP
        if network.source is not None:
            request += _sockaddr(network.source, network.is_ipv6).ljust(128, b"\0")
            option = _MCAST_JOIN_SOURCE_GROUP
        try:
            self._socket.setsockopt(level, option, request)
        except OSError as error:
            if error.errno == errno.ENOBUFS:
                raise MembershipLimit(
                    f"the kernel refuses to join {network.group}: a limit on memberships is reached (net.ipv4.igmp_max_memberships, net.ipv4.igmp_max_msf)"
                ) from error
            if error.errno in (errno.ENODEV, errno.EADDRNOTAVAIL):
                raise NoRoute(
                    f"cannot join {network.group}: no interface is named and no route leads there ({_route_command(network)})"
                    if network.interface is None
                    else f"cannot join {network.group} on {network.interface}: the interface is down or has no address"
                ) from error
            raise

    def fileno(self) -> int:
        return self._socket.fileno()

    def receive(self) -> Received | None:
        """The next batch into :attr:`buffer`; None when nothing is there."""
        if self._waiting:
            return self._waiting.popleft()
        if self._singles and self._bulk is not None:
            return self._receive_singles(self._bulk)
        try:
            length, ancillary, _flags, address = self._socket.recvmsg_into(self._views, self._ancillary)
        except BlockingIOError:
            return None
        except OSError as error:
            raise NetworkDown(f"cannot receive from the group: {error.strerror}") from error
        segment = self._note(ancillary) or length
        # One packet of data's length: more of them may follow, and those are better taken together.
        self._singles = length == self._single == segment
        return Received(0, length, segment, address)

    def _note(self, ancillary: Sequence[tuple[int, int, bytes]]) -> int | None:
        """What the kernel says beside a message; the length of its segments where it is coalesced."""
        segment = None
        for level, kind, value in ancillary:
            if level == _SOL_UDP and kind == _UDP_GRO:
                segment = int.from_bytes(value[:2] if len(value) == 2 else value[:4], sys.byteorder)
                self.coalesced = True
            elif level == socket.SOL_SOCKET and kind == _SO_RXQ_OVFL:
                self.overflow = int.from_bytes(value[:4], sys.byteorder)
        return segment

    def _open_bulk(self) -> BulkReceiver | None:
        try:
            from .bulk import BulkReceiver

            return BulkReceiver(self._socket, self.buffer, self._single, self._at_once, RECEIVE_BYTES, RECEIVE_BYTES)
        except (ImportError, AttributeError):
            # No ctypes, or no recvmmsg: packets that do not come coalesced are taken one by one.
            return None

    def _receive_singles(self, bulk: BulkReceiver) -> Received | None:
        """As many packets as are there, up to a row; packets of data's length that follow each other as one batch."""
        try:
            lengths = bulk.receive()
        except OSError as error:
            raise NetworkDown(f"cannot receive from the group: {error.strerror}") from error
        if not lengths:
            return None
        count, single = len(lengths), self._single
        if lengths.count(single) == count and bulk.from_one(count):
            self._note(bulk.ancillary(count - 1))
            return Received(0, count * single, single, bulk.address(0))
        for index, length in enumerate(lengths):
            address = bulk.address(index)
            segment = self._note(bulk.ancillary(index)) or length
            before = self._waiting[-1] if self._waiting else None
            if length > single:
                self._singles = False
                self._waiting.append(Received(bulk.straight(index), length, segment, address))
            elif length == single and before and before.address == address and before.begin + before.length == index * single:
                self._waiting[-1] = before._replace(length=before.length + single)
            else:
                self._waiting.append(Received(index * single, length, segment, address))
        return self._waiting.popleft()

    def answer(self, packet: bytes, address: Address) -> None:
        """Send feedback to the sender. A packet that the network refuses is lost like any other: the next poll asks again."""
        try:
            self._feedback.sendto(packet, address)
        except OSError as error:
            self.last_refusal = error.strerror

    #: Why the last feedback could not be sent; None while all could.
    last_refusal: str | None = None

    def wait(self, seconds: float) -> None:
        """Sleep until there is something to receive, ``seconds`` at most."""
        if select.select([self._socket], [], [], max(0.0, seconds))[0] and self._singles:
            # Packets come one by one: let some gather instead of waking up for each.
            time.sleep(min(_GATHER, self.rcvbuf / _PACKET_MEMORY / 4 * _PACKET_SECONDS))

    def close(self) -> None:
        self._socket.close()
        self._feedback.close()


def _sockaddr(address: str, is_ipv6: bool) -> bytes:
    if is_ipv6:
        return struct.pack("@HHI16sI", socket.AF_INET6, 0, 0, socket.inet_pton(socket.AF_INET6, address), 0)
    return struct.pack("@HH4s", socket.AF_INET, 0, socket.inet_pton(socket.AF_INET, address))


def _set_buffer(sock: socket.socket, force: int, plain: int, size: int) -> int:
    """Set a buffer's size, past the system's limit where we may; return what was granted, as the kernel counts."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, force, size)
    except OSError:
        # Only CAP_NET_ADMIN may: without it the system's limit stands, and the report says how much that is.
        sock.setsockopt(socket.SOL_SOCKET, plain, size)
    return sock.getsockopt(socket.SOL_SOCKET, plain)


def _route_command(network: Network) -> str:
    if network.broadcast:
        return "ip route add default dev NAME"
    return "ip -6 route add ff00::/8 dev NAME table local" if network.is_ipv6 else "ip route add 224.0.0.0/4 dev NAME"


def _socket_error(error: OSError, network: Network, port: int) -> EngineError:
    if error.errno == errno.EADDRINUSE:
        return PortInUse(f"UDP port {port} is in use by another program: choose another port")
    if error.errno == errno.EADDRNOTAVAIL and network.broadcast and port == network.port:
        return NoInterface(f"{network.group} is not the broadcast address of a network that this machine is in")
    if error.errno == errno.EADDRNOTAVAIL and network.source is not None:
        return NoInterface(f"the source address {network.source} is not one of this machine's")
    if error.errno in _UNREACHABLE:
        return NoRoute(f"no route to the group {network.group}: add one ({_route_command(network)}) or name the interface")
    if error.errno in (errno.ENODEV, errno.ENXIO):
        return NoInterface(f"the interface {network.interface} is gone")
    if error.errno in (errno.EPERM, errno.EACCES):
        return NetworkDown(f"sending to {network.group} port {port} is refused on this machine: {error.strerror} (firewall?)")
    return NetworkDown(f"the network refuses {network.group} port {port}: {error.strerror}")
