# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A receiver and a sender that are told arbitrary things by somebody who knows the keys: the strongest attacker there is, a member of the group.

Everything runs on a transport without a network and a clock that the input moves, so that one input is a whole session in a millisecond.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from ansible_collections.fleetcast.core.plugins.module_utils._artifact.layout import Layout, stream_identity
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.spool import Spool
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.stream import StreamReader
from ansible_collections.fleetcast.core.plugins.module_utils._multicast import auth, session, wire
from ansible_collections.fleetcast.core.plugins.module_utils._multicast.errors import EngineError
from ansible_collections.fleetcast.core.plugins.module_utils._multicast.receiver import Receiver
from ansible_collections.fleetcast.core.plugins.module_utils._multicast.sender import Sender
from ansible_collections.fleetcast.core.plugins.module_utils._multicast.sockets import RECEIVE_BYTES, Address, Batch, Received

NETWORK = session.Network(group="239.255.42.1", port=42000)
#: Three sections, the last one short, of small blocks: everything that can happen happens soon.
LAYOUT = Layout(16 * 6 * 20 * 2 + 333, symbol_size=20, row_symbols=6, section_rows=16)
DATA = random.Random(7).randbytes(LAYOUT.size)
DIGESTS = [
    hashlib.sha256(DATA[LAYOUT.section_offset(section) :][: LAYOUT.section_length(section)]).digest() for section in range(LAYOUT.sections)
]
KEYS = auth.SessionKeys(bytes(range(32)))
RECEIVERS = 3
SENDER: Address = ("10.0.0.1", 40000)
STRANGER: Address = ("10.0.0.66", 40000)


class Input:
    """The fuzzer's bytes, taken piece by piece; nothing but zeros behind their end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def take(self, count: int) -> bytes:
        piece = self._data[self._at : self._at + count]
        self._at += count
        return piece.ljust(count, b"\0")

    def number(self, size: int = 1) -> int:
        return int.from_bytes(self.take(size), "big")

    def some(self, most: int) -> bytes:
        """Up to so many bytes, as many as the input says."""
        return self.take(min(most, self.number(2)))


class ReceiverPort:
    """A receiver's transport: what it is given next, and what it answers."""

    def __init__(self) -> None:
        self.buffer = bytearray(2 * RECEIVE_BYTES)
        self.overflow = 0
        self.coalesced = False
        self.rcvbuf = 1 << 20
        self.pending: Received | None = None
        self.answers = 0
        self.sequence = 0

    def next_sequence(self, given: Input) -> int:
        """Mostly a newer one, at times the last again."""
        self.sequence += given.number() & 3
        return self.sequence

    def give(self, packets: bytes, segment: int, address: Address) -> None:
        self.buffer[: len(packets)] = packets
        self.pending = Received(0, len(packets), segment, address)

    def opened(self, _network: session.Network, _packet_bytes: int) -> ReceiverPort:
        return self

    def receive(self) -> Received | None:
        pending, self.pending = self.pending, None
        return pending

    def answer(self, packet: bytes, address: Address) -> None:
        assert len(packet) <= 1500
        self.answers += 1

    def wait(self, seconds: float) -> None:
        raise AssertionError("driven, not waiting")

    def close(self) -> None:
        pass


def receiver(data: bytes) -> None:
    """Packets from a member of the group. No exception, never a wrong section, no more answers than packets, bounded memory, an end."""
    given = Input(data)
    now = [0.0]
    port = ReceiverPort()
    limits = session.Limits(wait=30, ready=30, session=60, host=10)
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder) / "part"
        with Spool(str(part), str(Path(folder) / "map"), LAYOUT, DIGESTS) as spool:
            tested = Receiver(
                NETWORK, KEYS.for_receiver(1), 1, RECEIVERS, spool, limits, clock=lambda: now[0], open_socket=port.opened
            )
            tested.begin()
            steps = 0
            while given and not tested.over:
                _packets_for(given, port, now)
                tested.step()
                steps += 1
                # READY has a page per 4096 sections, so one here; and a failure or a completion is told unasked once.
                assert port.answers <= steps + 2
            _judge(tested, spool, part)
            for _wait in range(400):
                if tested.over:
                    break
                now[0] = max(now[0], min(tested.due, now[0] + 1.0))
                tested.step()
            assert tested.over, "it does not end when nobody says anything any more"
            _judge(tested, spool, part)


def _judge(tested: Receiver, spool: Spool, part: Path) -> None:
    held = part.read_bytes()
    for section, flag in enumerate(spool.verified):
        begin = LAYOUT.section_offset(section)
        right = held[begin : begin + LAYOUT.section_length(section)] == DATA[begin : begin + LAYOUT.section_length(section)]
        assert not flag or right, f"section {section} counts, and is wrong"
    result = tested.result()
    assert result.completed == spool.complete
    assert not result.completed or held == DATA
    assert 0 <= result.missing_bytes <= LAYOUT.size
    assert sum(state.parity_bytes for state in tested._assembly._sections.values()) <= LAYOUT.size


def _packets_for(given: Input, port: ReceiverPort, now: list[float]) -> None:
    """One thing to happen: a batch or a packet arrives, or time passes."""
    kind = given.number()
    address = STRANGER if kind & 0x80 else SENDER
    choice = kind & 7
    if choice == 0:
        now[0] += given.number(2) / 1000
    elif choice == 1:
        noise = given.some(1500)
        port.give(noise or b"\0", max(1, given.number(2) % 1500), address)
    elif choice == 2:
        packet = _sealed(given, KEYS.group, given.some(1400))
        port.give(packet, len(packet), address)
    elif choice == 3:
        packet = wire.pack_control(KEYS.session_id, KEYS.group, port.next_sequence(given), _control(given))
        port.give(packet, len(packet), address)
    else:
        packets = _symbols(given, choice)
        stride = len(packets[0])
        port.give(b"".join(packets), stride, address)


def _sealed(given: Input, key: bytes, body: bytes) -> bytes:
    """A header as the input wants it, any body, and a MAC that holds."""
    packet = KEYS.session_id + given.take(8) + body
    return packet + auth.mac(key, packet)


def _control(given: Input) -> wire.Control:
    choice = given.number() % 4
    if choice == 0:
        return wire.Announce(stream_identity(LAYOUT, DIGESTS)[:8], LAYOUT.size, 20, 6, 16, RECEIVERS, given.number(2), given.take(1))
    if choice == 1:
        return wire.Finish("over")
    flags = given.number()
    return wire.Poll(given.number(), given.number(), given.number(2), bool(flags & 1), bool(flags & 2), given.number() or 1, given.take(1))


def _symbols(given: Input, choice: int) -> list[bytes]:
    """Data or parity packets side by side: of one row as a rule, right ones or not."""
    section, row, column, count = given.number() % 4, given.number(), given.number() % 8, 1 + given.number() % 44
    flags = given.number()
    kind = (wire.PARITY if choice == 7 else wire.DATA) | wire.WITH_MAC * (flags & 1)
    packets = []
    for index in range(count):
        if flags & 2:
            payload = given.take(20)
        else:
            offset = LAYOUT.section_offset(section) + (row % 16 * 6 + column + index) * 20
            payload = DATA[offset : offset + 20] or b"\0" * (20 if flags & 4 else 3)
        header = wire.data_header(KEYS.session_id, section, kind, row % 16 if flags & 8 else row, (column + index) & 255)
        mac = b""
        if flags & 1:
            mac = auth.data_mac(KEYS.data, header, payload) if flags & 16 else given.take(8)
        packets.append(header + mac + payload)
    stride = len(packets[0])
    # As the kernel hands them over: all of one length, the last may be shorter.
    return [packet for packet in packets[:-1] if len(packet) == stride] + [packets[-1][:stride]]


class SenderPort:
    """A sender's transport: answers as the input has them, and a limit on what a session may take."""

    def __init__(self, given: Input, now: list[float]) -> None:
        self.segmentation = True
        self.queue_full = 0
        self.calls = 0
        self.sequence = 0
        self._given = given
        self._now = now

    def _count(self) -> None:
        self.calls += 1
        assert self.calls < 200_000, "the session does not end"

    def send(self, batch: Batch, first: int = 0) -> int:
        self._count()
        assert batch.packets <= LAYOUT.row_symbols
        self._now[0] += 1e-5
        return batch.packets - first

    def send_packet(self, packet: bytes) -> bool:
        self._count()
        assert len(packet) <= 1500
        self._now[0] += 1e-5
        return True

    def receive(self) -> bytes | None:
        self._count()
        self._now[0] += 1e-6
        self.sequence += 1
        return _answer(self._given, self.sequence) if self._given else None

    def wait(self, seconds: float) -> None:
        self._count()
        self._now[0] += max(seconds, 1e-5)

    def transmitted(self) -> None:
        pass

    def backlog(self) -> int:
        return 0

    def close(self) -> None:
        pass


def sender(data: bytes) -> None:
    """Answers from members of the group. No exception but those that :meth:`Sender.run` promises, an end, and a verdict for everybody."""
    given = Input(data)
    now = [0.0]
    port = SenderPort(given, now)
    names = [f"host{index}" for index in range(RECEIVERS)]
    limits = session.Limits(wait=1, ready=0.3, session=1.0, host=0.3)
    # Made anew every time: a fuzzer's process ends without tidying up.
    with tempfile.NamedTemporaryFile(prefix="fleetcast-fuzz-") as source, StreamReader([(_filled(source), LAYOUT.size)]) as stream:
        tested = Sender(NETWORK, KEYS, names, LAYOUT, DIGESTS, stream, 50e6, limits, clock=lambda: now[0], open_socket=lambda _network: port)
        with contextlib.suppress(EngineError):
            tested.run()
    assert set(tested.report.verdicts) == set(names)
    assert all(0 <= verdict.missing_bytes < 1 << 64 for verdict in tested.report.verdicts.values())


def _filled(source: IO[bytes]) -> str:
    source.write(DATA)
    source.flush()
    return source.name


def _answer(given: Input, sequence: int) -> bytes | None:
    choice = given.number() % 6
    index = given.number() % RECEIVERS
    key = KEYS.feedback(index)
    if choice == 0:
        return None
    if choice == 1:
        return given.some(1500)
    if choice == 2:
        return _sealed(given, key, given.some(1200))
    if choice == 3:
        pages = given.number() or 1
        return wire.pack_feedback(KEYS.session_id, key, index, sequence, wire.Ready(given.number(4), given.number() % pages, pages, given.some(40)))
    if choice == 4:
        return wire.pack_feedback(KEYS.session_id, key, index, sequence, wire.Failure("disk", given.number(8), "text"))
    flags = given.number()
    whole = [(given.number(), given.number(4)) for _range in range(flags >> 6)]
    needs = {given.number() % 5: given.take(6) for _section in range(flags >> 4 & 3)}
    status = wire.Status(given.number(), given.number(4), given.number(), given.number(4), bool(flags & 1), bool(flags & 2), given.number(), whole, needs)
    return wire.pack_feedback(KEYS.session_id, key, index, sequence, status)




TARGETS: dict[str, Callable[[bytes], None]] = {"receiver": receiver, "sender": sender}
