# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be shown without root: the same playbook on four hosts that are directories, by multicast over the interface lo."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from . import package
from .project import Project
from .screen import Screen

STEPS = 5
HOSTS = ("local1", "local2", "local3", "local4")
BLOCKED = "local4"

_SIZE = 60_000_000
_RATE = "200M"
#: ansible-playbook's exit status when hosts have failed.
_FAILED = 2


def run(screen: Screen, directory: Path) -> None:
    """Run the demo in `directory`."""
    project = Project(directory, screen)
    screen.step(f"Make {len(HOSTS)} hosts that are directories of this machine, and a file of {_SIZE / 1e6:.0f} MB. Without root no package is installed.")
    source = directory / "demo_1.0.bin"
    digest = package.write_random(source, _SIZE)
    for name in HOSTS:
        (directory / "hosts" / name).mkdir(parents=True)
    project.variables(_variables(directory, source))
    (directory / "inventory" / "hosts.json").write_text(json.dumps({"all": {"hosts": dict.fromkeys(HOSTS)}}))
    obstacle = directory / "hosts" / BLOCKED / "cache"
    obstacle.write_text("a file where a directory is wanted\n")

    screen.step(f"Push by multicast, at 200 Mbit/s at most, so that there is something to see. {BLOCKED} has a file in the way and must fail, alone.")
    project.play("fleetcast.core.push", status=_FAILED)
    found = project.statuses()
    screen.check(found == dict.fromkeys(HOSTS, "succeeded") | {BLOCKED: "failed"}, f"three hosts succeeded, {BLOCKED} has failed", str(found))

    screen.step(f"Look at the status table: it says why {BLOCKED} has failed.")
    project.play("fleetcast.core.status")

    screen.step(f"Remove what was in the way, and catch up: only {BLOCKED} gets the file, by unicast.")
    obstacle.unlink()
    project.play("fleetcast.core.catch_up")

    screen.step("Look at the table again, and at the files themselves, not with this collection.")
    project.play("fleetcast.core.status")
    found = project.statuses()
    screen.check(found == dict.fromkeys(HOSTS, "succeeded"), f"the table says {len(HOSTS)} of {len(HOSTS)}", str(found))
    for name in HOSTS:
        placed = directory / "hosts" / name / "cache" / source.name
        screen.check(placed.is_file() and package.sha256(placed) == digest, f"{name}: the file has the right SHA-256")
        left = [path.name for path in placed.parent.iterdir() if path != placed]
        screen.check(not left, f"{name}: nothing else was left there", str(left))
    print()
    screen.say(
        "As root, `sudo make demo` adds what is shown best on real hosts: eight of them with ssh, a Debian package that is installed and verified, a link of "
        "200 Mbit/s with loss, a host that is powered off, a disk that is too small, and how long `copy` takes for the same."
    )


def _variables(directory: Path, source: Path) -> dict[str, object]:
    pid = os.getpid()
    return {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "ansible_remote_tmp": str(directory / "tmp"),
        "ansible_async_dir": str(directory / "async"),
        "fleetcast_src": str(source),
        "fleetcast_dest": str(directory / "hosts" / "{{ inventory_hostname }}" / "cache") + "/",
        "fleetcast_interface": "lo",
        "fleetcast_sender_interface": "lo",
        # All who run the demo on this machine share its loopback: a group of one's own, by process.
        "fleetcast_address": f"239.192.{pid >> 8 & 255}.{pid & 255}",
        "fleetcast_rate": _RATE,
    }
