# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets: round trips, and that nothing which is not one is taken for one."""

from __future__ import annotations

import random

import pytest
from ansible_collections.fleetcast.core.plugins.module_utils._multicast import auth, wire
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.push

SESSION, KEY, OTHER_KEY = b"sessionX", b"k" * 32, b"o" * 32
COLUMNS = 44

uint32 = st.integers(0, 2**32 - 1)
bitmaps = st.binary(max_size=1000)
controls = st.one_of(
    st.builds(
        wire.Announce,
        st.binary(min_size=8, max_size=8),
        st.integers(0, 2**64 - 1),
        st.integers(0, 65535),
        st.integers(0, 255),
        st.integers(0, 255),
        st.integers(0, 65535),
        uint32,
        bitmaps,
    ),
    st.builds(wire.Poll, uint32, uint32, uint32, st.booleans(), st.booleans(), st.integers(1, 65535), bitmaps),
    st.builds(wire.Finish, st.text(alphabet="abc äöü-:.", max_size=60)),
)
need_lists = st.sampled_from((2, 4, 16, 256)).flatmap(
    lambda top: st.lists(st.integers(0, top - 1), min_size=COLUMNS, max_size=COLUMNS).map(bytes)
)
feedbacks = st.one_of(
    st.integers(1, 65535).flatmap(lambda pages: st.builds(wire.Ready, uint32, st.integers(0, pages - 1), st.just(pages), st.binary(max_size=1024))),
    st.builds(
        wire.Status,
        uint32,
        uint32,
        uint32,
        st.integers(0, 2**64 - 1),
        st.booleans(),
        st.booleans(),
        uint32,
        st.lists(st.tuples(uint32, uint32), max_size=10),
        st.dictionaries(uint32, need_lists, max_size=10),
    ),
    st.builds(wire.Failure, st.sampled_from(["disk", "canceled"]), st.integers(0, 2**64 - 1), st.text(alphabet="abc äöü/", max_size=80)),
)


@given(controls, uint32)
def test_control_comes_back_as_it_went(message: wire.Control, sequence: int) -> None:
    packet = wire.pack_control(SESSION, KEY, sequence, message)
    assert wire.parse_control(packet, SESSION, KEY) == (sequence, message)


@given(feedbacks, uint32, st.integers(0, 9999))
def test_feedback_comes_back_as_it_went(message: wire.Feedback, sequence: int, receiver: int) -> None:
    packet = wire.pack_feedback(SESSION, KEY, receiver, sequence, message)
    assert wire.feedback_receiver(packet, SESSION) == receiver
    assert wire.parse_feedback(packet, SESSION, KEY, COLUMNS) == (sequence, message)


@given(st.one_of(controls, feedbacks), st.data())
def test_one_changed_bit_or_another_key_is_refused(message: wire.Control | wire.Feedback, data: st.DataObject) -> None:
    control = isinstance(message, (wire.Announce, wire.Poll, wire.Finish))
    packet = wire.pack_control(SESSION, KEY, 7, message) if control else wire.pack_feedback(SESSION, KEY, 3, 7, message)  # type: ignore[arg-type]
    changed = bytearray(packet)
    changed[data.draw(st.integers(0, len(packet) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    cut = packet[: data.draw(st.integers(0, len(packet) - 1))]
    for bad, key in ((bytes(changed), KEY), (packet, OTHER_KEY), (cut, KEY), (packet + b"\0", KEY)):
        assert wire.parse_control(bad, SESSION, key) is None
        assert wire.parse_feedback(bad, SESSION, key, COLUMNS) is None


def sealed(kind: int, body: bytes, receiver: int = 0) -> bytes:
    """A packet with a good MAC and any body: what a malicious member could send."""
    packet = SESSION + (1).to_bytes(4, "big") + bytes((kind, wire.VERSION)) + receiver.to_bytes(2, "big") + body
    return packet + auth.mac(KEY, packet)


@settings(max_examples=500)
@given(st.integers(0, 255), st.binary(max_size=1400))
def test_no_body_makes_a_parser_raise(kind: int, body: bytes) -> None:
    packet = sealed(kind, body)
    wire.parse_control(packet, SESSION, KEY)
    parsed = wire.parse_feedback(packet, SESSION, KEY, COLUMNS)
    if parsed is not None and isinstance(parsed[1], wire.Status):
        assert all(len(needs) == COLUMNS for needs in parsed[1].needs.values())
        assert len(parsed[1].needs) + len(parsed[1].whole) <= wire.MAX_BODY // 5


@given(st.binary(max_size=1600))
def test_noise_is_nothing(noise: bytes) -> None:
    assert wire.parse_control(noise, SESSION, KEY) is None
    assert wire.parse_feedback(noise, SESSION, KEY, COLUMNS) is None
    wire.parse_data_header(noise)


def test_data_header() -> None:
    header = wire.data_header(SESSION, 70000, wire.DATA, 63, 43)
    assert len(header) == wire.HEADER_BYTES
    assert wire.parse_data_header(header + b"x") == (SESSION, 70000, wire.DATA, 63, 43)
    assert wire.parse_data_header(header[:-1]) is None
    assert wire.parse_data_header(header[:-1] + b"\1") is None
    assert wire.parse_data_header(wire.data_header(SESSION, 0, wire.POLL, 0, 0)) is None


@given(st.lists(st.integers(0, 2), max_size=300))
def test_held_levels(levels: list[int]) -> None:
    raw = bytes(levels)
    assert wire.unpack_held(wire.pack_held(raw), len(raw)) == raw
    assert wire.unpack_held(b"", len(raw)) == bytes(len(raw))


def test_bitmaps() -> None:
    chosen = sorted(random.Random(1).sample(range(1000), 300))
    bitmap = wire.to_bitmap(chosen, 1000)
    assert len(bitmap) == 125
    assert [index for index in range(1100) if wire.has_bit(bitmap, index)] == chosen


@given(st.sets(st.integers(0, 199)), st.integers(0, 300))
def test_rank_counts_those_before(released: set[int], index: int) -> None:
    bitmap = wire.to_bitmap(sorted(released), 200)
    assert wire.rank(bitmap, index) == sum(other not in released for other in range(index))


def test_a_poll_without_a_stride_is_none() -> None:
    poll = wire.Poll(1, 1, 100, False, False, 1, b"")
    good = poll.pack()
    assert wire.Poll.parse(good) == poll
    at = good.index(b"\0\1\0\0", 12)
    assert wire.Poll.parse(good[:at] + b"\0\0" + good[at + 2 :]) is None


def test_feedback_of_a_thousand_receivers_at_one_percent_loss_is_small() -> None:
    """Needs of one section at 1 % loss, packed, against 3.94 MB of data: with all headers below 1 % for a thousand receivers."""
    generator = random.Random(2)
    sections_per_answer = 9
    total = 0
    for _receiver in range(200):
        needs = {section: bytes(sum(generator.random() < 0.01 for _row in range(64)) for _column in range(COLUMNS)) for section in range(sections_per_answer)}
        status = wire.Status(1, 1, 0, 1, complete=False, polluted=False, covered=sections_per_answer, needs=needs)
        total += len(wire.pack_feedback(SESSION, KEY, 1, 1, status)) + 42
    assert total * 5 < 0.01 * sections_per_answer * 64 * 44 * 1400
