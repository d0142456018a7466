# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine is to reach, and what it reached according to the records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .cells import Cell
from .results import Record, Results, median

#: Bytes of UDP payload in the largest frame of an MTU of 1500, and that frame as the link's queue counts it.
_PAYLOAD, _FRAME = 1472, 1514


@dataclass(frozen=True)
class Verdict:
    """A target, the figure that was reached, and whether it is enough; None when the cells were not measured."""

    target: str
    figure: str
    reached: bool | None


def link_limit_mbit(results: Results, record: Record) -> float:
    """Payload that the link of a record can carry without loss: as iperf3 measured it with the largest packets, or where it did not, by arithmetic."""
    clean = Cell(record.receivers, record.bytes // 1_000_000, record.rate_mbit).name
    measured = median(results.of(clean, "iperf3", "udp"), lambda each: each.goodput_mbit)
    return measured or record.rate_mbit * _PAYLOAD / _FRAME


def wall(results: Results, cell: str, tool: str) -> float | None:
    return median(results.best(cell, tool), lambda record: record.wall_s)


def faster_peer(results: Results, cell: str, peers: Sequence[str] = ("udpcast", "uftp")) -> tuple[str, float] | None:
    """The faster of the peers in a cell, and its seconds."""
    times = {peer: seconds for peer in peers if (seconds := wall(results, cell, peer)) is not None}
    return min(times.items(), key=lambda item: item[1]) if times else None


def verdicts(results: Results, simulated: Sequence[dict[str, Any]] = ()) -> list[Verdict]:
    """All targets. `simulated`: records of sessions with a thousand receivers and more, which no machine has hosts for (scale.py)."""
    return [
        _times_faster(results, "unshaped, 4 receivers, 1 GB, no loss: at least 6 times faster than the faster of udpcast and UFTP", "unshaped-4x1000MB", 6),
        _times_faster(results, "unshaped, 1 receiver, 1 GB, no loss: at least 3 times", "unshaped-1x1000MB", 3),
        _shaped(results),
        _lossy(results, "200M-8x100MB-loss1", 1, 0.93, 1.06),
        _lossy(results, "200M-8x100MB-loss5", 5, 0.84, 1.16),
        _overhead(results),
        _memory(results),
        _play(results),
        _scale(results),
        _thousand(simulated),
    ]


def _times_faster(results: Results, target: str, cell: str, wanted: float) -> Verdict:
    ours, theirs = wall(results, cell, "engine"), faster_peer(results, cell)
    if ours is None or theirs is None:
        return Verdict(target, "not measured", None)
    ratio = theirs[1] / ours
    return Verdict(target, f"{ratio:.1f} times ({ours:.2f} s; {theirs[0]} {theirs[1]:.1f} s)", ratio >= wanted)


def _share(results: Results, cell: str) -> float | None:
    """The engine's share of the link's payload rate, from its first packet (an announcement) until the last host has verified."""
    records = results.best(cell, "engine")
    goodput = median(records, lambda record: record.goodput_mbit)
    return None if goodput is None else goodput / link_limit_mbit(results, records[0])


def _shaped(results: Results) -> Verdict:
    target = "shaped, no loss: at least 96 % of the link's payload rate"
    cells = ("1000M-1x100MB", "1000M-4x100MB", "200M-4x100MB", "200M-8x100MB", "200M-16x100MB")
    shares = {cell: share for cell in cells if (share := _share(results, cell)) is not None}
    if not shares:
        return Verdict(target, "not measured", None)
    return Verdict(target, ", ".join(f"{share:.1%} ({cell})" for cell, share in shares.items()), min(shares.values()) >= 0.96)


def _lossy(results: Results, cell: str, percent: int, wanted: float, most: float) -> Verdict:
    target = f"shaped, {percent} % independent loss, 8 receivers: at least {wanted:.0%}; bytes on the link at most {most:g}"
    share = _share(results, cell)
    if share is None:
        return Verdict(target, "not measured", None)
    payload, wire = (_middle(results.best(cell, "engine"), value) for value in (lambda record: record.payload_ratio, lambda record: record.wire_ratio))
    figure = f"{share:.1%}; UDP payload {payload:.3f}, with all headers {wire:.3f}"
    return Verdict(target, figure, share >= wanted and payload <= most)


def _middle(records: Sequence[Record], value: Callable[[Record], float]) -> float:
    return median(records, value) or 0.0


def _overhead(results: Results) -> Verdict:
    target = "engine start-up and shut-down, everything that is not transfer: at most 0.5 s"
    seconds = wall(results, "unshaped-8x1MB", "engine")
    if seconds is None:
        return Verdict(target, "not measured", None)
    return Verdict(target, f"{seconds:.2f} s for a file of 1 MB to 8 hosts, from the sender's start to the last process's end", seconds <= 0.5)


def _memory(results: Results) -> Verdict:
    target = "memory of a receiver at most 64 MiB whatever the file's size; sender likewise"
    records = [record for record in results.records if record.tool == "engine" and record.good]
    if not records:
        return Verdict(target, "not measured", None)
    receiver, sender = (max(getattr(record, name) for record in records) / 2**20 for name in ("memory_receiver_bytes", "memory_sender_bytes"))
    largest = max(record.bytes for record in records) / 1e6
    figure = f"receiver {receiver:.0f} MiB, sender {sender:.0f} MiB, the largest of all cells, with files up to {largest:.0f} MB"
    return Verdict(target, figure, max(receiver, sender) <= 64)


def _play(results: Results) -> Verdict:
    target = "whole play `push.yml` against `copy`, 8 hosts, 200 Mbit/s sender link, 200 MB: at least 5 times faster"
    push, copy = (wall(results, "200M-8x200MB-play", tool) for tool in ("push", "copy"))
    if push is None or copy is None:
        return Verdict(target, "not measured", None)
    return Verdict(target, f"{copy / push:.1f} times ({push:.1f} s; copy {copy:.1f} s)", copy / push >= 5)


def _scale(results: Results) -> Verdict:
    target = "sender's time and bytes, 16 receivers against 4, shaped: at most 1.05 times"
    few, many = (results.best(f"200M-{receivers}x100MB", "engine") for receivers in (4, 16))
    if not few or not many:
        return Verdict(target, "not measured", None)
    seconds, count = (_middle(many, value) / _middle(few, value) for value in (lambda record: record.session_s, lambda record: record.link_bytes))
    return Verdict(target, f"time {seconds:.3f} times, bytes {count:.3f} times", max(seconds, count) <= 1.05)


def _thousand(simulated: Sequence[dict[str, Any]]) -> Verdict:
    target = "1,000 receivers, 1 % loss, simulated: bytes at most 1.09, feedback at most 1 % of the data bytes"
    found = max((record for record in simulated if record["receivers"] == 1000 and record["loss"] == 1), key=lambda record: record["size"], default=None)
    if found is None:
        return Verdict(target, "not measured", None)
    figure = (
        f"{found['size'] / 1e6:.0f} MB: UDP payload {found['bytes_ratio']:.3f}, with all headers {found['link_bytes_ratio']:.3f}; "
        f"feedback {found['feedback_ratio']:.2%}, with all headers {found['feedback_link_ratio']:.2%}"
    )
    return Verdict(target, figure, found["completed"] == 1000 and found["bytes_ratio"] <= 1.09 and found["feedback_ratio"] <= 0.01)
