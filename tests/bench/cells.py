# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cells of the comparison: who gets how much over which network, and which tools take part."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

MULTICAST = ("engine", "udpcast", "uftp")
TOOLS = (*MULTICAST, "rsync", "copy", "push", "iperf3")

#: What the engine's ends and the sender's device do with batches (GSO, GRO); only the engine makes any.
#: all: batches pass the virtual link whole. wire: they are cut at the sender's device, as for a real wire, and joined again at the hosts.
#: gso: sent as batches, received one by one. none: one packet per call, one by one.
OFFLOADS = ("all", "wire", "gso", "none")


@dataclass(frozen=True)
class Cell:
    """One set of conditions. `rate_mbit` 0: the sender's link is not limited. `loss`: percent at every host's port, on the way to it."""

    receivers: int
    megabytes: int
    rate_mbit: int = 0
    loss: float = 0
    loss_kind: str = "none"
    offload: str = "all"
    tools: tuple[str, ...] = MULTICAST

    @property
    def name(self) -> str:
        """As `--cells` takes it: unshaped-4x1000MB, 200M-8x100MB-loss1, 200M-8x100MB-bursts1, unshaped-4x1000MB-wire."""
        link = f"{self.rate_mbit}M" if self.rate_mbit else "unshaped"
        loss = "" if not self.loss else f"-{'bursts' if self.loss_kind == 'bursts' else 'loss'}{self.loss:g}"
        offload = "" if self.offload == "all" else f"-{self.offload}"
        play = "-play" if "push" in self.tools else ""
        return f"{link}-{self.receivers}x{self.megabytes}MB{loss}{offload}{play}"

    @property
    def bytes(self) -> int:
        return self.megabytes * 1_000_000

    @property
    def ideal_s(self) -> float:
        """Seconds that the bytes take once over the link, with no header; an unlimited link is taken for 2 Gbit/s, what these machines manage."""
        return self.bytes * 8 / 1e6 / (self.rate_mbit or 2000)


def everything() -> Iterator[Cell]:
    """All cells, the headlines first."""
    yield from HEADLINES
    for receivers in (1, 4, 8, 16):
        yield Cell(receivers, 1000, tools=(*MULTICAST, "rsync", "copy") if receivers <= 4 else MULTICAST)
    for receivers in (1, 4, 8, 16):
        yield Cell(receivers, 100, tools=(*MULTICAST, "rsync", "copy"))
    for offload in OFFLOADS[1:]:
        yield Cell(4, 1000, offload=offload, tools=("engine",))
    for rate, counts in ((1000, (1, 4)), (200, (4, 8, 16))):
        for receivers in counts:
            yield Cell(receivers, 100, rate, tools=(*MULTICAST, "rsync", "copy", "iperf3"))
            for loss, kind in ((1.0, "independent"), (5.0, "independent"), (1.0, "bursts")):
                yield Cell(receivers, 100, rate, loss, kind)


def _quick() -> Iterator[Cell]:
    """What the targets are about, in five minutes."""
    yield Cell(4, 1000)
    yield Cell(1, 1000)
    yield Cell(8, 1, tools=("engine",))
    yield Cell(8, 100, 200, tools=(*MULTICAST, "iperf3"))
    yield Cell(8, 100, 200, 1.0, "independent")
    yield Cell(8, 100, 200, 5.0, "independent", tools=("engine",))
    yield Cell(4, 100, 200, tools=("engine",))
    yield Cell(16, 100, 200, tools=("engine",))
    yield Cell(8, 200, 200, tools=("push", "copy"))


#: The cells of `QUICK=1`. Where the full matrix has a cell of the same name, it has more tools.
HEADLINES = (Cell(8, 1, tools=MULTICAST), Cell(8, 200, 200, tools=("push", "copy")))


def select(patterns: Sequence[str], quick: bool) -> list[Cell]:
    """The cells that are wanted, each name once. :raises ValueError: a pattern matches none."""
    cells: dict[str, Cell] = {}
    for cell in _quick() if quick else everything():
        cells.setdefault(cell.name, cell)
    if not patterns:
        return list(cells.values())
    for pattern in patterns:
        if not fnmatch.filter(cells, pattern):
            raise ValueError(f"no cell matches {pattern!r}; there are: {' '.join(cells)}")
    return [cell for name, cell in cells.items() if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)]
