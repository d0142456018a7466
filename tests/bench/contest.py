# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The run: every cell, every repetition, every tool in turn, each transfer a record."""

from __future__ import annotations

import datetime
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ..lab import LabError
from .cells import Cell
from .ground import Ground, commit
from .meter import SENDER, link_counters
from .results import Record, Results
from .tools import TOOLS
from .tools.tool import Attempt, Tool

Say = Callable[[str], None]


class Contest:
    """Measures cells, and keeps what it measures in `results`, and what the tools wrote in `logs`. What is there already is not measured again.

    :param ends_at: the time of the monotonic clock from which a quick run begins nothing more. A quick run tries one mode of every tool.
    """

    def __init__(self, results: Results, tools: Sequence[str], repetitions: int, storage: str, logs: Path, say: Say, ends_at: float | None = None) -> None:
        self._results = results
        self._tools = tools
        self._repetitions = repetitions
        self._storage = storage
        self._logs = logs
        self._say = say
        self._quick = ends_at is not None
        self._ends_at = float("inf") if ends_at is None else ends_at
        self.not_run: list[str] = []

    def run(self, cells: Sequence[Cell]) -> None:
        """Measure the cells; those of one number of hosts one after the other, so that a lab is built once for them."""
        for receivers in dict.fromkeys(cell.receivers for cell in cells):
            wanted = [cell for cell in cells if cell.receivers == receivers and self._pending(cell)]
            if wanted:
                with Ground(receivers, self._storage) as ground:
                    for cell in wanted:
                        self._cell(ground, cell)

    def _pending(self, cell: Cell) -> bool:
        return any(True for repetition in range(1, self._repetitions + 1) for _ in self._wanted(cell, repetition))

    def _wanted(self, cell: Cell, repetition: int) -> Iterator[tuple[Tool, str]]:
        """What a repetition still lacks: the first tries every mode, the others the best of those that reached all hosts."""
        for name in cell.tools:
            if name not in self._tools:
                continue
            best = self._results.best_mode(cell.name, name)
            modes = TOOLS[name].modes(cell)
            for mode in modes[:1] if self._quick else modes:
                done = any(record.repetition == repetition for record in self._results.of(cell.name, name, mode))
                if not done and (repetition == 1 or mode == best):
                    yield TOOLS[name], mode

    def _cell(self, ground: Ground, cell: Cell) -> None:
        try:
            ground.use(cell)
        except LabError as error:
            self.not_run.append(str(error))
            self._say(str(error))
            return
        for repetition in range(1, self._repetitions + 1):
            for tool, mode in list(self._wanted(cell, repetition)):
                if time.monotonic() + tool.limit_s(cell) * 0.25 > self._ends_at:
                    self.not_run.append(f"{cell.name} {tool.name} {mode}: the time for all is over")
                    continue
                record = self._measure(ground, cell, tool, mode, repetition)
                self._results.add(record)
                self._say(line(record))

    def _measure(self, ground: Ground, cell: Cell, tool: Tool, mode: str, repetition: int) -> Record:
        source = ground.source(cell.bytes)
        ground.clear()
        logs = self._logs / f"{cell.name}-{tool.name}-{mode}-{repetition}"
        shutil.rmtree(logs, ignore_errors=True)
        logs.mkdir(parents=True)
        limit_s = min(tool.limit_s(cell), max(5.0, self._ends_at - time.monotonic()))
        meter = ground.meter
        meter.begin()
        before = link_counters(ground.lab.interface)
        with meter.watch() as memory:
            outcome = tool.run(Attempt(ground, cell, source, mode, logs, limit_s))
        after = link_counters(ground.lab.interface)
        hosts_cpu_s = [meter.cpu_s(name) for name in ground.hosts]
        sender_cpu_s = meter.cpu_s(SENDER)
        meter.end_all()
        holders = 0 if tool.name == "iperf3" else ground.holders(source)
        return Record(
            cell=cell.name,
            tool=tool.name,
            mode=mode,
            receivers=cell.receivers,
            bytes=cell.bytes,
            rate_mbit=cell.rate_mbit,
            loss=cell.loss,
            loss_kind=cell.loss_kind,
            offload=cell.offload,
            repetition=repetition,
            wall_s=round(outcome.wall_s, 3),
            session_s=outcome.session_s,
            sender_cpu_s=round(sender_cpu_s, 3),
            receiver_cpu_s=round(sum(hosts_cpu_s) / len(hosts_cpu_s), 3),
            link_bytes=after[0] - before[0],
            link_packets=after[1] - before[1],
            memory_sender_bytes=outcome.memory_sender_bytes or memory.peak[SENDER],
            memory_receiver_bytes=outcome.memory_receiver_bytes or max(memory.peak[name] for name in ground.hosts),
            verified=holders == cell.receivers,
            holders=holders,
            outcome=outcome.outcome,
            said=outcome.said,
            command=outcome.command.replace(str(logs), "LOGS").replace(str(ground.scratch), "SCRATCH").replace(ground.lab.interface, "INTERFACE"),
            storage=ground.storage,
            commit=commit(),
            when=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        )


def line(record: Record) -> str:
    """A record for a person who waits."""
    held = "" if record.tool == "iperf3" else f", {record.holders}/{record.receivers} verified"
    return (
        f"{record.cell:28} {record.tool:8} {record.mode:10} {record.wall_s:7.2f} s  {record.goodput_mbit:6.0f} Mbit/s  wire {record.wire_ratio:6.3f}"
        f"  cpu {record.sender_cpu_s:5.1f} + {record.receiver_cpu_s:5.1f} s  {record.memory_sender_bytes >> 20} + {record.memory_receiver_bytes >> 20} MiB"
        f"  {record.outcome}{held}"
    )
