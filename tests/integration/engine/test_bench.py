# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make bench` measures what it says it measures: real transfers, counted beside the tools that make them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.fleetcast.core.tests.bench.cells import Cell
from ansible_collections.fleetcast.core.tests.bench.contest import Contest
from ansible_collections.fleetcast.core.tests.bench.ground import Ground
from ansible_collections.fleetcast.core.tests.bench.results import Results

pytestmark = [pytest.mark.engine, pytest.mark.lab]

_ROOT = Path(__file__).resolve().parents[3]
_CELL = Cell(2, 8, 100, tools=("engine", "copy"))
#: Tells which of so many numbered packets arrive, until it is told that all are sent and there is none for a second.
_LISTEN = """
import select, socket, sys
listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
listener.setsockopt(socket.SOL_SOCKET, 33, 1 << 26)  # SO_RCVBUFFORCE: room for all of them
listener.bind(("", 5000))
arrived = bytearray(int(sys.argv[1]))
print("ready", flush=True)
wanted = [listener, sys.stdin]
while ready := select.select(wanted, [], [], 1 if len(wanted) == 1 else 60)[0]:
    if listener in ready:
        arrived[int(listener.recv(9))] = 1  # the rest of the packet is let go
    elif sys.stdin in ready:
        wanted.remove(sys.stdin)
print(arrived.hex())
"""
_SEND = """
import socket, sys
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for number in range(int(sys.argv[2])):
    sender.sendto(b"%-1400d" % number, (sys.argv[1], 5000))
"""


@pytest.fixture(scope="module")
def ground() -> Iterator[Ground]:
    with Ground(2, "tmpfs") as made:
        yield made


@pytest.mark.timeout(300)
def test_a_cell_is_measured_once(tmp_path: Path) -> None:
    """All modes of the engine and of copy, each verified; and when it is asked for again, nothing is done."""
    results = Results(tmp_path / "results.json")
    said: list[str] = []
    contest = Contest(results, ["engine", "copy"], 1, "tmpfs", tmp_path / "logs", said.append)
    contest.run([_CELL])
    assert [(record.tool, record.mode, record.outcome, record.holders) for record in results.records] == [
        ("engine", "auto", "ok", 2),
        ("engine", "ceiling", "ok", 2),
        ("copy", "forks", "ok", 2),
    ]
    assert contest.not_run == []
    for record in results.records:
        # 8 MB at 100 Mbit/s take 0.64 s at least, whatever one claims; copy sends them twice. What the queue of the link lets through at once is 10 ms.
        times = 2 if record.tool == "copy" else 1
        assert record.wall_s > 0.6 * times
        assert times <= record.wire_ratio < 1.4 * times
        assert 0 < record.sender_cpu_s < 60
        assert 0 < record.receiver_cpu_s < 60
        # A Python at either end.
        assert record.memory_sender_bytes > 5 << 20
        assert record.memory_receiver_bytes > 5 << 20
    contest = Contest(Results(tmp_path / "results.json"), ["engine", "copy"], 1, "tmpfs", tmp_path / "logs", said.append)
    contest.run([_CELL])
    assert len(said) == 3


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("loss", "kind"), [(0.0, "none"), (10.0, "independent"), (10.0, "bursts")])
def test_packets_are_lost_as_the_cell_says(ground: Ground, loss: float, kind: str) -> None:
    ground.use(replace(_CELL, rate_mbit=200, loss=loss, loss_kind=kind))
    host = ground.hosts["host2"]
    count = 20_000
    command = host.in_network([sys.executable, "-c", _LISTEN, str(count)])
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as listener:
        assert listener.stdin is not None and listener.stdout is not None
        assert listener.stdout.readline() == "ready\n"
        subprocess.run([sys.executable, "-c", _SEND, host.ipv4, str(count)], check=True, timeout=60)
        listener.stdin.close()
        arrived = bytes.fromhex(listener.stdout.readline())
    lost = [number for number in range(count) if not arrived[number]]
    runs = [number for number in lost if number == 0 or arrived[number - 1]]
    if kind == "bursts":
        # Bursts have a length in time: a machine that is busy with other things sends fewer packets meanwhile.
        assert 0.01 < len(lost) / count < 0.25
        assert len(lost) / len(runs) > 15
    else:
        assert len(lost) == pytest.approx(count * loss / 100, rel=0.2)
        assert len(lost) < 2 * max(1, len(runs))


@pytest.mark.timeout(120)
def test_a_wrong_file_is_not_verified(ground: Ground) -> None:
    ground.use(_CELL)
    source = ground.source(1_000_000)
    ground.clear()
    content = source.path.read_bytes()
    ground.target("host1").write_bytes(content)
    assert ground.holders(source) == 1  # host2 has none
    ground.target("host2").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert ground.holders(source) == 1
    ground.target("host2").write_bytes(content)
    assert ground.holders(source) == 2


def test_the_command_line_says_what_it_cannot_do() -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-m", "tests.bench", *arguments], cwd=_ROOT, capture_output=True, text=True, timeout=60, check=False)

    wrong = run("--cells", "300M-*")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert wrong.stderr.startswith("bench: no cell matches '300M-*'; there are: ")
    listed = run("--list", "--quick")
    assert listed.returncode == 0
    assert "unshaped-4x1000MB" in listed.stdout
