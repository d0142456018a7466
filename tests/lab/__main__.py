# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's command line: `python3 -m tests.lab --help`, from the project's root. docs/lab.md shows its use."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from .lab import Lab
from .system import LabError
from .topology import Topology, tiers

_SIZES = {"K": 1024, "M": 1024**2, "G": 1024**3}


def _size(text: str) -> int:
    unit = _SIZES.get(text[-1:].upper())
    return int(text[:-1]) * unit if unit else int(text)


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--name", default=os.environ.get("LAB") or "lab", help="name of the lab (default: $LAB, or `lab`)")
    parser = argparse.ArgumentParser(prog="tests.lab", description="Hosts made of network namespaces, for tests and for the demo.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, text: str, *arguments: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, parents=[common], help=text, description=text)
        for argument in arguments:
            added.add_argument(argument)
        return added

    up = command("up", "build hosts, and wait until ssh answers on all of them")
    up.add_argument("hosts", type=int, nargs="?", help="how many, in one network")
    up.add_argument("--tiers", metavar="SERVERSxRECIPIENTS", help="instead: so many distribution servers, with so many recipients behind each (3x4)")
    up.add_argument("--systemd", nargs="?", const="all", default="", metavar="HOST,...", help="hosts that boot systemd (all, when none is named)")
    command("down", "remove the hosts and everything of theirs, also what a crash left")
    command("status", "show the hosts").add_argument("--json", action="store_true")
    command("power-on", "power a host on, and wait until ssh answers", "host")
    command("power-off", "shut a host down", "host").add_argument("--kill", action="store_true", help="as a power cut: at once")
    for name, unit, text in (
        ("loss", "percent", "drop this share of packets at a host's port"),
        ("host-rate", "mbit", "limit a host's link, in Mbit/s; 0: no limit"),
    ):
        added = command(name, text, "host")
        added.add_argument(unit, type=float)
        added.add_argument("--direction", choices=("to", "from", "both"), default="to", help="to the host (default), from it, or both")
    command("rate", "limit the sender's link, from the controller to the switch, in Mbit/s; 0: no limit").add_argument("mbit", type=float)
    command("cut", "pull a host's cable", "host")
    command("rejoin", "put a host's cable back", "host")
    command("bytes", "show the bytes that the controller and each host have sent and received").add_argument("--json", action="store_true")
    command("disk", "give a host a small disk, or grow it", "host").add_argument("size", type=_size, help="bytes in all, or 300M, 2G; 0: no limit")
    command("reset", "take back loss, rates, cuts and disks, and power on what is off")
    for name, text in (("exec", "run a command on a host"), ("in-network", "run a command of this machine in a host's network")):
        command(name, text, "host").add_argument("argv", nargs=argparse.REMAINDER, metavar="-- COMMAND ...")
    return parser


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    cells = [[str(key) for key in rows[0]], *([str(value) for value in row.values()] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells)


def _show(rows: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    print(json.dumps(rows) if as_json else _table(rows))


def _run(arguments: argparse.Namespace) -> int:
    lab = Lab(arguments.name)
    command = arguments.command
    if command == "up":
        chosen = arguments.systemd
        if (arguments.hosts is None) == (arguments.tiers is None):
            raise LabError("how many hosts? `up 8`, or `up --tiers 3x4`")
        topology = tiers(arguments.tiers) if arguments.tiers else Topology(arguments.hosts)
        seconds = lab.up(topology, systemd=True if chosen == "all" else [name for name in chosen.split(",") if name])
        print(f"{topology.total} hosts answer ssh after {seconds:.1f} s; inventory: {lab.inventory}")
    elif command == "down":
        print(f"lab {lab.name!r} is removed" if lab.down() else f"there is no lab {lab.name!r}: nothing to do")
    elif command == "status":
        _show(lab.status(), arguments.json)
    elif command == "bytes":
        counters = lab.count_bytes()
        if arguments.json:
            print(json.dumps(counters))
        else:
            print(_table([{"port": port, **counter} for port, counter in counters.items()]))
    elif command == "power-on":
        lab.host(arguments.host).power_on()
    elif command == "power-off":
        lab.host(arguments.host).power_off(power_cut=arguments.kill)
    elif command == "loss":
        lab.set_loss(arguments.host, arguments.percent, arguments.direction)
    elif command == "rate":
        lab.set_rate(arguments.mbit)
    elif command == "host-rate":
        lab.set_host_rate(arguments.host, arguments.mbit, arguments.direction)
    elif command == "cut":
        lab.cut(arguments.host)
    elif command == "rejoin":
        lab.rejoin(arguments.host)
    elif command == "disk":
        lab.host(arguments.host).set_disk(arguments.size)
    elif command == "reset":
        lab.reset()
    else:
        return _run_command(lab, arguments)
    return 0


def _run_command(lab: Lab, arguments: argparse.Namespace) -> int:
    host = lab.host(arguments.host)
    argv = arguments.argv[1:] if arguments.argv[:1] == ["--"] else arguments.argv
    if not argv:
        raise LabError(f"which command? `{arguments.command} {host.name} -- COMMAND ...`")
    if arguments.command == "exec":
        return host.exec(argv).returncode
    return subprocess.run(host.in_network(argv), check=False).returncode


def main() -> int:
    """Return 0, or 2 when it cannot be done; the exit code of the command for `exec` and `in-network`."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `... status | head` ends quietly
    try:
        return _run(_parser().parse_args())
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
