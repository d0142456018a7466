# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All targets by name, and what a fuzzer may begin with."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from ansible_collections.fleetcast.core.plugins.module_utils._multicast import wire
from ansible_collections.fleetcast.core.tests.fuzz import file_targets, session_targets

TARGETS: dict[str, Callable[[bytes], None]] = {**file_targets.TARGETS, **session_targets.TARGETS}
#: Inputs that broke a promise once: ``corpus/TARGET/what-it-was``.
CORPUS = Path(__file__).parent / "corpus"


def found_before(name: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted((CORPUS / name).glob("*"))]


def seeds(name: str) -> list[bytes]:
    """Inputs that are right, so that the fuzzer need not invent the formats; and those that were found before."""
    made = _SEEDS.get(name, list)()
    return made + found_before(name)


def _packets() -> list[bytes]:
    needs = {3: bytes(44), 4: bytes(range(44))}
    messages: list[wire.Control | wire.Feedback] = [
        wire.Announce(b"identity", 10**9, 1400, 44, 64, 1000, 100, bytes(125)),
        wire.Poll(7, 9, 100, True, True, 4, b"\x80\1"),
        wire.Finish("over"),
        wire.Ready(1 << 24, 0, 1, b"\x1b"),
        wire.Status(7, 1000, 3, 4200, complete=False, polluted=True, covered=9, whole=[(5, 2)], needs=needs),
        wire.Failure("disk", 4200, "full"),
    ]
    # Behind the session's id, as the target puts it there.
    packed = [
        wire.pack_control(file_targets.SESSION, file_targets.KEY, 1, message)
        if isinstance(message, (wire.Announce, wire.Poll, wire.Finish))
        else wire.pack_feedback(file_targets.SESSION, file_targets.KEY, 2, 1, message)
        for message in messages
    ]
    return [packet[len(file_targets.SESSION) : -16] for packet in packed]


def _manifests() -> list[bytes]:
    tree = {
        "version": 1,
        "kind": "tree",
        "name": "app",
        "size": 3,
        "layout": {"symbol_size": 20, "row_symbols": 6, "section_rows": 16},
        "sections": ["0" * 64],
        "entries": [
            {"path": ".", "type": "directory", "mode": 493, "mtime": 1},
            {"path": "a", "type": "file", "mode": 420, "mtime": 1, "size": 3, "sha256": "0" * 64},
            {"path": "b", "type": "symlink", "mtime": 1, "target": "../x"},
        ],
    }
    return [file_targets.MANIFEST.document, json.dumps(tree).encode()]


def _job_logs() -> list[bytes]:
    opened = b'{"n":1,"at":"2026-01-01T00:00:00Z","type":"opened","data":{"format":1,"digest":"x","job":{}}}'
    return [opened, opened + b'\n{"n":2,"at":"","type":"recorded","data":{"results":{}}}']


def _receiver_sessions() -> list[bytes]:
    """An announcement, a poll, every row of every section: whole, with gaps, forged and then with MACs; parity that does not fit."""
    begin = b"\3\1\0\0\x64\0" + b"\3\1\2\0\1\3\0\x64\1\0"
    rows = [bytes((4, section, row, 0, 4 if (section, row) == (2, 2) else 5, 0)) for section in range(3) for row in range(16)]
    gaps = [row for number, row in enumerate(rows) if number % 5]
    forged = [bytes((4, section, 0, 0, 5, 2)) + bytes(120) for section in range(3)] + [row for row in rows if row[2]]
    secured = [row[:5] + bytes((17,)) for row in rows]
    parity = [bytes((7, 0, row, column, 0, 2)) + bytes(20) for row in range(3) for column in range(6)]
    pause, poll, end = b"\0\1\0", b"\3\1\2\0\2\3\0\x64\1\0", b"\3\1\1"
    return [
        begin + b"".join(rows) + poll + pause + end,
        begin + b"".join(gaps) + poll + pause + b"".join(parity) + poll + pause,
        begin + b"".join(forged) + poll + pause + b"".join(secured) + poll + pause + end,
    ]


def _sender_sessions() -> list[bytes]:
    """Everybody ready; reports of needs, of lacking all, of pollution, of being complete; a failure."""
    ready = b"".join(bytes((3, index, 1)) + (1 << 20).to_bytes(4, "big") + bytes(3) for index in range(3))
    resumed = b"".join(bytes((3, index, 1)) + (1 << 20).to_bytes(4, "big") + b"\0\0\1\x64" for index in range(3))

    def status(index: int, flags: int, ranges: bytes = b"", poll: int = 1) -> bytes:
        return bytes((5, index, flags)) + ranges + bytes((poll,)) + bytes(4) + bytes(1) + (100).to_bytes(4, "big") + bytes((3,))

    needs = b"\1" + bytes((0, 1, 2, 0, 0, 3))
    whole = b"\0" + (3).to_bytes(4, "big")
    silence = bytes(16)
    complete = b"".join(status(index, 1, poll=2) for index in range(3))
    return [
        ready + silence * 2 + status(0, 16, needs) + silence + status(1, 64, whole) + silence + status(2, 2) + silence + complete,
        resumed + silence + status(0, 0) + bytes((4, 1)) + bytes(8) + silence + complete,
        ready + silence + status(0, 16, needs, 3) * 5 + silence * 3 + complete,
    ]


_SEEDS: dict[str, Callable[[], list[bytes]]] = {
    "packets": _packets,
    "manifest": _manifests,
    "ranges": lambda: [b"[[0,10],[20,30]]", b'[["1","2"]]'],
    "patch": lambda: [b"[[0,1000]]}", b"[[20,40],[100,900]]}"],
    "spool": lambda: [b"\2" + bytes([1] * 210), b"\1" + bytes(20) + bytes([1] * 210)],
    "job_log": _job_logs,
    "receiver": _receiver_sessions,
    "sender": _sender_sessions,
}
