# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pictures of the comparison: which cells and tools stand in which."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .cells import MULTICAST, Cell
from .charts import Chart, words
from .results import Record, Results, median
from .targets import link_limit_mbit

NAMES = {
    "engine": "fleetcast engine", "udpcast": "udpcast", "uftp": "UFTP", "rsync": "rsync over ssh", "copy": "ansible.builtin.copy", "push": "fleetcast push",
    "iperf3": "iperf3, one stream",
}  # fmt: skip
_COMMAND = "sudo make bench"
_RECEIVERS = (1, 4, 8, 16)


def charts(results: Results) -> dict[str, Chart]:
    """All pictures by name; those without a record have no values."""
    return {
        "unshaped": Chart(
            "1 GB over a link without a limit", "no loss; all ends on the same cores; from the sender's start to the last end", "seconds", "less is better",
            _seconds(results, {f"{count} receiver{'s' if count > 1 else ''}": Cell(count, 1000).name for count in _RECEIVERS}, (*MULTICAST, "rsync", "copy")),
            f"{_COMMAND} ARGS=\"--cells 'unshaped-*x1000MB'\"", NAMES,
        ),
        "receivers": Chart(
            "100 MB over a link of 200 Mbit/s", "no loss; from the sender's start to the last end", "seconds", "less is better",
            _seconds(results, {f"{count} receivers": Cell(count, 100, 200).name for count in _RECEIVERS[1:]}, (*MULTICAST, "rsync", "copy")),
            f"{_COMMAND} ARGS=\"--cells '200M-*x100MB'\"", NAMES,
        ),
        "loss": Chart(
            "Rate under loss: 8 receivers, 200 Mbit/s", "100 MB; loss at every receiver's port; bursts: all, for 4 to 8 ms", "% of the link's payload rate",
            "more is better", _shares(results, 8), f"{_COMMAND} ARGS=\"--cells '200M-8x100MB*'\"", NAMES, (100.0, "what the link can carry"),
        ),
        "bytes": Chart(
            "Bytes on the sender's link under loss: 8 receivers", "100 MB at 200 Mbit/s; all headers included", "times the file", "less is better",
            _bytes(results, 8), f"{_COMMAND} ARGS=\"--cells '200M-8x100MB*'\"", NAMES,
        ),
        "offload": Chart(
            "The engine with and without the kernel's batches", "1 GB, 4 receivers, no limit, no loss", "seconds", "less is better",
            _seconds(results, {
                "GSO and GRO, virtual link": "unshaped-4x1000MB", "GSO and GRO, cut on the link": "unshaped-4x1000MB-wire", "GSO only": "unshaped-4x1000MB-gso",
                "neither": "unshaped-4x1000MB-none",
            }, ("engine",)),
            f"{_COMMAND} ARGS=\"--cells 'unshaped-4x1000MB*' --tools engine\"", NAMES,
        ),
        "play": Chart(
            "Whole plays: 200 MB to 8 hosts, sender's link of 200 Mbit/s", "from ansible-playbook's start to its end", "seconds", "less is better",
            _seconds(results, {"": "200M-8x200MB-play"}, ("push", "copy")), f"{_COMMAND} ARGS=\"--cells '*-play'\"", NAMES,
        ),
    }  # fmt: skip


def _seconds(results: Results, cells: dict[str, str], tools: Sequence[str]) -> dict[str, dict[str, float | str]]:
    return _values(results, cells, tools, lambda records: median(records, lambda record: record.wall_s))


def _shares(results: Results, receivers: int) -> dict[str, dict[str, float | str]]:
    def share(records: list[Record]) -> float | None:
        goodput = median(records, lambda record: record.goodput_mbit)
        return None if goodput is None else goodput / link_limit_mbit(results, records[0]) * 100

    return _values(results, _losses(receivers), MULTICAST, share)


def _bytes(results: Results, receivers: int) -> dict[str, dict[str, float | str]]:
    return _values(results, _losses(receivers), MULTICAST, lambda records: median(records, lambda record: record.wire_ratio))


def _losses(receivers: int) -> dict[str, str]:
    kinds = {"no loss": (0, "none"), "1 % of the packets": (1.0, "independent"), "5 %": (5.0, "independent"), "1 % in bursts": (1.0, "bursts")}
    return {name: Cell(receivers, 100, 200, loss, kind).name for name, (loss, kind) in kinds.items()}


def _values(results: Results, cells: dict[str, str], tools: Sequence[str], value: Callable[[list[Record]], float | None]) -> dict[str, dict[str, float | str]]:
    """A bar for every tool that was measured in a cell; a word for one that never got the file to all."""
    found: dict[str, dict[str, float | str]] = {}
    for group, cell in cells.items():
        bars: dict[str, float | str] = {}
        for tool in tools:
            best = results.best(cell, tool)
            number = value(best) if best else None
            if number is not None:
                bars[tool] = float(number)
            elif tried := results.of(cell, tool):
                bars[tool] = words([record.outcome for record in tried])
        if bars:
            found[group] = bars
    return found
