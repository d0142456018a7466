# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""uftp and uftpd (Debian's uftp): multicast in passes, repair by negative acknowledgements, without encryption."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Address

from ...lab.network import HOST_INTERFACE
from ..cells import Cell
from ..results import OK
from .tool import Attempt, Outcome, Tool, run_ends

_PORT = 1044
_GROUP, _DATA_GROUP = "230.4.4.1", "230.5.5.5"
_BUFFER = 8 << 20


class Uftp(Tool):
    """Modes: rate (fixed, just below the link's), unlimited (-R -1), tfmcc (congestion control)."""

    name = "uftp"

    def modes(self, cell: Cell) -> Sequence[str]:
        if not cell.rate_mbit:
            return ("unlimited", "rate")
        # With loss its congestion control takes it for congestion: four times slower than a fixed rate, and the run has no time for that.
        return ("rate",) if cell.loss else ("rate", "tfmcc")

    def run(self, attempt: Attempt) -> Outcome:
        ground, cell = attempt.ground, attempt.cell
        # A cache as large as it may be, no look-up of names.
        receiver = ["uftpd", "-d", "-q", "-I", HOST_INTERFACE, "-B", str(_BUFFER), "-c", "20971520", "-M", _GROUP, "-D", ground.directory]
        receivers = [ground.start(name, receiver, attempt.logs / name) for name in ground.hosts]
        ground.wait_for_sockets(_PORT)
        status = attempt.logs / "status"
        # Closed membership, a packet as large as fits, short round trips to begin with: the defaults are for far networks.
        hosts = ",".join(f"0x{int(IPv4Address(host.ipv4)):08X}" for host in ground.hosts.values())
        sender = [
            "uftp", *_options(attempt.mode, cell), "-B", str(_BUFFER), "-b", "1420", "-r", "0.05:0.01:1", "-S", str(status), "-I", ground.lab.interface,
            "-M", _GROUP, "-P", _DATA_GROUP, "-H", hosts, "-D", "artifact", str(attempt.source.path),
        ]  # fmt: skip
        outcome = run_ends(attempt, sender, receivers, wait_for_receivers=False)
        # It ends with 0 as long as one host has got it. Its status file says how many have.
        copied = len(re.findall(r"^RESULT;[^;]*;[^;]*;[^;]*;copy;", attempt.log("status"), re.MULTILINE))
        if outcome.outcome == OK and copied < cell.receivers:
            return replace(outcome, outcome=f"it says that {copied} of {cell.receivers} hosts have the file, and ends with 0")
        return outcome


def _options(mode: str, cell: Cell) -> list[str]:
    if mode == "unlimited":
        return ["-R", "-1"]
    if mode == "tfmcc":
        return ["-C", f"tfmcc:max={cell.rate_mbit * 1000}:init={cell.rate_mbit * 500}"]
    # Kbit/s of data blocks; headers are 5 % more. Where the link has no limit, a rate that two cores can keep up with.
    return ["-R", str(cell.rate_mbit * 940 if cell.rate_mbit else 400_000)]
