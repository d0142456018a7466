#!/usr/bin/env python3
# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find and remove what a run of the tests left on the machine: labs, processes, namespaces, links, mounts, loop devices.

``leftovers.py note FILE`` before the run writes down the labs, namespaces and links that are there already.
``leftovers.py remove FILE`` after it removes what came since and still is there, and fails when it had to.

A process belongs to the run when it has the variable FLEETCAST_RUN of this script's environment, when it works in this
checkout's ``build/`` or names it in its command line, or when it lives in one of the run's namespaces.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
LAB_PREFIX = "fc-"
BENCH_NAME = re.compile(r"fce(\d+)x\d+-")  # tests/bench/namespaces.py: with the process that made it
MARK = "FLEETCAST_RUN"
PATIENCE_S = 10.0
SECOND_LOOK_S = 5.0


def ip(*arguments: str) -> str:
    if shutil.which("ip") is None:
        return ""
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True, timeout=30).stdout


def links() -> dict[str, str]:
    """Links of labs by name, with the state directory that the lab wrote into the alias."""
    described = json.loads(ip("-json", "link", "show") or "[]")
    return {link["ifname"]: link.get("ifalias", "") for link in described if link["ifname"].startswith(LAB_PREFIX)}


def namespaces() -> set[str]:
    """Names of all named network namespaces."""
    return {line.split()[0] for line in ip("netns", "list").splitlines() if line}


def of_other_checkouts() -> tuple[str, ...]:
    """Links of labs whose state is not in this checkout; their namespaces have the same name or begin with it."""
    return tuple(name for name, directory in links().items() if directory.startswith("/") and BUILD not in Path(directory).parents)


def labs() -> set[str]:
    """Names of this checkout's labs that are up."""
    return {state.parent.name for state in (BUILD / "lab").glob("*/state.json")}


def new_names(now: set[str], noted: list[str]) -> list[str]:
    """Those names of labs and benches that came since, without what another checkout's lab or a living bench has."""
    others = of_other_checkouts()
    found = []
    for name in sorted(now - set(noted)):
        bench = BENCH_NAME.match(name)
        if bench and not Path("/proc", bench[1]).exists():
            found.append(name)
        if name.startswith(LAB_PREFIX) and name not in others and not name.startswith(tuple(f"{other}-" for other in others)):
            found.append(name)
    return found


def left_namespaces(noted: list[str]) -> list[str]:
    """The run's namespaces. A lab that another checkout is just building has no link yet to tell whose it is: look twice."""
    first = new_names(namespaces(), noted)
    if first:
        time.sleep(SECOND_LOOK_S)
    return sorted(set(first) & set(new_names(namespaces(), noted)))


def own_line() -> set[int]:
    """This process and its ancestors."""
    line, pid = set(), os.getpid()
    while pid > 1:
        line.add(pid)
        status = Path(f"/proc/{pid}/status").read_text()
        pid = next(int(entry.split()[1]) for entry in status.splitlines() if entry.startswith("PPid:"))
    return line


def processes(in_namespaces: list[str]) -> dict[int, str]:
    """Command line of every process of the run, by process id."""
    wanted = set()
    for namespace in in_namespaces:
        wanted |= {int(pid) for pid in ip("netns", "pids", namespace).split()}
    mark = f"{MARK}={os.environ[MARK]}".encode() if os.environ.get(MARK) else None
    spared = own_line()
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        pid = int(entry.name)
        if pid in spared:
            continue
        try:
            command = (entry / "cmdline").read_bytes()
            environment = (entry / "environ").read_bytes().split(b"\0")
            directory = (entry / "cwd").readlink()
        except OSError:  # ended meanwhile, a kernel thread, or somebody else's
            if pid not in wanted:
                continue
        else:
            ours = mark in environment or f"{BUILD}/".encode() in command or directory == BUILD or BUILD in directory.parents
            if not ours and pid not in wanted:
                continue
        found[pid] = command.replace(b"\0", b" ").decode(errors="replace").strip()
    return found


def mounts() -> list[str]:
    """Mount points below build/, innermost first."""
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return sorted((point for point in points if BUILD in Path(point).parents), reverse=True)


def loop_devices() -> list[str]:
    """Loop devices on files below build/."""
    backing = Path("/sys/block").glob("loop*/loop/backing_file")
    return sorted(f"/dev/{path.parts[3]}" for path in backing if path.read_text().startswith(f"{BUILD}/"))


def remove(noted: dict[str, list[str]]) -> list[str]:
    """Remove what is left; returns a line for each."""
    report = []
    for lab in sorted(labs() - set(noted["labs"])):
        report.append(f"lab {lab}")
        down = [sys.executable, "-m", "tests.lab", "down", "--name", lab]
        subprocess.run(down, cwd=ROOT, check=False, timeout=120)  # what it cannot remove is found below
    in_namespaces = left_namespaces(noted["namespaces"])
    limit = time.monotonic() + PATIENCE_S
    while (left_processes := processes(in_namespaces)) and time.monotonic() < limit:
        time.sleep(0.2)
    report += [f"process {pid}: {command}" for pid, command in left_processes.items()]
    for pid in left_processes:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            report.append(f"process {pid} ended by itself")
    for point in mounts():
        report.append(f"mount {point}")
        subprocess.run(["umount", "--lazy", point], check=True, timeout=30)
    for device in loop_devices():
        report.append(f"loop device {device}")
        subprocess.run(["losetup", "--detach", device], check=True, timeout=30)
    for namespace in in_namespaces:
        report.append(f"network namespace {namespace}")
        ip("netns", "delete", namespace)
    for link in new_names(set(links()), noted["links"]):
        report.append(f"link {link}")
        ip("link", "delete", link)
    return report


def main() -> int:
    if len(sys.argv) != 3 or sys.argv[1] not in ("note", "remove"):
        print(__doc__, file=sys.stderr)
        return 2
    file = Path(sys.argv[2])
    if sys.argv[1] == "note":
        file.write_text(json.dumps({"labs": sorted(labs()), "namespaces": sorted(namespaces()), "links": sorted(links())}))
        return 0
    report = remove(json.loads(file.read_text()))
    if report:
        print("Left behind, and removed now:", *report, sep="\n  ")
        return 1
    print("Nothing was left behind: no process, no namespace, no link, no mount, no loop device.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
