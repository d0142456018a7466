# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables and pictures from the records. What they say is computed from the records alone."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from .cells import MULTICAST
from .charts import svg
from .pictures import NAMES, charts
from .results import Record, Results, median
from .targets import Verdict, link_limit_mbit, verdicts, wall

_BYTES = """\
Bytes are compared with the file's size in two ways: *UDP* is what the tool puts into UDP packets (the file, its own headers, repair), which the
targets are held against; *all* is what is on the sender's link, with Ethernet, IP and UDP headers besides."""
_CELLS = """\
Medians of the best mode of each tool. *times* is the tool's time in that of the engine (of `push`, among plays). *rate* is bits of the file per
second, in brackets the share of what the link can carry as payload. *CPU* is that of all processes of the sender, and of one host. *memory* is the
peak of the largest process."""
_COLUMNS = ("tool", "mode", "runs", "seconds", "times", "rate, Mbit/s", "bytes, UDP", "bytes, all", "CPU sender + host", "memory sender + host")


def write(results: Results, directory: Path, simulated: Sequence[dict[str, Any]] = ()) -> str:
    """Write `results.md` and the pictures for which there are records; the targets as text for the terminal. `simulated`: as in `verdicts`."""
    directory.mkdir(parents=True, exist_ok=True)
    pictures = []
    for name, chart in charts(results).items():
        if any(isinstance(value, float) for bars in chart.values.values() for value in bars.values()):
            (directory / f"{name}.svg").write_text(svg(chart), encoding="utf-8")
            pictures.append(name)
    (directory / "results.md").write_text(markdown(results, pictures, simulated), encoding="utf-8")
    return targets_text(verdicts(results, simulated))


def targets_text(found: Iterable[Verdict]) -> str:
    lines = ["", "Targets:"]
    for verdict in found:
        lines += [f"  {_word(verdict.reached):12} {verdict.target}", f"  {'':12} {verdict.figure}"]
    return "\n".join(lines)


def _word(reached: bool | None) -> str:
    return "not measured" if reached is None else "reached" if reached else "NOT REACHED"


# --- tables ---


def markdown(results: Results, pictures: Sequence[str], simulated: Sequence[dict[str, Any]]) -> str:
    cells = list(dict.fromkeys(record.cell for record in results.records))
    parts = [
        "# Results of `make bench`",
        "",
        "Written by the benchmark itself; [benchmarks.md](../benchmarks.md) says what was measured, how, and how to repeat it.",
        "",
        _conditions(results.records),
        "",
        "## Targets",
        "",
        "| target | figure | |",
        "|---|---|---|",
        *(f"| {verdict.target} | {verdict.figure} | {_word(verdict.reached)} |" for verdict in verdicts(results, simulated)),
        "",
        _BYTES,
        "",
        *(line for name in pictures for line in (f"![{name}]({name}.svg)", "")),
        "## Cells",
        "",
        _CELLS,
        "",
    ]
    for cell in cells:
        parts += [f"### {cell}", "", *_table(results, cell), ""]
    parts += ["## Command lines", "", "Of the sender, in the mode that was best anywhere.", "", *_commands(results), ""]
    return "\n".join(parts)


def _conditions(records: Sequence[Record]) -> str:
    commits = ", ".join(dict.fromkeys(record.commit for record in records))
    storage = ", ".join(dict.fromkeys(record.storage for record in records))
    times = sorted(record.when for record in records)
    span = f"{times[0]} to {times[-1]}" if times else "never"
    return (
        f"{len(records)} transfers, {span}, commit {commits}; {os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()};"
        f" files at the hosts on {storage}."
    )


def _table(results: Results, cell: str) -> list[str]:
    lines = [_line(_COLUMNS), _line(["---"] * len(_COLUMNS))]
    tools = list(dict.fromkeys(record.tool for record in results.records if record.cell == cell))
    reference = wall(results, cell, "push" if "push" in tools else "engine")
    for tool in tools:
        mode = results.best_mode(cell, tool)
        if mode is None:
            tried = results.of(cell, tool)
            modes = ", ".join(dict.fromkeys(record.mode for record in tried))
            lines.append(_line([NAMES[tool], modes, str(len(tried)), "; ".join(map(_failure, tried)), *[""] * (len(_COLUMNS) - 4)]))
        else:
            lines.append(_row(results, cell, tool, mode, reference))
    failed = [record for record in results.records if record.cell == cell and not record.good and results.best_mode(cell, record.tool) is not None]
    if failed:
        lines += ["", f"Transfers that failed: {'; '.join(_failure(record) for record in failed)}."]
    return lines


def _row(results: Results, cell: str, tool: str, mode: str, reference: float | None) -> str:
    records = results.best(cell, tool)
    first = records[0]

    def middle(name: str) -> float:
        return median(records, lambda record: float(getattr(record, name))) or 0.0

    times = "" if reference is None or tool == "iperf3" else f"{middle('wall_s') / reference:.2f}"
    share = f" ({middle('goodput_mbit') / link_limit_mbit(results, first):.1%})" if first.rate_mbit else ""
    payload = f"{middle('payload_ratio'):.3f}" if tool in MULTICAST else ""
    memory = [middle(name) / 2**20 for name in ("memory_sender_bytes", "memory_receiver_bytes")]
    return _line([
        NAMES[tool],
        mode,
        str(len(records)),
        f"{middle('wall_s'):.2f}",
        times,
        f"{middle('goodput_mbit'):.0f}{share}",
        payload,
        f"{middle('wire_ratio'):.3f}",
        f"{middle('sender_cpu_s'):.1f} + {middle('receiver_cpu_s'):.1f} s",
        f"{memory[0]:.0f} + {memory[1]:.0f} MiB",
    ])


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _failure(record: Record) -> str:
    """Tool, mode, what happened and who has the file: in words that can stand in a table."""
    happened = record.outcome if record.outcome != "ok" else "both ends report success"
    held = f"{record.holders} of {record.receivers} hosts have the file after {record.wall_s:.0f} s"
    return f"{NAMES[record.tool]} {record.mode}: {happened}, {held}".replace("|", "/")


def _commands(results: Results) -> list[str]:
    best: dict[str, str] = {}
    for record in results.records:
        if record.mode == results.best_mode(record.cell, record.tool):
            best.setdefault(f"{NAMES[record.tool]}, {record.mode}, {'shaped' if record.rate_mbit else 'unshaped'}", record.command)
    return [f"- {what}: `{command}`" for what, command in sorted(best.items())]
