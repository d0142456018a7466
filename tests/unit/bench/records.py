# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records as a run would make them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible_collections.fleetcast.core.tests.bench.cells import Cell
from ansible_collections.fleetcast.core.tests.bench.results import Record

_CLEAN = Record(
    cell="", tool="engine", mode="auto", receivers=0, bytes=0, rate_mbit=0, loss=0, loss_kind="none", offload="all", repetition=1, wall_s=2.0, session_s=0,
    sender_cpu_s=1.0, receiver_cpu_s=0.5, link_bytes=0, link_packets=0, memory_sender_bytes=24 << 20, memory_receiver_bytes=21 << 20, verified=True, holders=0,
    outcome="ok", said="", command="engine --fast", storage="tmpfs", commit="0123456789ab", when="2026-11-24T20:00:00+00:00",
)  # fmt: skip


def record(cell: Cell, tool: str = "engine", **changes: Any) -> Record:
    """A transfer in which all went well and every packet was full, unless the changes say something else."""
    packets = -(-cell.bytes // 1400)
    common: dict[str, Any] = {
        "cell": cell.name,
        "tool": tool,
        "receivers": cell.receivers,
        "bytes": cell.bytes,
        "rate_mbit": cell.rate_mbit,
        "loss": cell.loss,
        "loss_kind": cell.loss_kind,
        "offload": cell.offload,
        "holders": cell.receivers,
        "link_packets": packets,
        "link_bytes": cell.bytes + packets * 58,
    }
    return replace(_CLEAN, **{**common, **changes})
