# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A session with thousands of receivers in one process, on a network that is simulated: what does it cost, does the feedback stay in its slots?

``build/venv/bin/python tests/bench/simulation.py --receivers 1000 --megabytes 100 --loss 1`` prints one record as JSON. No root, no network.

The sender is the real one with its real parity, every packet is a real one, and every receiver is the real class with its real bitmaps and MACs. Two things are
left out, because a thousand processors would do them and here is one: receivers write no bytes, and solve no equations (they check that they could:
the symbols and parity they hold are enough, column by column). A few *witnesses* do it all, into real spools, and their files are compared with the source.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "build" / "collections"))

from ansible_collections.fleetcast.core.plugins.module_utils._artifact.layout import Layout, stream_identity  # noqa: E402
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.spool import Buffer, Spool  # noqa: E402
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.stream import StreamReader  # noqa: E402
from ansible_collections.fleetcast.core.plugins.module_utils._multicast import auth, session  # noqa: E402
from ansible_collections.fleetcast.core.plugins.module_utils._multicast.assembly import Assembly, _Section  # noqa: E402
from ansible_collections.fleetcast.core.plugins.module_utils._multicast.receiver import Receiver, _Cuts  # noqa: E402
from ansible_collections.fleetcast.core.plugins.module_utils._multicast.sender import Sender  # noqa: E402
from ansible_collections.fleetcast.core.tests.bench.virtual_net import Link, ReceiverPort, Station, VirtualNet, most_in_any  # noqa: E402

NETWORK = session.Network(group="239.255.42.1", port=42000)
#: Receivers that write, decode and verify everything.
WITNESSES = 2


class CountingSpool(Spool):
    """Keeps the marks of sections that are not finished, and no bytes."""

    def __init__(self, layout: Layout, identity: bytes) -> None:
        self.part = self.map = "nowhere"
        self.layout = layout
        self.identity = identity
        self.resumed = False
        self._done = bytearray(layout.sections)
        self._marks: dict[int, bytearray] = {}

    def write_row(self, *_row: Any, **_more: Any) -> None:
        """The bytes are for the witnesses."""

    def unmarked(self, first_symbol: int, count: int) -> int:
        section, begin = divmod(first_symbol, self.layout.section_symbols)
        return self._of(section).count(0, begin, begin + count)

    def mark(self, first_symbol: int, count: int) -> int:
        section, begin = divmod(first_symbol, self.layout.section_symbols)
        marks = self._of(section)
        new = marks.count(0, begin, begin + count)
        marks[begin : begin + count] = b"\1" * count
        return new

    def marks(self, section: int) -> bytes:
        return bytes(self._marks.get(section) or self.layout.symbols_in(section))

    def _of(self, section: int) -> bytearray:
        found = self._marks.get(section)
        if found is None:
            found = self._marks[section] = bytearray(self.layout.symbols_in(section))
        return found

    def verify_section(self, section: int, *_digest: Any, **_more: Any) -> bool:
        assert 0 not in self._of(section), "a section is to be verified that is not full"
        del self._marks[section]
        self._done[section] = 1
        return True

    @property
    def verified(self) -> bytes:
        return bytes(self._done)

    def close(self) -> None:
        pass


class CountingAssembly(Assembly):
    """Decides everything as ever, and counts what it would compute."""

    _nothing: ClassVar[dict[int, bytes]] = {}

    def _section(self, section: int) -> _Section:
        state = self._sections.get(section)
        if state is None:
            # One that was touched before: its digest is not made as the rows come.
            state = self._sections[section] = _Section(self.spool.marks(section).count(0), False)
        return state

    def add_parity(self, section: int, parity_row: int, column: int, payload: Buffer) -> bool:
        # One zero symbol for all, or a thousand receivers would not fit.
        return super().add_parity(section, parity_row, column, self._nothing.setdefault(len(payload), bytes(len(payload))))

    def _decode(self, section: int, state: _Section) -> None:
        layout = self.layout
        marks = self.spool.marks(section)
        first = layout.section_first_symbol(section)
        for column in range(layout.row_symbols):
            missing = [row for row, mark in enumerate(marks[column :: layout.row_symbols]) if not mark]
            assert len(missing) <= len(state.parity.get(column, ())), "decoding was begun with too little parity"
            for row in missing:
                symbol = first + row * layout.row_symbols + column
                self.spool.mark(symbol, 1)
                self.missing_bytes -= min(layout.symbol_size, layout.size - symbol * layout.symbol_size)
                self.decoded_symbols += 1


class SimulatedReceiver(Receiver):
    """Shares the views of the one receive buffer with all others, and may count instead of compute."""

    def share(self, views: dict[tuple[int, int], _Cuts]) -> None:
        self._cuts = views

    def count_only(self) -> None:
        self._assembly = CountingAssembly(self._assembly.spool, self._digest_failed)


class Shape(NamedTuple):
    """What is simulated. Loss in percent, rates in Mbit/s, delay in milliseconds."""

    receivers: int
    size: int
    loss: float = 1.0
    burst: float = 1.0
    rate: float = 1000.0
    delay: float = 0.3
    seed: int = 1
    charge_cpu: bool = True


def simulate(shape: Shape, folder: Path) -> dict[str, Any]:
    """One session; its record. :raises AssertionError: somebody did not get what was sent."""
    source = folder / "source"
    source.write_bytes(os.urandom(shape.size))
    layout = Layout(shape.size)
    digests = _section_digests(source, layout)
    identity = stream_identity(layout, digests)
    keys = auth.SessionKeys(hashlib.sha256(b"%d" % shape.seed).digest())
    link = Link(shape.rate * 1e6, shape.delay / 1e3, shape.loss / 100, shape.burst, NETWORK.overhead)
    net = VirtualNet(link, shape.seed, shape.charge_cpu)
    limits = session.Limits(wait=60, ready=30, session=3600, host=30)
    spools: list[Spool] = []
    views: dict[tuple[int, int], _Cuts] = {}
    for index in range(shape.receivers):
        witness = index % max(1, shape.receivers // WITNESSES) == 0 and len(spools) < WITNESSES
        spool: Spool = CountingSpool(layout, identity)
        if witness:
            spool = Spool(str(folder / f"part{index}"), str(folder / f"map{index}"), layout, digests)
            spools.append(spool)
        port = ReceiverPort(net)
        receiver = SimulatedReceiver(
            NETWORK, keys.for_receiver(index), index, shape.receivers, spool, limits, clock=lambda: net.clock.now, open_socket=port.opened
        )
        receiver.share(views)
        if not witness:
            receiver.count_only()
        net.add(Station(receiver, port, link, f"{shape.seed} {index}"))
    names = [f"host{index}" for index in range(shape.receivers)]
    with StreamReader([(str(source), shape.size)]) as stream:
        net.clock.enter_sender()
        sender = Sender(
            NETWORK, keys, names, layout, digests, stream, shape.rate * 1e6, limits, clock=net.clock.sender_time, open_socket=net.open_sender
        )
        report = sender.run()
    net.run_on(limits.host + 5)
    assert report.all_completed, {verdict.reason for verdict in report.verdicts.values()}
    assert all(station.receiver.over and station.receiver.result().completed for station in net.stations)
    for spool in spools:
        assert spool.complete
        spool.close()
        assert _sha256(Path(spool.part)) == _sha256(source), f"{spool.part} is not what was sent"
    return _record(shape, layout, net, report)


def _section_digests(source: Path, layout: Layout) -> list[bytes]:
    with source.open("rb") as file:
        return [hashlib.sha256(file.read(layout.section_bytes)).digest() for _section in range(layout.sections)]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _record(shape: Shape, layout: Layout, net: VirtualNet, report: session.SendReport) -> dict[str, Any]:
    size = shape.size
    sent = net.data.packets + net.control.packets
    stations = net.stations
    results = [station.receiver.result() for station in stations]
    return {
        **shape._asdict(),
        "seconds": round(report.seconds, 3),
        "phases": {name: round(seconds, 3) for name, seconds in report.phases.items()},
        "sender_cpu_s": round(net.clock.sender_cpu, 2),
        "transmissions": round(net.data.packets / layout.symbols, 4),
        # UDP payload with our own headers, everything that the sender sends.
        "bytes_ratio": round((net.data.payload_bytes + net.control.payload_bytes) / size, 4),
        # The same with Ethernet, IP and UDP headers.
        "link_bytes_ratio": round((net.data.link_bytes + net.control.link_bytes) / size, 4),
        "control_packets": net.control.packets,
        "feedback_packets": net.answers.packets,
        "feedback_ratio": round(net.answers.payload_bytes / size, 5),
        "feedback_link_ratio": round(net.answers.link_bytes / size, 5),
        "feedback_per_receiver": round(net.answers.packets / shape.receivers, 2),
        "peak_in_1_ms": most_in_any(net.answered, 0.001),
        "peak_in_10_ms": most_in_any(net.answered, 0.01),
        "peak_in_100_ms": most_in_any(net.answered, 0.1),
        "peak_in_1_s": most_in_any(net.answered, 1.0),
        "feedback_waiting_most": net.most_waiting,
        "lost_share": round(sum(station.lost for station in stations) / sent / len(stations), 5),
        "decoded_symbols": sum(result.decoded_symbols for result in results),
        "completed": sum(result.completed for result in results),
        "no_buffer_events": report.no_buffer_events,
    }


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--receivers", type=int, default=1000)
    parser.add_argument("--megabytes", type=float, default=100)
    parser.add_argument("--loss", type=float, default=1.0, help="loss at every receiver and on the way back, percent")
    parser.add_argument("--burst", type=float, default=1.0, help="mean length of a loss, packets")
    parser.add_argument("--rate", type=float, default=1000.0, help="rate of the sender's link, and its ceiling, Mbit/s")
    parser.add_argument("--delay", type=float, default=0.3, help="one way, milliseconds")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--free-cpu", action="store_true", help="the sender's computing takes no time: the same result on any machine")
    parser.add_argument("--profile", action="store_true", help="cProfile of everything")
    return parser.parse_args()


def main() -> int:
    arguments = parse()
    shape = Shape(
        arguments.receivers,
        int(arguments.megabytes * 1e6),
        arguments.loss,
        arguments.burst,
        arguments.rate,
        arguments.delay,
        arguments.seed,
        not arguments.free_cpu,
    )
    with tempfile.TemporaryDirectory() as folder:
        if arguments.profile:
            import cProfile
            import pstats

            profile = cProfile.Profile()
            record = profile.runcall(simulate, shape, Path(folder))
            pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(35)
        else:
            record = simulate(shape, Path(folder))
    print(json.dumps(record, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
