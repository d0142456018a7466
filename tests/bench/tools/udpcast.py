# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""udp-sender and udp-receiver (Debian's udpcast): multicast with acknowledgements by the slice, or without and with erasure code."""

from __future__ import annotations

from collections.abc import Sequence

from ...lab.network import HOST_INTERFACE
from ..cells import Cell
from .tool import Attempt, Outcome, Tool, run_ends

_PORT = 9000  # and the next one
#: Where ends find each other. By default that is the interface's broadcast address, and those of the lab have none.
_RENDEZVOUS = "224.0.0.1"


class Udpcast(Tool):
    """Modes: duplex and half (acknowledgements, the manual's full and half duplex), fec (full duplex, with
    erasure code), async (erasure code alone)."""

    name = "udpcast"

    def modes(self, cell: Cell) -> Sequence[str]:
        if not cell.rate_mbit:
            return ("duplex", "half")
        return ("fec", "duplex", "async") if cell.loss else ("duplex", "half", "async")

    def run(self, attempt: Attempt) -> Outcome:
        ground, cell = attempt.ground, attempt.cell
        common = ["--portbase", str(_PORT), "--mcast-rdv-address", _RENDEZVOUS, "--nokbd"]
        receiver = ["udp-receiver", *common, "--interface", HOST_INTERFACE, "--start-timeout", "30", "--receive-timeout", "10", "--exit-wait", "100"]
        # Half a second less than the default at the end: what the last receiver waits is not to be held against it.
        receivers = [ground.start(name, [*receiver, "--file", attempt.artifact], attempt.logs / name) for name in ground.hosts]
        ground.wait_for_sockets(_PORT)
        sender = ["udp-sender", *common, "--interface", ground.lab.interface, "--file", str(attempt.source.path), *_options(attempt.mode, cell)]
        return run_ends(attempt, sender, receivers)


def _options(mode: str, cell: Cell) -> list[str]:
    # The rate counts everything down to IP; the link of the lab counts Ethernet's 14 bytes besides.
    rate = ["--max-bitrate", f"{cell.rate_mbit * 97 // 100}m"] if cell.rate_mbit else []
    start = ["--min-receivers", str(cell.receivers), "--max-wait", "20"]
    if cell.loss:
        # A receiver whose answer from the sender is lost asks again only when it hears of the sender again.
        start += ["--rexmit-hello-interval", "100"]
    if mode == "half":
        return ["--half-duplex", *start, *rate]
    if mode == "fec":
        return ["--full-duplex", "--fec", "8x8/128", *start, *rate]
    if mode == "async":
        # Receivers do not answer: the sender starts after some hellos.
        return ["--async", "--fec", "8x8/128", "--rexmit-hello-interval", "50", "--autostart", "4", *rate]
    return ["--full-duplex", *start, *rate]
