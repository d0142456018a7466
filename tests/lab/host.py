# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One host of a lab: power, disk, link, and running commands on it."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import layers, network
from .system import LabError, command_line, in_network, kill, nested_pids, processes_in, run, wait_until
from .topology import Cable

_SCRIPT = Path(__file__).resolve().with_name("host.sh")
_CONTROL_SOCKETS = Path("/run/fleetcast-lab")
_SIGRTMIN_POWER_OFF = 38  # SIGRTMIN+4: systemd(1), "Signals"

BOOT_TIMEOUT_S = 30.0
POWER_OFF_TIMEOUT_S = 20.0


def control_sockets(lab: str) -> Path:
    """Where the lab's ssh masters have their sockets: short, as a socket's path has at most 107 characters."""
    return _CONTROL_SOCKETS / lab


@dataclass(frozen=True)
class Host:
    """A host of a lab; make none of your own, take it from `Lab.hosts`."""

    lab: str
    name: str
    directory: Path
    ipv4: str
    ipv6: str
    systemd: bool
    cables: tuple[Cable, ...] = ()
    #: The host through which the controller reaches this one; None where it does so itself.
    through: str | None = None

    @property
    def namespace(self) -> str:
        """Name of the host's network namespace."""
        return network.host_namespace(self.lab, self.name)

    @property
    def control_sockets(self) -> Path:
        return control_sockets(self.lab) / self.name

    @property
    def console(self) -> Path:
        """What the host's init wrote."""
        return self.directory / "console.log"

    def _pids(self) -> list[int]:
        return processes_in([self.namespace]).get(self.namespace, [])

    def _own(self) -> list[tuple[int, int]]:
        """Processes of the host, as (process id on the machine, process id on the host). Tests' own are not among them."""
        pids = ((pid, nested_pids(pid)) for pid in self._pids())
        return [(pid, nested[1]) for pid, nested in pids if len(nested) > 1]

    def _supervisors(self) -> list[int]:
        return [pid for pid in self._pids() if command_line(pid)[-2:] == [str(_SCRIPT), "supervise"]]

    @property
    def init(self) -> int | None:
        """Process id, on the machine, of the host's PID 1; None when the host is off."""
        return next((pid for pid, inner in self._own() if inner == 1), None)

    @property
    def on(self) -> bool:
        """Whether the host is powered; a host that reboots stays on."""
        return bool(self._supervisors())

    @property
    def answers(self) -> bool:
        """Whether an ssh server greets at the host's address. Where only another host leads there, this one is asked from within."""
        if self.through is not None:
            ask = f"exec 3<>/dev/tcp/{self.ipv4}/22; read -r -t 2 -N 4 greeting <&3; [ \"$greeting\" = SSH- ]"
            return subprocess.run(self.in_network(["timeout", "3", "bash", "-c", ask]), capture_output=True, check=False).returncode == 0
        try:
            with socket.create_connection((self.ipv4, 22), timeout=0.5) as connection:
                connection.settimeout(2)
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False

    def start(self) -> None:
        """Power the host on, without waiting for it; nothing happens when it is on."""
        # A host that is going down goes down first.
        if not wait_until(lambda: self.init is not None or not self.on, POWER_OFF_TIMEOUT_S):
            raise LabError(f"{self.name} is neither on nor off for {POWER_OFF_TIMEOUT_S:g} s: see its console, {self.console}")
        if self.on:
            return
        self.close_ssh_masters()
        network.connect_host(self.lab, self.cables)
        environment = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "HOST_NAME": self.name,
            "HOST_DIR": str(self.directory),
            "HOST_INIT": "systemd" if self.systemd else "sshd",
            "HOST_CGROUP": self.namespace,
        }
        with self.console.open("ab") as console:
            subprocess.run(
                in_network(self.namespace, ["setsid", "--fork", "sh", str(_SCRIPT), "supervise"]),
                env=environment, cwd="/", stdin=subprocess.DEVNULL, stdout=console, stderr=console, check=True,
            )

    def wait(self, timeout_s: float = BOOT_TIMEOUT_S) -> None:
        """Wait until ssh answers; LabError with the host's last words when it does not within `timeout_s` seconds."""
        if wait_until(lambda: self.answers or not self.on, timeout_s) and self.answers:
            return
        words = self.console.read_text(errors="replace")[-2000:].strip()
        state = "runs but does not answer" if self.on else "went down while it booted"
        raise LabError(f"{self.name} {state} ({timeout_s:g} s): its console ({self.console}) ends with:\n{words}")

    def power_on(self, timeout_s: float = BOOT_TIMEOUT_S) -> None:
        """Power the host on and wait until ssh answers. What was on its disk is there again. A host that is cut does not answer."""
        self.start()
        self.wait(timeout_s)

    def power_off(self, power_cut: bool = False) -> None:
        """Shut the host down and wait until it is off; `power_cut`: at once, and nothing more leaves its network card."""
        if power_cut:
            for cable in self.cables:
                network.set_link(self.namespace, cable.interface, up=False)
        else:
            self._shut_down()
        kill(pid for pid, inner in self._own() if inner == 1)
        if not wait_until(lambda: not self.on and not self._own(), POWER_OFF_TIMEOUT_S):
            raise LabError(f"{self.name}: processes left {POWER_OFF_TIMEOUT_S:g} s after kill -9 of its init: {self._pids()}")
        self.close_ssh_masters()

    def _shut_down(self) -> None:
        init = self.init
        if init is None:
            return
        if self.systemd:
            kill([init], _SIGRTMIN_POWER_OFF)
        else:
            kill((pid for pid, inner in self._own() if inner != 1), signal.SIGTERM)
            wait_until(lambda: len(self._own()) <= 1, 2)
            kill([init], signal.SIGTERM)
        wait_until(lambda: self.init is None, POWER_OFF_TIMEOUT_S)

    def close_ssh_masters(self) -> None:
        """End the controller's ssh masters of this host: they would answer for a host that is off."""
        for path in self.control_sockets.glob("*"):
            with contextlib.suppress(LabError):  # a socket that nobody listens on any more
                run("ssh", "-o", f"ControlPath={path}", "-O", "exit", self.name, timeout_s=5)
            path.unlink(missing_ok=True)

    def on_host(self, argv: Sequence[str]) -> list[str]:
        """The command line that runs a command on the host, not over its network."""
        init = self.init
        if init is None:
            raise LabError(f"{self.name} is off: power it on first")
        enter = ["nsenter", f"--target={init}", "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd"]
        environment = ["env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8"]
        return [*enter, *environment, *argv]

    def exec(self, argv: Sequence[str], **options: Any) -> subprocess.CompletedProcess[Any]:
        """Run a command on the host, not over its network. `options` are those of subprocess.run."""
        return subprocess.run(self.on_host(argv), **options)

    def in_network(self, argv: Sequence[str]) -> list[str]:
        """The command line that runs a command of the machine in the host's network."""
        return in_network(self.namespace, argv)

    def set_disk(self, size: int) -> None:
        """Give the host a disk of `size` bytes in all, which later only grows; 0: as large as the machine's.

        What is on the disk stays. A host that is on is shut down for it, and started again.
        """
        if not size and not (self.directory / "disk.img").exists():
            return
        was_on = self.on
        self.power_off()
        try:
            if size:
                layers.limit_disk(self.directory, size)
            else:
                layers.unlimit_disk(self.directory)
        finally:
            if was_on:
                self.power_on()
