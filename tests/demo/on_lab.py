# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole demo: eight hosts of the lab, of which three have their troubles."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from ..lab import Lab, remove_labs_of_dead_runs
from . import package
from .project import Project
from .screen import DemoError, Screen

STEPS = 10
HOSTS = 8
LINK_MBIT_S = 200
LOSSY, OFF, SMALL = "host6", "host7", "host8"
LOSS_PERCENT = 2

_PAYLOAD_BYTES = 120_000_000
#: Too small for the package, large enough for what Ansible needs.
_SMALL_DISK = 100 << 20
_GROWN_DISK = 2 << 30
_DEST = "/var/cache/fleetcast"
#: ansible-playbook's exit status when hosts could not be reached, whatever failed besides.
_UNREACHABLE = 4


def run(screen: Screen, directory: Path) -> None:
    """Run the demo in `directory`; the lab is removed at the end, whatever happens."""
    remove_labs_of_dead_runs()
    lab = Lab(f"demo{os.getpid()}")
    try:
        _Demo(screen, directory, lab).run()
    finally:
        lab.down()


class _Demo:
    def __init__(self, screen: Screen, directory: Path, lab: Lab) -> None:
        self.screen = screen
        self.lab = lab
        self.project = Project(directory, screen)

    def run(self) -> None:
        self.set_up()
        copied = self.copy()
        self.undo()
        pushed = self.push()
        self.show_table()
        self.catch_up()
        self.verify()
        self.compare(copied, pushed)

    def set_up(self) -> None:
        screen, lab = self.screen, self.lab
        screen.step(f"Build {HOSTS} hosts on this machine, and a Debian package to distribute: nothing leaves the machine.")
        seconds = lab.up(HOSTS)
        self.package = package.build(self.project.directory, _PAYLOAD_BYTES)
        (self.project.directory / "inventory" / "lab.yml").symlink_to(lab.inventory)
        self.project.variables({
            "fleetcast_dest": f"{_DEST}/",
            "fleetcast_src": str(self.package.path),
            "fleetcast_install": "deb",
            "fleetcast_interface": "{{ lab_interface }}",
            "fleetcast_sender_interface": "{{ lab_controller_interface }}",
        })
        screen.say(f"{HOSTS} hosts answer ssh after {seconds:.1f} s; {self.package.path.name} has {_mb(self.package.size)}")
        screen.step(
            f"Make the network and the fleet as they are in life: {LINK_MBIT_S} Mbit/s on the sender's link, {LOSS_PERCENT} % of the packets to "
            f"{LOSSY} lost, {OFF} powered off, the disk of {SMALL} too small."
        )
        lab.set_rate(LINK_MBIT_S)
        lab.set_loss(LOSSY, LOSS_PERCENT)
        lab.host(SMALL).set_disk(_SMALL_DISK)
        lab.host(OFF).power_off()

    def copy(self) -> tuple[float, int]:
        """The same job with copy and apt: its seconds, and its bytes on the sender's link."""
        self.screen.step(
            "Do it first without this collection, with `copy` and `apt`, to compare. The file goes over the link once per host, and two hosts "
            "will fail."
        )
        (self.project.directory / "copy.yml").symlink_to(Path(__file__).with_name("copy.yml"))
        result = self.count("copy.yml")
        holders = [name for name in self.lab.hosts if name != OFF and self.installed(name)]
        self.screen.check(len(holders) == HOSTS - 2, f"{HOSTS - 2} of {HOSTS} hosts have the package", f"those that have it: {holders}")
        return result

    def undo(self) -> None:
        self.screen.step("Undo that on every host, so that the multicast begins with the same.")
        for name, host in self.lab.hosts.items():
            if name == OFF:
                continue
            script = f"if dpkg-query --show {package.NAME} >/dev/null 2>&1; then dpkg --purge {package.NAME}; fi; rm -rf {_DEST} /root/.ansible"
            _on(host.exec(["sh", "-c", script], capture_output=True, text=True, timeout=120))
            host.close_ssh_masters()
            self.screen.check(not self.installed(name), f"{name} has neither the file nor the package")

    def push(self) -> tuple[float, int]:
        self.screen.step(
            f"Push by multicast: the file goes over the link once, for all. {LOSSY} needs repair; {OFF} and {SMALL} cannot get it, "
            "and must not hold up the others."
        )
        result = self.count("fleetcast.core.push")
        expected = dict.fromkeys(self.lab.hosts, "succeeded") | {OFF: "unreachable", SMALL: "failed"}
        found = self.project.statuses()
        self.screen.check(found == expected, f"{HOSTS - 2} hosts succeeded, {OFF} is unreachable, {SMALL} has failed", str(found))
        return result

    def show_table(self) -> None:
        self.screen.step("Look at the status table: who has it, who has not, and why.")
        self.project.play("fleetcast.core.status")

    def catch_up(self) -> None:
        self.screen.step(f"Power on {OFF} and give {SMALL} a larger disk, as whoever looked at the table would.")
        self.lab.host(OFF).power_on()
        self.lab.host(SMALL).set_disk(_GROWN_DISK)
        self.screen.step("Catch up: the table says who lacks what, and only those hosts get it, by unicast.")
        before = self.bytes_received()
        self.project.play("fleetcast.core.catch_up")
        received = {name: after - before[name] for name, after in self.bytes_received().items()}
        others = max(count for name, count in received.items() if name not in (OFF, SMALL))
        self.screen.check(others < self.package.size / 100, "the hosts that were completed were left alone", f"one of them received {_mb(others)}")

    def verify(self) -> None:
        self.screen.step("Look at the table again, and ask every host itself, with dpkg-query and sha256sum, not with this collection.")
        self.project.play("fleetcast.core.status")
        found = self.project.statuses()
        self.screen.check(found == dict.fromkeys(self.lab.hosts, "succeeded"), f"the table says {HOSTS} of {HOSTS}", str(found))
        for name in self.lab.hosts:
            self.screen.check(self.installed(name), f"{name}: version {package.VERSION} is installed, the file and what it installed have the right SHA-256")
        self.screen.say(f"{HOSTS} of {HOSTS} verified")

    def compare(self, copied: tuple[float, int], pushed: tuple[float, int]) -> None:
        self.screen.step(f"Compare: the same job, the same {HOSTS} hosts with the same troubles, {HOSTS - 2} of which got it.")
        size = self.package.size
        self.screen.table([
            ("", "seconds", "on the sender's link", "times the file"),
            *(
                (name, f"{seconds:.0f}", _mb(count), f"{count / size:.2f}")
                for name, (seconds, count) in (("copy and apt", copied), ("fleetcast.core.push", pushed))
            ),
            ("ratio", f"{copied[0] / pushed[0]:.1f}", f"{copied[1] / pushed[1]:.1f}", ""),
        ])
        self.screen.say(
            "Seconds are those of the whole playbook, with connections, digests and installation, on this machine, which is all hosts at once. "
            "Bytes are all that the sender sent, those of ssh too."
        )
        self.screen.check(pushed[1] < 1.5 * size, "the multicast took less than 1.5 times the file on the sender's link", _mb(pushed[1]))
        self.screen.check(copied[1] > (HOSTS - 2) * size, f"copy took more than {HOSTS - 2} times the file", _mb(copied[1]))

    def count(self, playbook: str, *arguments: str) -> tuple[float, int]:
        """Run a playbook that leaves two hosts behind; its seconds, and the bytes that the controller sent meanwhile."""
        before = self.lab.count_bytes()["controller"]["tx_bytes"]
        seconds = self.project.play(playbook, *arguments, status=_UNREACHABLE)
        return seconds, self.lab.count_bytes()["controller"]["tx_bytes"] - before

    def bytes_received(self) -> dict[str, int]:
        return {name: counters["rx_bytes"] for name, counters in self.lab.count_bytes().items() if name != "controller"}

    def installed(self, name: str) -> bool:
        """Whether the package is installed on a host, and the file and the payload are what was sent."""
        host = self.lab.host(name)
        query = host.exec(["dpkg-query", "--showformat=${db:Status-Abbrev}${Version}", "--show", package.NAME], capture_output=True, text=True, timeout=60)
        if query.returncode != 0 or query.stdout != f"ii {package.VERSION}":
            return False
        sums = host.exec(["sha256sum", f"{_DEST}/{self.package.path.name}", package.PAYLOAD], capture_output=True, text=True, timeout=60)
        return [line.split()[0] for line in sums.stdout.splitlines()] == [self.package.sha256, self.package.payload_sha256]


def _on(result: subprocess.CompletedProcess[str]) -> None:
    if result.returncode:
        raise DemoError(f"{result.args[-1]!r} failed on a host: {result.stderr.strip()}")


def _mb(count: float) -> str:
    return f"{count / 1e6:,.1f} MB"
