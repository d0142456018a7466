# Copyright (c) 2026 The fleetcast authors
# SPDX-License-Identifier: BSD-2-Clause
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
"""The packets: how they are packed, and parsers that answer None to anything that is not one.

Every packet begins with 16 bytes: session id (8), number (4), kind (1) and three bytes that depend on the kind. Numbers are big-endian.
A parser never raises, and what it builds is bounded by the packet's length or by the session's own geometry. docs/engine.md has the tables.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Union

from . import auth

VERSION = 1

DATA = 0x01
PARITY = 0x02
#: Added to DATA or PARITY when a MAC stands between header and payload.
WITH_MAC = 0x10
ANNOUNCE = 0x20
POLL = 0x21
FINISH = 0x22
READY = 0x40
STATUS = 0x41
FAILURE = 0x42

#: session id, section, kind, row (of data or of parity), column, zero
_DATA_HEADER = struct.Struct("!8sIBBBB")
HEADER_BYTES = _DATA_HEADER.size
#: Where the kind stands, in every packet.
KIND_AT = 12
#: Where the row (of data, or of parity) stands in a data or parity packet.
ROW_AT = 13
#: Where the column stands in a data or parity packet.
COLUMN_AT = 14
#: session id, sequence, kind, version, zero
_CONTROL_HEADER = struct.Struct("!8sIBBH")
#: session id, sequence, kind, version, receiver
_FEEDBACK_HEADER = struct.Struct("!8sIBBH")

#: Bound by the bitmaps of receivers, which must fit one packet.
MAX_RECEIVERS = 10000
#: Bytes of the variable part of a control or feedback packet: fits beside all headers even where the MTU is IPv6's least (1280).
MAX_BODY = 1160
_MAX_SEQUENCE = 0xFFFFFFFF


def data_header(session_id: bytes, section: int, kind: int, row: int, column: int) -> bytes:
    return _DATA_HEADER.pack(session_id, section, kind, row, column, 0)


def parse_data_header(packet: bytes | memoryview) -> tuple[bytes, int, int, int, int] | None:
    """(session id, section, kind, row, column) of a data or parity packet. What is in the fields is for the caller to judge."""
    if len(packet) < HEADER_BYTES:
        return None
    session_id, section, kind, row, column, zero = _DATA_HEADER.unpack_from(packet)
    if kind & ~WITH_MAC not in (DATA, PARITY) or zero:
        return None
    return session_id, section, kind, row, column


# -- control: from the sender to everybody


@dataclass(frozen=True)
class Announce:
    """A session is about to begin: who is ready? ``heard`` is the bitmap of receivers that need not answer any more."""

    identity: bytes
    size: int
    symbol_size: int
    row_symbols: int
    section_rows: int
    receivers: int
    slot_us: int
    heard: bytes

    _BODY = struct.Struct("!8sQHBBHIH")

    def pack(self) -> bytes:
        geometry = (self.size, self.symbol_size, self.row_symbols, self.section_rows)
        return self._BODY.pack(self.identity, *geometry, self.receivers, self.slot_us, len(self.heard)) + self.heard

    @classmethod
    def parse(cls, body: bytes) -> Announce | None:
        if len(body) < cls._BODY.size:
            return None
        identity, size, symbol_size, row_symbols, section_rows, receivers, slot_us, length = cls._BODY.unpack_from(body)
        # What follows the bitmap is padding: an announcement is as long as a data packet, to find out whether that passes the path.
        heard = body[cls._BODY.size : cls._BODY.size + length]
        if len(heard) != length:
            return None
        return cls(identity, size, symbol_size, row_symbols, section_rows, receivers, slot_us, heard)


@dataclass(frozen=True)
class Poll:
    """Who is asked reports on all sections below ``high``, in its slot. A receiver whose bit in ``released`` is set is free to go.

    The others are counted in their order. Every ``stride``-th of them, from the first on, is of the panel: it is always asked. With ``everybody`` the
    others are asked too, and have their slots after the panel.
    """

    number: int
    high: int
    slot_us: int
    secured: bool
    everybody: bool
    stride: int
    released: bytes

    _BODY = struct.Struct("!IIIBHH")
    _SECURED, _EVERYBODY = 1, 2

    def pack(self) -> bytes:
        flags = self.secured * self._SECURED | self.everybody * self._EVERYBODY
        return self._BODY.pack(self.number, self.high, self.slot_us, flags, self.stride, len(self.released)) + self.released

    @classmethod
    def parse(cls, body: bytes) -> Poll | None:
        if len(body) < cls._BODY.size:
            return None
        number, high, slot_us, flags, stride, length = cls._BODY.unpack_from(body)
        released = body[cls._BODY.size :]
        if len(released) != length or not stride:
            return None
        return cls(number, high, slot_us, bool(flags & cls._SECURED), bool(flags & cls._EVERYBODY), stride, released)

    def asks(self, index: int) -> bool:
        """Whether this receiver is to answer."""
        return not has_bit(self.released, index) and (self.everybody or rank(self.released, index) % self.stride == 0)

    def slot(self, index: int, receivers: int) -> int:
        """Which slot is this receiver's, of ``receivers`` in all."""
        turn, group = divmod(rank(self.released, index), self.stride)
        return group * -(-rank(self.released, receivers) // self.stride) + turn


@dataclass(frozen=True)
class Finish:
    """The session is over for everybody; ``reason`` is a short text for the receiver's report."""

    reason: str

    def pack(self) -> bytes:
        return self.reason.encode()[:MAX_BODY]

    @classmethod
    def parse(cls, body: bytes) -> Finish | None:
        return cls(_text(body)) if len(body) <= MAX_BODY else None


# -- feedback: from one receiver to the sender


@dataclass(frozen=True)
class Ready:
    """A receiver takes part. ``held``: see :func:`pack_held`; a receiver that holds nothing sends one page without bytes."""

    rcvbuf: int
    page: int
    pages: int
    held: bytes

    _BODY = struct.Struct("!IHH")

    def pack(self) -> bytes:
        return self._BODY.pack(self.rcvbuf, self.page, self.pages) + self.held

    @classmethod
    def parse(cls, body: bytes) -> Ready | None:
        if not cls._BODY.size <= len(body) <= cls._BODY.size + MAX_BODY:
            return None
        rcvbuf, page, pages = cls._BODY.unpack_from(body)
        return cls(rcvbuf, page, pages, body[cls._BODY.size :]) if page < pages else None


#: Per section: needs the data, holds so much that parity is enough, or verified.
HOLDS_LITTLE, HOLDS_MOST, HOLDS_ALL = 0, 1, 2
#: Sections whose two bits fit one READY packet.
HELD_PER_PAGE = 4 * 1024


def pack_held(levels: bytes) -> bytes:
    """Two bits per section, first section in the highest bits. ``levels`` has one byte per section."""
    padded = levels + bytes(-len(levels) % 4)
    quarters = zip(padded[0::4], padded[1::4], padded[2::4], padded[3::4])
    return bytes(a << 6 | b << 4 | c << 2 | d for a, b, c, d in quarters)


def unpack_held(packed: bytes, sections: int) -> bytes:
    """One byte per section; sections that ``packed`` does not reach are :data:`HOLDS_LITTLE`."""
    levels = bytes(byte >> shift & 3 for byte in packed for shift in (6, 4, 2, 0))
    return levels[:sections] + bytes(max(0, sections - len(levels)))


@dataclass(frozen=True)
class Status:
    """What a receiver still needs of the sections below ``covered``; a section that is not listed is not needed.

    ``received`` counts data and parity packets, ``overflow`` packets the kernel dropped at the receiver's socket, both modulo 2**32.
    ``whole``: (first section, how many) of which it holds so little that the data must come again.
    ``needs``: per section, how many symbols each column lacks.
    """

    poll: int
    received: int
    overflow: int
    missing_bytes: int
    complete: bool
    polluted: bool
    covered: int
    whole: list[tuple[int, int]] = field(default_factory=list)
    needs: dict[int, bytes] = field(default_factory=dict)

    _BODY = struct.Struct("!IIIQBI")
    _WHOLE = struct.Struct("!BII")
    _NEEDS = struct.Struct("!BI")
    _COMPLETE, _POLLUTED = 1, 2

    def pack(self) -> bytes:
        flags = self.complete * self._COMPLETE | self.polluted * self._POLLUTED
        parts = [self._BODY.pack(self.poll, self.received & 0xFFFFFFFF, self.overflow & 0xFFFFFFFF, self.missing_bytes, flags, self.covered)]
        parts.extend(self._WHOLE.pack(0, first, count) for first, count in self.whole)
        for section, needs in self.needs.items():
            width = need_width(needs)
            parts.append(self._NEEDS.pack(width, section) + pack_needs(needs, width))
        return b"".join(parts)

    @classmethod
    def parse(cls, body: bytes, columns: int) -> Status | None:
        if not cls._BODY.size <= len(body) <= cls._BODY.size + MAX_BODY:
            return None
        poll, received, overflow, missing, flags, covered = cls._BODY.unpack_from(body)
        whole: list[tuple[int, int]] = []
        needs: dict[int, bytes] = {}
        at = cls._BODY.size
        while at < len(body):
            width = body[at]
            if width == 0 and at + cls._WHOLE.size <= len(body):
                whole.append(cls._WHOLE.unpack_from(body, at)[1:])
                at += cls._WHOLE.size
            elif width in (1, 2, 4, 8) and at + cls._NEEDS.size + packed_length(columns, width) <= len(body):
                section = cls._NEEDS.unpack_from(body, at)[1]
                at += cls._NEEDS.size
                length = packed_length(columns, width)
                needs[section] = unpack_needs(body[at : at + length], width, columns)
                at += length
            else:
                return None
        return cls(poll, received, overflow, missing, bool(flags & cls._COMPLETE), bool(flags & cls._POLLUTED), covered, whole, needs)

    @classmethod
    def needs_length(cls, needs: bytes) -> int:
        """Bytes that one section's needs take in the packet."""
        return cls._NEEDS.size + packed_length(len(needs), need_width(needs))

    WHOLE_LENGTH = _WHOLE.size


def need_width(needs: bytes) -> int:
    """Bits that hold the largest count: at 1 % loss mostly 2, which keeps the feedback of a thousand receivers small."""
    most = max(needs)
    return 1 if most < 2 else 2 if most < 4 else 4 if most < 16 else 8


def packed_length(columns: int, width: int) -> int:
    return -(-columns * width // 8)


def pack_needs(needs: bytes, width: int) -> bytes:
    packed = 0
    for need in needs:
        packed = packed << width | need
    length = packed_length(len(needs), width)
    return (packed << length * 8 - len(needs) * width).to_bytes(length, "big")


def unpack_needs(packed: bytes, width: int, columns: int) -> bytes:
    value = int.from_bytes(packed, "big") >> len(packed) * 8 - columns * width
    mask = (1 << width) - 1
    return bytes(value >> shift & mask for shift in range((columns - 1) * width, -1, -width))


@dataclass(frozen=True)
class Failure:
    """The receiver leaves: ``code`` is one of the verdict's reasons, ``text`` says what happened."""

    code: str
    missing_bytes: int
    text: str

    _BODY = struct.Struct("!QB")

    def pack(self) -> bytes:
        code = self.code.encode()[:255]
        return self._BODY.pack(self.missing_bytes, len(code)) + code + self.text.encode(errors="replace")[:400]

    @classmethod
    def parse(cls, body: bytes) -> Failure | None:
        if not cls._BODY.size <= len(body) <= cls._BODY.size + MAX_BODY:
            return None
        missing, length = cls._BODY.unpack_from(body)
        rest = body[cls._BODY.size :]
        return cls(_text(rest[:length]), missing, _text(rest[length:])) if len(rest) >= length else None


Control = Union[Announce, Poll, Finish]
Feedback = Union[Ready, Status, Failure]
_KINDS = {Announce: ANNOUNCE, Poll: POLL, Finish: FINISH, Ready: READY, Status: STATUS, Failure: FAILURE}


def pack_control(session_id: bytes, key: bytes, sequence: int, message: Control, length: int = 0) -> bytes:
    """A packet with its MAC; padded with zeros to ``length`` bytes, MAC included (announcements only)."""
    packet = _CONTROL_HEADER.pack(session_id, sequence, _KINDS[type(message)], VERSION, 0) + message.pack()
    packet += bytes(max(0, length - len(packet) - auth.MAC_BYTES))
    return packet + auth.mac(key, packet)


def parse_control(packet: bytes, session_id: bytes, key: bytes) -> tuple[int, Control] | None:
    """(sequence, message) when the packet is one of this session's and its MAC holds."""
    if len(packet) < _CONTROL_HEADER.size + auth.MAC_BYTES or packet[: len(session_id)] != session_id:
        return None
    _session, sequence, kind, version, _zero = _CONTROL_HEADER.unpack_from(packet)
    if version != VERSION or not _mac_holds(packet, key):
        return None
    body = packet[_CONTROL_HEADER.size : -auth.MAC_BYTES]
    message: Control | None = None
    if kind == ANNOUNCE:
        message = Announce.parse(body)
    elif kind == POLL:
        message = Poll.parse(body)
    elif kind == FINISH:
        message = Finish.parse(body)
    return (sequence, message) if message is not None else None


def pack_feedback(session_id: bytes, key: bytes, receiver: int, sequence: int, message: Feedback) -> bytes:
    packet = _FEEDBACK_HEADER.pack(session_id, sequence, _KINDS[type(message)], VERSION, receiver) + message.pack()
    return packet + auth.mac(key, packet)


def feedback_receiver(packet: bytes, session_id: bytes) -> int | None:
    """Which receiver the packet claims to be from: needed to find the key that proves it."""
    if len(packet) < _FEEDBACK_HEADER.size + auth.MAC_BYTES or packet[: len(session_id)] != session_id:
        return None
    _session, _sequence, kind, version, receiver = _FEEDBACK_HEADER.unpack_from(packet)
    return int(receiver) if kind in (READY, STATUS, FAILURE) and version == VERSION else None


def parse_feedback(packet: bytes, session_id: bytes, key: bytes, columns: int) -> tuple[int, Feedback] | None:
    """(sequence, message) when the MAC holds; ``columns`` is the layout's symbols in a row."""
    if feedback_receiver(packet, session_id) is None or not _mac_holds(packet, key):
        return None
    _session, sequence, kind, _version, _receiver = _FEEDBACK_HEADER.unpack_from(packet)
    body = packet[_FEEDBACK_HEADER.size : -auth.MAC_BYTES]
    message: Feedback | None = None
    if kind == READY:
        message = Ready.parse(body)
    elif kind == STATUS:
        message = Status.parse(body, columns)
    elif kind == FAILURE:
        message = Failure.parse(body)
    return (sequence, message) if message is not None else None


def _mac_holds(packet: bytes, key: bytes) -> bool:
    return auth.same(packet[-auth.MAC_BYTES :], auth.mac(key, packet[: -auth.MAC_BYTES]))


def _text(raw: bytes) -> str:
    """Text from outside: printable, on one line."""
    return "".join(char if char.isprintable() else " " for char in raw.decode(errors="replace"))


def has_bit(bitmap: bytes, index: int) -> bool:
    return index >> 3 < len(bitmap) and bool(bitmap[index >> 3] & 0x80 >> (index & 7))


def rank(bitmap: bytes, index: int) -> int:
    """How many receivers before this one have their bit clear."""
    head = bitmap[: -(-index // 8)]
    return index - bin(int.from_bytes(head, "big") >> max(0, len(head) * 8 - index)).count("1")


def to_bitmap(indices: list[int], count: int) -> bytes:
    """One bit per receiver, first receiver in the highest bit of the first byte."""
    bitmap = bytearray(-(-count // 8))
    for index in indices:
        bitmap[index >> 3] |= 0x80 >> (index & 7)
    return bytes(bitmap)
