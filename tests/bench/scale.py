# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The curves of docs/benchmarks/scale.md: bytes and feedback from ten receivers to ten thousand, simulated (simulation.py), and drawn.

``build/venv/bin/python tests/bench/scale.py`` writes ``build/bench/scale.json`` and ``docs/benchmarks/scale.svg``; some minutes, no root.
``--cells 1000x100`` simulates only these, ``--draw`` draws what is in the file.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "build" / "collections"))

from ansible_collections.fleetcast.core.plugins.module_utils._artifact.layout import SECTION_ROWS  # noqa: E402
from ansible_collections.fleetcast.core.tests.bench.curves import Panel, svg  # noqa: E402
from ansible_collections.fleetcast.core.tests.bench.simulation import Shape, simulate  # noqa: E402

RESULTS = ROOT / "build" / "bench" / "scale.json"
PICTURE = ROOT / "docs" / "benchmarks" / "scale.svg"
LOSS = 0.01
#: Receivers and megabytes. What a receiver says whatever the size is the larger part of little data, so both are told apart by two sizes.
CELLS = "10x100 30x100 100x100 300x100 1000x20 1000x100 3000x20 10000x20"


def transmissions(receivers: int, loss: float = LOSS, rows: int = SECTION_ROWS) -> float:
    """By theory: how often a packet goes out when exactly the parity is sent that the worst of all receivers needs, per packet of data."""
    expected, sent = 0.0, rows
    while True:
        # P(a receiver has less than `rows` of `sent` packets), then P(any of all receivers).
        short = sum(math.comb(sent, lost) * loss**lost * (1 - loss) ** (sent - lost) for lost in range(sent - rows + 1, sent + 1))
        anybody = 1 - (1 - min(short, 1.0)) ** receivers
        if anybody < 1e-9:
            return (rows + expected) / rows
        expected += anybody
        sent += 1


def run(cells: list[tuple[int, float]]) -> list[dict[str, Any]]:
    records = []
    for receivers, megabytes in cells:
        with tempfile.TemporaryDirectory() as folder:
            record = simulate(Shape(receivers, int(megabytes * 1e6), LOSS * 100), Path(folder))
        print(json.dumps(record), flush=True)
        records.append(record)
    return records


def fixed_and_growing(records: list[dict[str, Any]], receivers: int) -> tuple[float, float]:
    """Bytes of feedback per receiver whatever the size, and per byte of the artifact, from two sizes with the same receivers."""
    sizes = sorted((record["size"], record["feedback_link_ratio"] * record["size"]) for record in records if record["receivers"] == receivers)
    (one, little), (other, much) = sizes
    growing = (much - little) / (other - one)
    return (little - growing * one) / receivers, growing


def draw(records: list[dict[str, Any]]) -> str:
    best = {record["receivers"]: record for record in sorted(records, key=lambda record: record["size"])}
    counts = sorted(best)
    fixed, growing = fixed_and_growing(records, 1000)
    bytes_panel = Panel(
        "Bytes from the sender, against the artifact (UDP payload: data, parity, polls, all with our own headers)",
        {
            "simulated": [(count, best[count]["bytes_ratio"]) for count in counts],
            "theory, with our headers": [(count, transmissions(count) * 1416 / 1400) for count in counts],
            "simulated, with Ethernet, IP and UDP headers": [(count, best[count]["link_bytes_ratio"]) for count in counts],
        },
        base=1.0,
        limit=(1.09, "target for 1,000: 1.09"),
    )
    feedback_panel = Panel(
        "Feedback with all headers, percent of the artifact",
        {
            "100 MB, simulated": [(count, 100 * best[count]["feedback_link_ratio"]) for count in counts if best[count]["size"] == 100_000_000],
            "100 MB, computed": [(count, 100 * (fixed * count / 1e8 + growing)) for count in counts if count >= 1000],
            "1 GB, computed": [(count, 100 * (fixed * count / 1e9 + growing)) for count in counts if count >= 1000],
        },
        limit=(1.0, "target for 1,000: 1 %"),
    )
    print(f"feedback: {fixed:.0f} bytes per receiver, and {100 * growing:.2f} % of the data")
    subtitle = "1 % independent loss at every receiver and on the way back; real sender, real packets, receivers in one process"
    return svg("Ten to ten thousand receivers", subtitle, [bytes_panel, feedback_panel], "build/venv/bin/python tests/bench/scale.py")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--cells", default=CELLS, help="receivers x megabytes, with spaces between")
    parser.add_argument("--draw", action="store_true", help="draw only")
    arguments = parser.parse_args()
    fresh = [] if arguments.draw else run([(int(cell.split("x")[0]), float(cell.split("x")[1])) for cell in arguments.cells.split()])
    known: list[dict[str, Any]] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else []
    if fresh:
        shapes = {(record["receivers"], record["size"]) for record in fresh}
        kept = [record for record in known if (record["receivers"], record["size"]) not in shapes]
        known = sorted(kept + fresh, key=lambda record: (record["receivers"], record["size"]))
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        RESULTS.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    if len({record["size"] for record in known if record["receivers"] == 1000}) == 2:
        PICTURE.write_text(draw(known), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
