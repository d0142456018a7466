# Copyright (c) 2026 The fleetcast authors
# SPDX-License-Identifier: BSD-2-Clause
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
"""Many packets in one system call where they do not come coalesced: recvmmsg(2), which the socket module lacks, through ctypes.

A packet costs a third of what a call of its own would. Importing this fails where Python was built without ctypes.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
import sys
from typing import Any, Tuple

Address = Tuple[Any, ...]

_MSG_DONTWAIT = 0x40
#: Room for a sender's address (struct sockaddr_in6) and for two ancillary numbers.
_NAME_BYTES = 28
_CONTROL_BYTES = 64


class _Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


class _Message(ctypes.Structure):
    """struct msghdr."""

    _fields_ = [
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("parts", ctypes.c_void_p),
        ("part_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    ]


class _Entry(ctypes.Structure):
    """struct mmsghdr."""

    _fields_ = [("message", _Message), ("received", ctypes.c_uint)]


#: struct cmsghdr, without what follows it.
_ANCILLARY = struct.Struct("@Nii")


class BulkReceiver:
    """Receives up to ``count`` messages at a time into ``buffer``, most of which should be ``expected`` bytes long.

    The first ``expected`` bytes of message i go to ``i * expected``: messages of just that length stand side by side. A longer one goes on in a place
    of its own behind ``spill_at``, where :meth:`straight` puts its beginning before it. ``buffer`` has ``spill_at + count * largest`` bytes.

    :raises AttributeError: the C library has no recvmmsg.
    """

    def __init__(self, sock: socket.socket, buffer: bytearray, expected: int, count: int, largest: int, spill_at: int) -> None:
        self._receive = ctypes.CDLL(None, use_errno=True).recvmmsg
        self._receive.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p)
        self._fd = sock.fileno()
        self._is_ipv6 = sock.family == socket.AF_INET6
        self._buffer = memoryview(buffer)
        self._expected, self._count, self._largest, self._spill_at = expected, count, largest, spill_at
        self._names = bytearray(count * _NAME_BYTES)
        self._controls = bytearray(count * _CONTROL_BYTES)
        self._raw = bytearray(count * ctypes.sizeof(_Entry))
        self._parts = (_Iovec * (2 * count))()
        entries = (_Entry * count).from_buffer(self._raw)
        base, names, controls, parts = (_address(memory) for memory in (buffer, self._names, self._controls, self._parts))
        for index, entry in enumerate(entries):
            self._parts[2 * index] = _Iovec(base + index * expected, expected)
            self._parts[2 * index + 1] = _Iovec(base + spill_at + index * largest + expected, largest - expected)
            message = entry.message
            message.name, message.name_length = names + index * _NAME_BYTES, _NAME_BYTES
            message.parts, message.part_count = parts + 2 * index * ctypes.sizeof(_Iovec), 2
            message.control, message.control_length = controls + index * _CONTROL_BYTES, _CONTROL_BYTES
        # The kernel writes into the entries what it used of the room that they offer: it is offered anew before every call.
        self._fresh = bytes(self._raw)
        self._entries = _address(self._raw)
        self._lengths = memoryview(self._raw).cast("I")[_Entry.received.offset // 4 :: ctypes.sizeof(_Entry) // 4]
        self._last: tuple[bytes, Address] = (b"", ())

    def receive(self) -> list[int]:
        """Lengths of the messages that are there; none when there are none. :raises OSError: as recvmsg."""
        self._raw[:] = self._fresh
        count = self._receive(self._fd, self._entries, self._count, _MSG_DONTWAIT, None)
        if count < 0:
            code = ctypes.get_errno()
            if code in (errno.EAGAIN, errno.EINTR):
                return []
            raise OSError(code, os.strerror(code))
        return self._lengths[:count].tolist()

    def from_one(self, count: int) -> bool:
        """Whether the first ``count`` messages are all of one sender."""
        used = self._names[: count * _NAME_BYTES]
        return used == used[:_NAME_BYTES] * count

    def address(self, index: int) -> Address:
        """The sender of a message, as the socket module tells it."""
        raw = bytes(self._names[index * _NAME_BYTES : (index + 1) * _NAME_BYTES])
        if raw != self._last[0]:
            port = int.from_bytes(raw[2:4], "big")
            if self._is_ipv6:
                flow, scope = int.from_bytes(raw[4:8], "big"), int.from_bytes(raw[24:28], sys.byteorder)
                self._last = raw, (socket.inet_ntop(socket.AF_INET6, raw[8:24]), port, flow, scope)
            else:
                self._last = raw, (socket.inet_ntop(socket.AF_INET, raw[4:8]), port)
        return self._last[1]

    def ancillary(self, index: int) -> list[tuple[int, int, bytes]]:
        """A message's ancillary data: level, type, value."""
        found = []
        at = index * _CONTROL_BYTES
        end = at + _Message.from_buffer(self._raw, index * ctypes.sizeof(_Entry)).control_length
        while at + _ANCILLARY.size <= end:
            length, level, kind = _ANCILLARY.unpack_from(self._controls, at)
            if length < _ANCILLARY.size:
                break
            found.append((level, kind, bytes(self._controls[at + _ANCILLARY.size : at + length])))
            at += -(-length // ctypes.sizeof(ctypes.c_size_t)) * ctypes.sizeof(ctypes.c_size_t)
        return found

    def straight(self, index: int) -> int:
        """Where a message that is longer than expected stands in one piece."""
        begin = self._spill_at + index * self._largest
        self._buffer[begin : begin + self._expected] = self._buffer[index * self._expected : (index + 1) * self._expected]
        return begin


def _address(memory: bytearray | ctypes.Array[_Iovec]) -> int:
    """Where it stands: for as long as it is kept, and a bytearray is not resized."""
    if isinstance(memory, bytearray):
        return ctypes.addressof((ctypes.c_char * len(memory)).from_buffer(memory))
    return ctypes.addressof(memory)
