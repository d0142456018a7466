# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys and MACs, against HMAC-SHA256 written out with hashlib."""

from __future__ import annotations

import hashlib

import pytest
from ansible_collections.fleetcast.core.plugins.module_utils._multicast import auth
from ansible_collections.fleetcast.core.plugins.module_utils._multicast.errors import BadSession

pytestmark = pytest.mark.push

KEY = bytes(range(32))


def rfc2104(key: bytes, message: bytes) -> bytes:
    block = key.ljust(64, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block) + message).digest()
    return hashlib.sha256(bytes(byte ^ 0x5C for byte in block) + inner).digest()


def test_macs_are_truncated_hmac_sha256() -> None:
    assert auth.mac(KEY, b"text") == rfc2104(KEY, b"text")[:16]
    assert auth.data_mac(KEY, b"head", memoryview(b"payload")) == rfc2104(KEY, b"headpayload")[:8]


def test_receivers_share_the_group_and_not_the_feedback_key() -> None:
    keys = auth.SessionKeys(KEY)
    one, other = keys.for_receiver(1), keys.for_receiver(2)
    assert one.group == other.group == keys.group
    assert one.session_id == other.session_id == keys.session_id
    assert one.feedback != other.feedback
    assert one.data == keys.data
    secrets = {keys.group, keys.data, one.feedback, other.feedback, KEY}
    assert len(secrets) == 5
    assert keys.session_id not in KEY


def test_another_session_shares_nothing() -> None:
    one, other = auth.SessionKeys(KEY), auth.SessionKeys(bytes(32))
    assert one.session_id != other.session_id
    assert one.group != other.group


def test_hex_round_trip_and_bad_text() -> None:
    keys = auth.SessionKeys(KEY).for_receiver(5)
    assert auth.ReceiverKeys.from_hex(keys.to_hex()) == keys
    assert auth.SessionKeys.from_hex(KEY.hex()).group == auth.SessionKeys(KEY).group
    for bad in ("", "zz" * 32, "00" * 31, keys.to_hex() + "00"):
        with pytest.raises(BadSession):
            auth.SessionKeys.from_hex(bad)
        with pytest.raises(BadSession):
            auth.ReceiverKeys.from_hex(bad)
    with pytest.raises(BadSession, match="32 bytes"):
        auth.SessionKeys(b"short")
