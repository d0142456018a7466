# Copyright (c) 2026 The fleetcast authors
# SPDX-License-Identifier: BSD-2-Clause
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
"""Packets that show, before anything is sent, what the network carries from the sender to a host and back.

The sender repeats packets of several lengths, one by one and as a batch, by every way that may serve (multicast, broadcast), through the sockets of a
session. A listener counts what comes, and answers. Every packet tells which listeners have been heard, so each learns of its own way back.
"""

from __future__ import annotations

import struct
import time
from dataclasses import dataclass, field
from typing import Callable, Iterable, NamedTuple

from . import auth, wire
from .errors import BadSession, EngineError, MtuTooSmall
from .session import Network
from .sockets import Batch, ReceiverSocket, SenderSocket
from .tap import LeavingGroup, Tap

#: magic, kind, way, flags, listener's number, port for answers; then a MAC, then a bitmap of the listeners heard, then zeros.
_HEAD = struct.Struct("!8sBBBxHH")
_MAGIC = b"fc-probe"
_PROBE, _ANSWER = 1, 2
#: Flags: the sender's system cuts batches; this packet was in one, and says nothing of the path's MTU (virtual networks pass batches on uncut).
_SEGMENTS, _IN_BATCH = 1, 2
#: The ways in the order of their numbers in packets.
WAYS = ("multicast", "broadcast")
#: Payloads of UDP in bytes, beside that of a session: with IPv4 headers packets of 576 (RFC 791), 1052, 1260, 1380, 1500 and 9000 (jumbo frames).
_LADDER = (548, 1024, 1232, 1352, 1472, 8972)
#: Most listeners: their bitmap fits the shortest packet.
MAX_LISTENERS = 8 * (_LADDER[0] - _HEAD.size - auth.MAC_BYTES)
#: Seconds between two rounds of the sender, and between two answers of a listener.
_INTERVAL = 0.2
_BATCH_PACKETS = 10


def session_payload(symbol_size: int) -> int:
    """Payload of UDP, in bytes, of a session's longest packets."""
    return wire.HEADER_BYTES + auth.DATA_MAC_BYTES + symbol_size


def _seal(key: bytes, head: bytes, body: bytes) -> bytes:
    return head + auth.mac(key, head + body) + body


class _Message(NamedTuple):
    kind: int
    way: int
    flags: int
    number: int
    port: int
    body: bytes


def _open(key: bytes, packet: bytes) -> _Message | None:
    """What a packet says; None when it is none of this probe."""
    if len(packet) < _HEAD.size + auth.MAC_BYTES:
        return None
    head, mac, body = packet[: _HEAD.size], packet[_HEAD.size : _HEAD.size + auth.MAC_BYTES], packet[_HEAD.size + auth.MAC_BYTES :]
    magic, kind, way, flags, number, port = _HEAD.unpack(head)
    if magic != _MAGIC or way >= len(WAYS) or not auth.same(mac, auth.mac(key, head + body)):
        return None
    return _Message(kind, way, flags, number, port, body)


@dataclass
class SentReport:
    """``heard``: numbers of the listeners that answered. ``errors``: by way, why it cannot be used here. ``payload``: longest that could be sent, by way."""

    heard: list[int] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)
    payload: dict[str, int] = field(default_factory=dict)
    segmentation_offload: bool = False


class _ProbeSocket(SenderSocket):
    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])


class ProbeSender:
    """Sends to ``listeners`` listeners by every one of ``ways`` (name -> network)."""

    def __init__(self, key: bytes, ways: dict[str, Network], listeners: int, symbol_size: int) -> None:
        if listeners > MAX_LISTENERS:
            raise BadSession(f"a probe has {MAX_LISTENERS} hosts at most, not {listeners}: probe some of them")
        self._key, self._ways, self._listeners = key, ways, listeners
        self._session = session_payload(symbol_size)
        self._sizes = {way: sorted({*_LADDER, self._session}) for way in ways}
        self._stop = False
        self.report = SentReport()

    def stop(self) -> None:
        """Ask :meth:`run` to end soon. May be called from a signal handler."""
        self._stop = True

    def run(self, wanted: Callable[[], bool], seconds: float) -> SentReport:
        """Go on while ``wanted`` says so, for ``seconds`` at most. What a way refuses is told in the report."""
        sockets: dict[str, _ProbeSocket] = {}
        heard: set[int] = set()
        try:
            for way, network in self._ways.items():
                try:
                    # Answers come to the first socket, whose port the firewall may know.
                    sockets[way] = _ProbeSocket(network if not sockets else _any_port(network))
                except EngineError as error:
                    self.report.errors[way] = str(error)
            until = time.monotonic() + seconds
            while sockets and not self._stop and time.monotonic() < until and wanted():
                first = next(iter(sockets.values()))
                for way, socket in sockets.items():
                    if way not in self.report.errors:
                        self._send(way, socket, first.port, heard)
                self._listen(first, heard)
        finally:
            for socket in sockets.values():
                self.report.segmentation_offload |= socket.segmentation
                socket.close()
        self.report.heard = sorted(heard)
        return self.report

    def _send(self, way: str, socket: _ProbeSocket, port: int, heard: set[int]) -> None:
        bitmap = wire.to_bitmap(sorted(heard), self._listeners)
        try:
            for size in list(self._sizes[way]):
                try:
                    socket.send_packet(self._packet(way, socket, port, bitmap, size))
                    self.report.payload[way] = max(size, self.report.payload.get(way, 0))
                except MtuTooSmall:
                    self._sizes[way].remove(size)
            if self._session in self._sizes[way]:
                packet = self._packet(way, socket, port, bitmap, self._session, _IN_BATCH)
                socket.send(Batch([packet[:20], packet[20:]] * _BATCH_PACKETS, len(packet), _BATCH_PACKETS, _BATCH_PACKETS * len(packet)))
        except EngineError as error:
            self.report.errors[way] = str(error)

    def _packet(self, way: str, socket: _ProbeSocket, port: int, bitmap: bytes, size: int, flags: int = 0) -> bytes:
        head = _HEAD.pack(_MAGIC, _PROBE, WAYS.index(way), flags | (_SEGMENTS if socket.segmentation else 0), 0, port)
        return _seal(self._key, head, bitmap.ljust(size - _HEAD.size - auth.MAC_BYTES, b"\0"))

    def _listen(self, socket: _ProbeSocket, heard: set[int]) -> None:
        until = time.monotonic() + _INTERVAL
        while time.monotonic() < until:
            socket.wait(until - time.monotonic())
            packet = socket.receive()
            message = _open(self._key, packet) if packet is not None else None
            if message is not None and message.kind == _ANSWER and message.number < self._listeners:
                heard.add(message.number)


def _any_port(network: Network) -> Network:
    return Network(**{**network.__dict__, "feedback_port": 0})


@dataclass
class Observation:
    """What one listener saw. Payloads are bytes of UDP, IP header and all not counted; ``errors``: by way, why it cannot be listened to here."""

    errors: dict[str, str] = field(default_factory=dict)
    payloads: dict[str, list[int]] = field(default_factory=dict)
    coalesced: bool = False
    segments: bool = False
    rcvbuf: int = 0
    answer_heard: bool = False
    tapped: dict[str, int] | None = None
    queriers: list[str] | None = None


def listen(key: bytes, number: int, ways: dict[str, Network], tap: Tap | None, seconds: float, symbol_size: int) -> Observation:
    """Take what comes within ``seconds``, and answer."""
    seen = Observation()
    sockets: dict[str, ReceiverSocket] = {}
    payloads: dict[str, set[int]] = {way: set() for way in ways}
    try:
        for way, network in ways.items():
            try:
                sockets[way] = ReceiverSocket(network, session_payload(symbol_size))
                seen.rcvbuf = max(seen.rcvbuf, sockets[way].rcvbuf)
            except EngineError as error:
                seen.errors[way] = str(error)
        leaving = LeavingGroup(next(iter(ways.values()))) if tap is not None else None
        began = time.monotonic()
        until = began + seconds
        next_answer = 0.0
        while time.monotonic() < until:
            for way, socket in sockets.items():
                for packet, address in _packets(socket):
                    message = _open(key, packet)
                    if message is None or message.kind != _PROBE or WAYS[message.way] != way:
                        continue
                    if not message.flags & _IN_BATCH:
                        payloads[way].add(len(packet))
                    seen.segments |= bool(message.flags & _SEGMENTS)
                    seen.answer_heard |= wire.has_bit(message.body, number)
                    if time.monotonic() >= next_answer:
                        next_answer = time.monotonic() + _INTERVAL
                        head = _HEAD.pack(_MAGIC, _ANSWER, message.way, 0, number, 0)
                        socket.answer(_seal(key, head, b""), (address[0], message.port, *address[2:]))
            if tap is not None:
                tap.take()
            if leaving is not None and time.monotonic() > began + seconds / 3:
                leaving.leave()
            time.sleep(0.01)
        seen.coalesced = any(socket.coalesced for socket in sockets.values())
    finally:
        for socket in sockets.values():
            socket.close()
    seen.payloads = {way: sorted(found) for way, found in payloads.items()}
    if tap is not None:
        seen.tapped, seen.queriers = dict(tap.packets), sorted(tap.queriers)
    return seen


def _packets(socket: ReceiverSocket) -> Iterable[tuple[bytes, tuple[object, ...]]]:
    """All that is there."""
    while True:
        batch = socket.receive()
        if batch is None:
            return
        view = memoryview(socket.buffer)[batch.begin : batch.begin + batch.length]
        for at in range(0, batch.length, max(1, batch.segment)):
            yield bytes(view[at : at + batch.segment]), batch.address
