# Copyright (c) 2026 The fleetcast authors
# SPDX-License-Identifier: BSD-2-Clause
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
"""The receiving end of a session: one host that fills its spool.

The way of a packet is short where it matters: a batch of a row's symbols is recognised by comparing all its headers with the expected
ones at once, written with one system call from the receive buffer, and marked. Everything unusual takes the slow way, packet by packet.
"""

from __future__ import annotations

import struct
import time
from typing import Callable, NamedTuple

from .._artifact.errors import SpoolError
from .._artifact.spool import Spool
from . import auth, session, wire
from .assembly import Assembly
from .errors import BadSession
from .session import Limits, Network, Progress, ProgressCallback, ReceiveReport
from .sockets import RECEIVE_BYTES, Address, Received, ReceiverSocket, ReceiverTransport

#: Seconds that a receiver with nothing more to do stays to answer a poll, in case its last word was lost.
_LINGER = 3.0
_HEAD = wire.HEADER_BYTES
#: Failures of one section's digest, with none but authentic packets, after which the source itself must be wrong.
_DIGEST_FAILURES = 2
#: READY's limit on the receive buffer's figure (32 bits).
_MAX_UINT32 = 0xFFFFFFFF


class _Cuts(NamedTuple):
    """Views of the receive buffer for a batch of data packets that begins at one place."""

    packets: list[memoryview]
    heads: list[memoryview]
    payloads: list[memoryview]


class Receiver:
    """Receives one artifact's stream into ``spool``.

    :param keys: what the controller derived for this receiver (:meth:`auth.SessionKeys.for_receiver`).
    :param index: this receiver's number in the session's list, of ``receivers`` in all.
    :param progress: called a few times per second at most.
    :param open_socket: makes the way to the network, given it and the length of a data packet; a simulation has its own, with a ``clock`` of its own.
    """

    def __init__(
        self,
        network: Network,
        keys: auth.ReceiverKeys,
        index: int,
        receivers: int,
        spool: Spool,
        limits: Limits | None = None,
        progress: ProgressCallback | None = None,
        clock: Callable[[], float] = time.monotonic,
        open_socket: Callable[[Network, int], ReceiverTransport] = ReceiverSocket,
    ) -> None:
        if not 0 <= index < receivers <= wire.MAX_RECEIVERS:
            raise BadSession(f"receiver {index} of {receivers}: numbers begin at 0, and there can be {wire.MAX_RECEIVERS} receivers")
        self._network = network
        self._keys = keys
        self._data_key = keys.data
        self._index = index
        self._receivers = receivers
        self._limits = limits or Limits()
        self._progress = progress
        self._clock = clock
        self._open_socket = open_socket
        self._assembly = Assembly(spool, self._digest_failed)
        self._layout = spool.layout
        self._identity = spool.identity[:8]
        self._sender: Address | None = None
        self._control_sequence = 0
        self._feedback_sequence = 0
        self._last_heard = 0.0
        self._received = self._rejected = 0
        self._poll: wire.Poll | None = None
        self._received_at_poll = 0
        self._ready_at = self._status_at = self._leave_at = float("inf")
        self._secure_only = False
        self._secure_failures: dict[int, int] = {}
        self._stop = self._give_way = False
        self._end: str | None = None
        self._failure = ""
        self._detail = ""
        self._data_lengths = [_HEAD + self._layout.symbol_size, _HEAD + auth.DATA_MAC_BYTES + self._layout.symbol_size]
        self._columns = bytes(range(self._layout.row_symbols))

    def stop(self) -> None:
        """Ask :meth:`run` to end soon; what is held stays in the spool. May be called from a signal handler or another thread."""
        self._stop = True

    def give_way(self) -> None:
        """Ask :meth:`run` to end soon unless a sender has begun: another process wants the spool. May be called from a signal handler."""
        self._give_way = True

    def run(self, joined: Callable[[], None] | None = None) -> ReceiveReport:
        """Take part until complete, released, failed, or out of time.

        :param joined: called when this receiver hears the group, before it waits for the sender.
        :raises EngineError: the group cannot be joined. Whatever happens later is told in the report.
        """
        self.begin()
        try:
            if joined:
                joined()
            while not self.over:
                if not self.step():
                    self._socket.wait(self.due - self._clock())
        finally:
            self._socket.close()
        if self._progress:
            self._progress(self._progress_now(self._clock() - self._started))
        return self.result()

    # -- what run() is made of, for those who drive many receivers in one process

    def begin(self) -> None:
        """Join the group. :raises EngineError: it cannot be joined."""
        self._started = self._last_heard = self._next_progress = self._clock()
        self._deadline = self._started + self._limits.session
        self._socket = self._open_socket(self._network, _HEAD + self._layout.symbol_size)
        self._cuts: dict[tuple[int, int], _Cuts] = {}

    @property
    def over(self) -> bool:
        return self._end is not None

    @property
    def due(self) -> float:
        """When :meth:`step` has something to do although nothing arrives."""
        return min(self._status_at, self._ready_at, self._leave_at, self._deadline, self._clock() + session.PROGRESS_INTERVAL)

    def step(self) -> bool:
        """Take one batch and do what is due; False when there was no batch and it is not over."""
        now = self._clock()
        batch = self._socket.receive()
        if batch is not None:
            self._guarded(self._take, batch, now)
            if self._leave_at == float("inf") and self._sender is not None and self._assembly.complete:
                self._when_complete(now)
        if now >= self._status_at or now >= self._ready_at:
            self._guarded(self._answer, now)
        self._check_limits(now, self._deadline)
        if self._progress and now >= self._next_progress:
            self._next_progress = now + session.PROGRESS_INTERVAL
            self._progress(self._progress_now(now - self._started))
        return batch is not None or self.over

    def result(self) -> ReceiveReport:
        return self._report(self._clock() - self._started)

    def _cut(self, begin: int, segment: int) -> _Cuts:
        """Views that are kept: a socket puts batches in few places."""
        cuts = self._cuts.get((begin, segment))
        if cuts is None:
            view = memoryview(self._socket.buffer)[begin : begin + RECEIVE_BYTES]
            packets = [view[at : at + segment] for at in range(0, RECEIVE_BYTES - segment + 1, segment)]
            payload = segment - self._layout.symbol_size
            cuts = self._cuts[begin, segment] = _Cuts(packets, [packet[:_HEAD] for packet in packets], [packet[payload:] for packet in packets])
        return cuts

    # -- time

    def _check_limits(self, now: float, deadline: float) -> None:
        if self._stop:
            self._leave(session.CANCELED, "the receiver was asked to stop", now)
            self._end = session.CANCELED
        elif self._give_way and self._sender is None:
            self._over(session.CANCELED, "another receiver of the same artifact took the place of this one, for which no sender had come")
        elif now >= deadline:
            self._over(session.DEADLINE, f"the session's {self._limits.session:g} s are over")
        elif now >= self._leave_at:
            self._over(session.COMPLETED, "")
        elif self._sender is None and now - self._last_heard >= self._limits.wait:
            where = f"{self._network.group} port {self._network.port}"
            self._over(session.SILENCE, f"no packet of the session came on {where} within {self._limits.wait:g} s")
        elif self._sender is not None and now - self._last_heard >= self._limits.host:
            self._over(session.SILENCE, f"the sender has been silent for {self._limits.host:g} s")

    def _over(self, reason: str, detail: str) -> None:
        if self._end is None:
            self._end = session.COMPLETED if self._assembly.complete else self._failure or reason
            self._detail = self._detail or detail

    # -- packets

    def _guarded(self, action: Callable[..., None], *arguments: object) -> None:
        """A disk that fails ends this receiver's part, in good order."""
        try:
            action(*arguments)
        except SpoolError as error:
            self._leave(session.DISK, str(error), self._clock())

    def _take(self, batch: Received, now: float) -> None:
        begin, length, segment, address = batch
        if length > segment and segment in self._data_lengths and not self._failure:
            length -= length % segment
            self._take_batch(self._cut(begin, segment), length // segment, address, now)
            begin, length = begin + length, batch.length - length
        view = memoryview(self._socket.buffer)[begin : begin + length]
        for at in range(0, length, max(1, segment)):
            self._take_packet(view[at : at + segment], address, now)

    def _take_batch(self, cuts: _Cuts, count: int, address: Address, now: float) -> None:
        """Packets of the same length: find runs of symbols of one row that are contiguous, and take each run at once."""
        with_mac = wire.WITH_MAC * (len(cuts.packets[0]) > _HEAD + self._layout.symbol_size)
        heads = b"".join(cuts.heads[:count])
        at = 0
        while at < count:
            run = self._run_length(heads, at, count)
            if not run or address != self._sender:
                self._take_packet(cuts.packets[at], address, now)
                at += 1
                continue
            _session, section, kind, row, column, _zero = _unpack_head(heads, at * _HEAD)
            self._received += run
            if kind & wire.WITH_MAC != with_mac:
                self._rejected += run
            elif not self._assembly.wants(section):
                self._assembly.duplicates += run
            elif self._secure_only and not self._authentic_run(cuts, at, run):
                for index in range(at, at + run):
                    self._received -= 1
                    self._take_packet(cuts.packets[index], address, now)
            else:
                payloads = cuts.payloads[at : at + run]
                if not self._assembly.add_data(section, row, column, payloads, run * self._layout.symbol_size):
                    self._rejected += run
            at += run

    def _run_length(self, heads: bytes, at: int, count: int) -> int:
        """How many packets from ``at`` on are data of one row in ascending columns; 0 when that one is no data packet of ours."""
        head = heads[at * _HEAD : (at + 1) * _HEAD]
        fields: tuple[bytes, int, int, int, int, int] = _unpack_head(head, 0)
        session_id, _section, kind, _row, column, zero = fields
        if session_id != self._keys.session_id or kind & ~wire.WITH_MAC != wire.DATA or zero:
            return 0
        most = min(count - at, self._layout.row_symbols - column)
        if most < 2:
            return max(0, most)
        expected = bytearray(head * most)
        expected[wire.COLUMN_AT :: _HEAD] = self._columns[column : column + most]
        actual = heads[at * _HEAD : (at + most) * _HEAD]
        if actual == expected:
            return most
        different = int.from_bytes(actual, "little") ^ int.from_bytes(expected, "little")
        return ((different & -different).bit_length() - 1) // 8 // _HEAD

    def _authentic_run(self, cuts: _Cuts, at: int, run: int) -> bool:
        if len(cuts.packets[at]) == _HEAD + self._layout.symbol_size:
            return False
        return all(
            auth.same(
                bytes(cuts.packets[index][_HEAD : _HEAD + auth.DATA_MAC_BYTES]),
                auth.data_mac(self._data_key, bytes(cuts.heads[index]), cuts.payloads[index]),
            )
            for index in range(at, at + run)
        )

    def _take_packet(self, packet: memoryview, address: Address, now: float) -> None:
        header = wire.parse_data_header(packet)
        if header is None:
            self._take_control(bytes(packet), address, now)
            return
        session_id, section, kind, row, column = header
        if session_id != self._keys.session_id or address != self._sender:
            self._rejected += 1
            return
        self._received += 1
        if self._failure:
            return
        payload = packet[_HEAD:]
        if kind & wire.WITH_MAC:
            payload = packet[_HEAD + auth.DATA_MAC_BYTES :]
        if not self._assembly.wants(section):
            self._assembly.duplicates += 1
            return
        if self._secure_only:
            tag = bytes(packet[_HEAD : _HEAD + auth.DATA_MAC_BYTES])
            if not kind & wire.WITH_MAC or not auth.same(tag, auth.data_mac(self._data_key, bytes(packet[:_HEAD]), payload)):
                self._rejected += 1
                return
        if kind & ~wire.WITH_MAC == wire.DATA:
            taken = self._assembly.add_data(section, row, column, [payload], len(payload))
        else:
            taken = self._assembly.add_parity(section, row, column, payload)
        if not taken:
            self._rejected += 1

    def _digest_failed(self, section: int) -> None:
        """All symbols of a section were there, and not all were the sender's: from now on only packets with a MAC count."""
        if self._secure_only:
            # The first time the section may still have held symbols from before.
            failures = self._secure_failures[section] = self._secure_failures.get(section, 0) + 1
            if failures >= _DIGEST_FAILURES:
                what = f"section {section} does not match its digest although every packet of it was authentic"
                self._leave(session.DIGEST, f"{what}: the source is not what the manifest describes", self._clock())
        self._secure_only = True

    # -- control

    def _take_control(self, packet: bytes, address: Address, now: float) -> None:
        parsed = wire.parse_control(packet, self._keys.session_id, self._keys.group)
        if parsed is None or parsed[0] <= self._control_sequence:
            self._rejected += 1
            return
        # A higher number than ever: only the sender can have made it, so this is where it is.
        self._control_sequence, message = parsed
        self._sender = address
        self._last_heard = now
        if isinstance(message, wire.Finish):
            self._over(session.SENDER_ENDED, f"the sender ended the session: {message.reason}")
        elif isinstance(message, wire.Announce):
            if message.identity != self._identity:
                self._leave(session.MISMATCH, "the sender announces another artifact, or another layout of it", now)
            elif not wire.has_bit(message.heard, self._index):
                self._ready_at = min(self._ready_at, now + wire.rank(message.heard, self._index) * message.slot_us / 1e6)
        else:
            if wire.has_bit(message.released, self._index) and self._leave_at != float("inf"):
                self._over(session.COMPLETED, "")
            if self._poll is not None and message.number <= self._poll.number:
                # Sent once more, for those who lost the first.
                return
            self._poll = message
            self._received_at_poll = self._received
            if message.asks(self._index):
                self._status_at = min(self._status_at, now + message.slot(self._index, self._receivers) * message.slot_us / 1e6)

    def _when_complete(self, now: float) -> None:
        """Say so without being asked, in the slot of a poll that asks everybody, and stay a little in case that is lost."""
        slot = self._poll.slot(self._index, self._receivers) if self._poll else self._index
        self._status_at = min(self._status_at, now + slot * (self._poll.slot_us if self._poll else session.SLOT_US) / 1e6)
        self._leave_at = now + _LINGER

    def _leave(self, reason: str, detail: str, now: float) -> None:
        """This receiver can go on no more: tell the sender, so that nobody waits for it."""
        if self._failure:
            return
        self._failure = reason
        self._detail = detail
        self._leave_at = min(self._leave_at, now + _LINGER)
        self._send_failure()

    def _send_failure(self) -> None:
        self._send(wire.Failure(self._failure, self._assembly.missing_bytes, self._detail))

    # -- feedback

    def _answer(self, now: float) -> None:
        if self._failure:
            self._send_failure()
        else:
            if now >= self._ready_at:
                self._send_ready()
            if now >= self._status_at:
                self._send_status()
        if now >= self._ready_at:
            self._ready_at = float("inf")
        if now >= self._status_at:
            self._status_at = float("inf")

    def _send_ready(self) -> None:
        levels = self._assembly.held_levels()
        rcvbuf = min(self._socket.rcvbuf, _MAX_UINT32)
        if not any(levels):
            self._send(wire.Ready(rcvbuf, 0, 1, b""))
            return
        pages = -(-len(levels) // wire.HELD_PER_PAGE)
        for page in range(pages):
            part = levels[page * wire.HELD_PER_PAGE : (page + 1) * wire.HELD_PER_PAGE]
            self._send(wire.Ready(rcvbuf, page, pages, wire.pack_held(part)))

    def _send_status(self) -> None:
        number, high = (self._poll.number, self._poll.high) if self._poll else (0, 0)
        covered, whole, needs = self._assembly.report(high, wire.MAX_BODY)
        self._send(
            wire.Status(
                poll=number,
                received=self._received_at_poll,
                overflow=self._socket.overflow,
                missing_bytes=self._assembly.missing_bytes,
                complete=self._assembly.complete,
                polluted=self._secure_only,
                covered=covered,
                whole=whole,
                needs=needs,
            )
        )

    def _send(self, message: wire.Feedback) -> None:
        if self._sender is None:
            return
        self._feedback_sequence += 1
        self._socket.answer(wire.pack_feedback(self._keys.session_id, self._keys.feedback, self._index, self._feedback_sequence, message), self._sender)

    # -- reports

    def _progress_now(self, seconds: float) -> Progress:
        done = self._layout.size - self._assembly.missing_bytes
        phase = "wait" if self._sender is None else "receive"
        return Progress(phase, done, self._layout.size, done * 8 / seconds if seconds > 0 else 0.0, int(self._assembly.complete), 1)

    def _report(self, seconds: float) -> ReceiveReport:
        assembly = self._assembly
        return ReceiveReport(
            completed=assembly.complete,
            reason=session.COMPLETED if assembly.complete else str(self._end),
            missing_bytes=assembly.missing_bytes,
            seconds=seconds,
            detail="" if assembly.complete else self._detail,
            received_packets=self._received,
            duplicate_packets=assembly.duplicates,
            rejected_packets=self._rejected,
            overflow_packets=self._socket.overflow,
            polluted_sections=assembly.failures,
            decoded_symbols=assembly.decoded_symbols,
            rcvbuf=self._socket.rcvbuf,
            coalesced=self._socket.coalesced,
        )


_unpack_head = struct.Struct("!8sIBBBB").unpack_from
