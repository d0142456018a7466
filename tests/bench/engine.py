# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the engine alone: one sender and n receivers as processes in network namespaces, and print what it cost as JSON.

Needs root. ``build/venv/bin/python tests/bench/engine.py --receivers 8 --megabytes 200 --rate 200 --loss 1``
"""

from __future__ import annotations

import argparse
import json
import pstats
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "build" / "collections"))

from ansible_collections.fleetcast.core.tests.bench.engine_ends import Session  # noqa: E402
from ansible_collections.fleetcast.core.tests.bench.engine_net import Net  # noqa: E402


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--receivers", type=int, default=4)
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--rate", type=float, help="rate of the sender's link, Mbit/s (tbf)")
    parser.add_argument("--bridge-rate", type=float, help="rate of every receiver's port, Mbit/s: a bottleneck that the sender cannot feel")
    parser.add_argument("--ceiling", type=float, help="ceiling given to the sender, Mbit/s; 0: none (default: the link's rate)")
    parser.add_argument("--loss", type=float, default=0.0, help="independent loss at every receiver's port, percent")
    parser.add_argument("--burst", type=int, default=1, help="packets that are lost in a row (default: 1, independent)")
    parser.add_argument("--slow-port", type=float, help="rate of the last receiver's port, Mbit/s; it need not complete")
    parser.add_argument("--no-gso", action="store_true")
    parser.add_argument("--no-gro", action="store_true")
    parser.add_argument("--segment", action="store_true", help="cut batches at the sender's device (always so with --loss)")
    parser.add_argument("--directory", help="where the files are made (default: a temporary directory)")
    parser.add_argument("--profile", action="store_true", help="cProfile of the sender and the first receiver")
    return parser.parse_args()


def main() -> int:
    arguments = parse()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as folder, Net(arguments.receivers, arguments.rate, arguments.loss) as net:
        if arguments.loss or arguments.segment:
            net.segment_in_software()
        if arguments.bridge_rate:
            for name in net.names[1:]:
                net.set_bridge_rate(arguments.bridge_rate, name)
        if arguments.burst > 1:
            net.set_loss(arguments.loss, burst=arguments.burst)
        if arguments.slow_port:
            net.set_bridge_rate(arguments.slow_port, net.names[-1])
        record = measure(arguments, Path(folder), net)
    print(json.dumps(record, indent=1))
    return 0 if record["verified"] else 1


def measure(arguments: argparse.Namespace, folder: Path, net: Net) -> dict[str, Any]:
    size = arguments.megabytes * 1_000_000
    ceiling = arguments.rate if arguments.ceiling is None else arguments.ceiling
    network = {"gso": not arguments.no_gso, "gro": not arguments.no_gro}
    with Session(folder, size, arguments.receivers, net, network, {"session": 300}, ceiling) as session:
        before = net.sent_bytes()
        started = time.monotonic()
        for index in range(arguments.receivers):
            session.start_receiver(index, profile=arguments.profile and index == 0)
        session.start_sender(profile=arguments.profile)
        outs = session.results(timeout=330)
        wall = time.monotonic() - started
        link_bytes = net.sent_bytes() - before
        complete = arguments.receivers - bool(arguments.slow_port)
        verified = all(session.holds(index) for index in range(complete))
    if arguments.profile:
        for name in ("sender", "r0"):
            pstats.Stats(str(folder / f"{name}.json.prof"), stream=sys.stderr).sort_stats("tottime").print_stats(18)
    sender = outs.pop("sender")
    receivers = list(outs.values())
    return {
        "receivers": arguments.receivers,
        "bytes": size,
        "rate_mbit": arguments.rate,
        "loss": arguments.loss,
        "wall_s": round(wall, 3),
        "session_s": round(sender["seconds"], 3),
        "goodput_mbit": round(size * 8 / 1e6 / sender["seconds"], 1),
        "link_bytes_ratio": round(link_bytes / size, 4),
        "sender_cpu_s": round(sender["user_s"] + sender["system_s"], 3),
        "receiver_cpu_s": [round(out["user_s"] + out["system_s"], 3) for out in receivers],
        # Before the first packet of data and after the last receiver's verdict there is start-up, and what the ready phase waits for.
        "transfer_s": round(max(out["ended"] for out in receivers[:complete]) - sender["began"] - sender["phases"]["ready"], 3),
        "verified": verified and all(out.get("completed") for out in receivers[:complete]),
        "sender": sender,
        "first_receiver": receivers[0],
    }


if __name__ == "__main__":
    sys.exit(main())
