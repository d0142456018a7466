# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records of single transfers: kept in one file as they are made, so that a run that was ended goes on where it was."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from .cells import Cell

OK = "ok"


@dataclass(frozen=True)
class Record:
    """One transfer by one tool in one of its modes.

    `wall_s` is from the sender's start (its receivers wait already) to the end of the last process of either end; verifying with sha256sum comes after it.
    `session_s` is what a tool itself says that the transfer took, 0 when it says nothing. CPU seconds are those of all processes of an end;
    `receiver_cpu_s` is the mean over the hosts. `link_bytes` are frames on the sender's link with every header, `link_packets` their number.
    Memory is the peak resident size of an end's largest process (the largest over the hosts).
    `outcome` is "ok" or what went wrong; `verified` tells whether every host has the file, by its own sha256sum, and `holders` how many have it.
    """

    cell: str
    tool: str
    mode: str
    receivers: int
    bytes: int
    rate_mbit: int
    loss: float
    loss_kind: str
    offload: str
    repetition: int
    wall_s: float
    session_s: float
    sender_cpu_s: float
    receiver_cpu_s: float
    link_bytes: int
    link_packets: int
    memory_sender_bytes: int
    memory_receiver_bytes: int
    verified: bool
    holders: int
    outcome: str
    said: str
    command: str
    storage: str
    commit: str
    when: str

    @property
    def good(self) -> bool:
        """Whether it counts in a comparison: every host has the right bytes. A measure of the link alone brings no file."""
        return self.outcome == OK and (self.verified or self.tool == "iperf3")

    @property
    def goodput_mbit(self) -> float:
        """Bits of the file per second, to every host, by what the tool itself says or by the wall clock."""
        return self.bytes * 8 / 1e6 / (self.session_s or self.wall_s)

    @property
    def wire_ratio(self) -> float:
        """Bytes on the sender's link, with Ethernet, IP and UDP headers, per byte of the file."""
        return self.link_bytes / self.bytes

    @property
    def payload_ratio(self) -> float:
        """Bytes in UDP packets (what the tool itself sends, its own headers and repair included) per byte of the file."""
        return (self.link_bytes - 42 * self.link_packets) / self.bytes


class Results:
    """The records in a file. :raises ValueError: the file is not one of records."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.records: list[Record] = []
        if path.exists():
            names = {field.name for field in fields(Record)}
            for number, entry in enumerate(json.loads(path.read_text(encoding="utf-8"))):
                if not isinstance(entry, dict) or set(entry) != names:
                    raise ValueError(f"{path}: entry {number} is not a record of this version: take --fresh, or move the file away")
                self.records.append(Record(**entry))

    def add(self, record: Record) -> None:
        self.records.append(record)
        self._write()

    def forget(self, cells: Iterable[Cell], tools: Sequence[str]) -> None:
        """Drop the records of these cells, as far as they are of these tools and the cell has them. What was there stays in `before.json`, once."""
        dropped = {(cell.name, tool) for cell in cells for tool in cell.tools if tool in tools}
        kept = [record for record in self.records if (record.cell, record.tool) not in dropped]
        if len(kept) < len(self.records):
            self._path.with_name("before.json").write_bytes(self._path.read_bytes())
        self.records = kept
        self._write()

    def of(self, cell: str, tool: str, mode: str | None = None) -> list[Record]:
        return [record for record in self.records if record.cell == cell and record.tool == tool and mode in (None, record.mode)]

    def best_mode(self, cell: str, tool: str) -> str | None:
        """The mode with the lowest median time of those in which all went well; None when there is none."""
        medians = {mode: median(self.of(cell, tool, mode), lambda record: record.wall_s) for mode in {record.mode for record in self.of(cell, tool)}}
        usable = {mode: value for mode, value in medians.items() if value is not None}
        return min(usable, key=lambda mode: usable[mode]) if usable else None

    def best(self, cell: str, tool: str) -> list[Record]:
        """The good records of a tool's best mode in a cell."""
        mode = self.best_mode(cell, tool)
        return [] if mode is None else [record for record in self.of(cell, tool, mode) if record.good]

    def _write(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps([asdict(record) for record in self.records], indent=1) + "\n", encoding="utf-8")
        new.replace(self._path)


def median(records: Iterable[Record], value: Callable[[Record], float]) -> float | None:
    """The median over the records in which all went well; None when in the half of them or more it did not."""
    found = list(records)
    good = [value(record) for record in found if record.good]
    return statistics.median(good) if len(good) * 2 > len(found) else None
