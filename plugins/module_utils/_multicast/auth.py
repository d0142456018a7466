# Copyright (c) 2026 The fleetcast authors
# SPDX-License-Identifier: BSD-2-Clause
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
"""Keys of a session, and the message authentication codes (MACs) made with them.

One secret, the session key, is known to the controller and the sender only. What a receiver gets is derived from it with HMAC-SHA256
(RFC 2104): a group key, to check what the sender says, and a feedback key of its own, so that no receiver can speak for another.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from .errors import BadSession

KEY_BYTES = 32
SESSION_ID_BYTES = 8
#: Bytes of the MAC on control and feedback packets: HMAC-SHA256 truncated to half (RFC 2104 section 5 asks for at least that).
MAC_BYTES = 16
#: Bytes of the MAC on data packets. Shorter, because a forgery that slips through once in 2**64 still fails its section's digest.
DATA_MAC_BYTES = 8


def derive(key: bytes, purpose: bytes) -> bytes:
    """A key for one purpose: HMAC-SHA256 of the purpose's name, 32 bytes."""
    return hmac.digest(key, b"fleetcast " + purpose, "sha256")


def mac(key: bytes, message: bytes) -> bytes:
    """MAC of a control or feedback packet, :data:`MAC_BYTES` long."""
    return hmac.digest(key, message, "sha256")[:MAC_BYTES]


def data_mac(key: bytes, header: bytes, payload: bytes | memoryview) -> bytes:
    """MAC of a data or parity packet, :data:`DATA_MAC_BYTES` long. Covers the position, so a packet moved elsewhere does not pass."""
    return hmac.digest(key, header + payload, "sha256")[:DATA_MAC_BYTES]


def same(one: bytes, other: bytes) -> bool:
    """Compare two MACs in constant time."""
    return hmac.compare_digest(one, other)


@dataclass(frozen=True)
class ReceiverKeys:
    """All that one receiver is told of a session's secrets."""

    session_id: bytes
    group: bytes
    feedback: bytes

    @property
    def data(self) -> bytes:
        return derive(self.group, b"data")

    def to_hex(self) -> str:
        """One string that carries all three, for a module's option."""
        return (self.session_id + self.group + self.feedback).hex()

    @classmethod
    def from_hex(cls, text: str) -> ReceiverKeys:
        """:raises BadSession: the text is not what :meth:`to_hex` made."""
        raw = _from_hex(text, SESSION_ID_BYTES + 2 * KEY_BYTES, "the receiver's keys")
        return cls(raw[:SESSION_ID_BYTES], raw[SESSION_ID_BYTES:-KEY_BYTES], raw[-KEY_BYTES:])


class SessionKeys:
    """The sender's side: everything, derived from the session key (32 bytes)."""

    def __init__(self, session_key: bytes) -> None:
        if len(session_key) != KEY_BYTES:
            raise BadSession(f"a session key is {KEY_BYTES} bytes, not {len(session_key)}")
        self._session_key = session_key
        self.session_id = derive(session_key, b"session id")[:SESSION_ID_BYTES]
        self.group = derive(session_key, b"group")
        self.data = derive(self.group, b"data")

    @classmethod
    def from_hex(cls, text: str) -> SessionKeys:
        """:raises BadSession: the text is not 64 hexadecimal digits."""
        return cls(_from_hex(text, KEY_BYTES, "the session key"))

    def feedback(self, receiver: int) -> bytes:
        return derive(self._session_key, b"feedback %d" % receiver)

    def for_receiver(self, receiver: int) -> ReceiverKeys:
        return ReceiverKeys(self.session_id, self.group, self.feedback(receiver))


def _from_hex(text: str, length: int, what: str) -> bytes:
    try:
        raw = bytes.fromhex(text)
    except ValueError as error:
        raise BadSession(f"{what} must be hexadecimal digits") from error
    if len(raw) != length:
        raise BadSession(f"{what} must be {2 * length} hexadecimal digits, not {len(text)}")
    return raw
