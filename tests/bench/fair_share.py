# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a session without a ceiling and one TCP stream (iperf3) leave each other of a link that they share; prints JSON.

Needs root and iperf3. ``build/venv/bin/python tests/bench/fair_share.py --rate 100 --where port``
"""

from __future__ import annotations

import argparse
import json
import subprocess
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
    parser.add_argument("--rate", type=float, default=100, help="the link's rate, Mbit/s")
    parser.add_argument("--where", choices=("sender", "port"), default="port", help="shape the sender's link, or the receivers' ports, where it cannot be felt")
    parser.add_argument("--queue-kb", type=int, default=256)
    parser.add_argument("--seconds", type=float, default=8)
    return parser.parse_args()


def measure(arguments: argparse.Namespace, folder: Path, net: Net) -> dict[str, Any]:
    """Two receivers; TCP goes from the sender to the first, three seconds after the session began, which lasts longer than it."""
    seconds = arguments.seconds
    size = int(arguments.rate * 1e6 / 8 * (seconds + 10))
    with Session(folder, size, 2, net, limits={"session": 120}) as session:
        server = subprocess.Popen([*net.enter("r0"), "iperf3", "-s", "-1"], stdout=subprocess.DEVNULL)
        session.start_receivers()
        session.start_sender()
        began, alone = net.sent_bytes(), 0
        for _ in range(6):
            time.sleep(0.5)
            alone, began = net.sent_bytes() - began, net.sent_bytes()
        client = subprocess.run(
            [*net.enter("sender"), "iperf3", "-c", "10.99.0.2", "-t", str(seconds), "-J"], capture_output=True, text=True, timeout=seconds + 30, check=True
        )
        total = net.sent_bytes() - began
        running = session.processes["sender"].poll() is None
        server.wait(timeout=20)
    tcp = json.loads(client.stdout)["end"]["sum_sent"]
    tcp_mbit = tcp["bytes"] * 8 / tcp["seconds"] / 1e6
    return {
        "rate_mbit": arguments.rate,
        "where": arguments.where,
        "alone_mbit": round(alone * 8 / 0.5 / 1e6, 1),
        "tcp_mbit": round(tcp_mbit, 1),
        "engine_sent_mbit": round(total * 8 / tcp["seconds"] / 1e6 - tcp_mbit, 1),
        "tcp_share": round(tcp_mbit / arguments.rate, 3),
        "session_outlasted_tcp": running,
    }


def main() -> int:
    arguments = parse()
    with tempfile.TemporaryDirectory() as folder, Net(2) as net:
        if arguments.where == "sender":
            net.set_rate(arguments.rate, arguments.queue_kb)
        else:
            net.segment_in_software()
            for name in net.names[1:]:
                net.set_bridge_rate(arguments.rate, name, arguments.queue_kb)
        print(json.dumps(measure(arguments, Path(folder), net), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
