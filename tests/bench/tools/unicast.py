# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tools that send to every host by itself: rsync over ssh, all hosts at once; and one iperf3 stream, which measures the link alone."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Sequence
from dataclasses import replace

from ..cells import Cell
from ..meter import SENDER
from ..results import OK
from .tool import TIMEOUT, Attempt, Outcome, Tool, last_words, run_ends

#: The fastest cipher of OpenSSH where processors have AES; its default is another.
CIPHER = "Ciphers=aes128-gcm@openssh.com"
_IPERF_PORT = 5201


def limit_s(cell: Cell) -> float:
    """A limit for tools that send the file once for every host, over ssh."""
    return 60 + 3 * cell.ideal_s * cell.receivers


class Rsync(Tool):
    """Mode: whole (nothing to compare with at the hosts, so whole files, in place)."""

    name = "rsync"

    def modes(self, cell: Cell) -> Sequence[str]:
        return ("whole",)

    def limit_s(self, cell: Cell) -> float:
        return limit_s(cell)

    def run(self, attempt: Attempt) -> Outcome:
        ground, lab = attempt.ground, attempt.ground.lab
        options = (f"UserKnownHostsFile={lab.known_hosts}", "GlobalKnownHostsFile=/dev/null", "StrictHostKeyChecking=yes", "IdentitiesOnly=yes", CIPHER)
        ssh = shlex.join(["ssh", "-F", "none", "-i", str(lab.key), *(word for option in options for word in ("-o", option))])
        began = time.monotonic()
        senders = []
        for name, host in ground.hosts.items():
            argv = ["rsync", "--whole-file", "--inplace", "-e", ssh, str(attempt.source.path), f"root@{host.ipv4}:{attempt.artifact}"]
            senders.append(ground.start(SENDER, argv, attempt.logs / name))
        ended = ground.wait_for(senders, began + attempt.limit_s)
        wall_s = time.monotonic() - began
        command = f"rsync --whole-file --inplace -e 'ssh -o {CIPHER}' FILE root@HOST:DEST, all hosts at once"
        failed = [name for name, process in zip(ground.hosts, senders, strict=True) if process.poll() != 0]
        said = last_words(attempt.log(failed[0])) if failed else ""
        return Outcome(wall_s, TIMEOUT if not ended else f"failed for {', '.join(failed)}" if failed else OK, said=said, command=command)


class Iperf3(Tool):
    """Modes: udp and tcp, one stream to the first host of as many bytes as the file has. It brings no file."""

    name = "iperf3"

    def modes(self, cell: Cell) -> Sequence[str]:
        return ("udp", "tcp")

    def run(self, attempt: Attempt) -> Outcome:
        ground, cell = attempt.ground, attempt.cell
        for name in ground.hosts:
            ground.start(name, ["iperf3", "--server", "--one-off"], attempt.logs / name)
        ground.wait_for_sockets(_IPERF_PORT, "tcp")
        target = next(iter(ground.hosts.values())).ipv4
        # UDP: packets as large as fit, at the rate at which they fill the link with their headers (42 bytes in 1514).
        udp = ["--udp", "--length", "1472", "--bitrate", f"{int(cell.rate_mbit * 1e6 * 1472 / 1514)}"]
        sender = ["iperf3", "--client", target, "--bytes", str(cell.bytes), "--json", *(udp if attempt.mode == "udp" else [])]
        outcome = run_ends(attempt, sender, [], wait_for_receivers=False)
        _, brace, text = attempt.log(SENDER).partition("{")  # a warning may stand before it
        end = json.loads(brace + text).get("end", {}) if outcome.outcome == OK and brace else {}
        total = end.get("sum_received") or end.get("sum") or {}
        received_bits_s = float(total.get("bits_per_second", 0)) * (1 - float(total.get("lost_percent", 0)) / 100)
        if not received_bits_s:
            return replace(outcome, outcome=outcome.outcome if outcome.outcome != OK else "it reports no rate")
        # What arrived per second makes the time that this file would have taken.
        return replace(outcome, session_s=round(cell.bytes * 8 / received_bits_s, 3), said="")
