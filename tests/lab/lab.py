# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab: some hosts, a switch and the machine as their controller."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from . import inventory, layers, network
from .host import BOOT_TIMEOUT_S, Host, control_sockets
from .network import Loss
from .system import LabError, cgroup2_mounts, check_machine, kill, processes_in, wait_until
from .topology import Cable, Subnet, Topology

STATE_ROOT = Path(__file__).resolve().parents[2] / "build" / "lab"

_MACHINE_LOCK = Path("/run/lock/fleetcast-lab")


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of this name. Its file goes when the lock is released; who waited for that file opens the next."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with path.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if not path.exists() or path.stat().st_ino != os.fstat(file.fileno()).st_ino:
                continue
            try:
                yield
            finally:
                path.unlink()
            return


class Lab:
    """The lab called `name`; there is at most one of a name on a machine, and its state is under build/lab/NAME.

    Making the object makes nothing else: `up` builds the hosts. Every method raises LabError when it cannot do its work.
    """

    def __init__(self, name: str = "lab") -> None:
        if not re.fullmatch(r"[a-z][a-z0-9]{0,11}", name):
            raise LabError(f"a lab's name has 1 to 12 lower-case letters and digits, a letter first: not {name!r}")
        check_machine()
        self.name = name
        self.directory = STATE_ROOT / name
        self.inventory = self.directory / "inventory.yml"
        self.known_hosts = self.directory / "known_hosts"
        self.key = self.directory / "key"
        self.home = self.directory / "home"
        self.interface = network.controller_interface(name)

    @staticmethod
    def names() -> list[str]:
        """Names of the labs of this project, whole or not."""
        names = {path.name for path in STATE_ROOT.glob("*") if path.is_dir()}
        return sorted(names | {Path(state).name for state in network.owners() if Path(state).parent == STATE_ROOT})

    # --- state ---

    @property
    def _state_file(self) -> Path:
        return self.directory / "state.json"

    def _state(self) -> dict[str, Any]:
        try:
            state: dict[str, Any] = json.loads(self._state_file.read_text())
        except FileNotFoundError:
            raise LabError(f"there is no lab {self.name!r}: `make lab-up HOSTS=8 LAB={self.name}` builds it") from None
        return state

    @contextlib.contextmanager
    def _changing(self) -> Iterator[dict[str, Any]]:
        """The state, to be changed; written back at the end, also when only a part of the change could be done."""
        with _locked(STATE_ROOT / f"{self.name}.lock"):
            state = self._state()
            try:
                yield state
            finally:
                self._write(state)

    def _write(self, state: dict[str, Any]) -> None:
        new = self._state_file.with_suffix(".new")
        new.write_text(json.dumps(state, indent=1) + "\n")
        new.replace(self._state_file)

    @property
    def _subnet(self) -> Subnet:
        return Subnet(self._state()["subnet"])

    @property
    def topology(self) -> Topology:
        """Which hosts there are, and where."""
        return Topology(*self._state()["tiers"])

    @property
    def _cables(self) -> list[Cable]:
        return self.topology.cables(self._subnet)

    @property
    def addresses(self) -> tuple[str, str]:
        """IPv4 and IPv6 address of the controller in this lab."""
        return self._subnet.addresses(1)

    @property
    def hosts(self) -> dict[str, Host]:
        """The hosts by name: host1, host2, ..."""
        state = self._state()
        systemd = {name: host["systemd"] for name, host in state["hosts"].items()}
        return self._hosts(Topology(*state["tiers"]), Subnet(state["subnet"]), systemd)

    def host(self, name: str) -> Host:
        hosts = self.hosts
        if name not in hosts:
            raise LabError(f"lab {self.name!r} has no host {name!r}: it has {', '.join(hosts)}")
        return hosts[name]

    def _hosts(self, topology: Topology, subnet: Subnet, systemd: dict[str, bool]) -> dict[str, Host]:
        all_cables = topology.cables(subnet)
        hosts = {}
        for name, with_systemd in systemd.items():
            cables = tuple(cable for cable in all_cables if cable.host == name)
            first = cables[0]
            directory = self.directory / "hosts" / name
            hosts[name] = Host(self.name, name, directory, first.ipv4, first.ipv6, with_systemd, cables, topology.server_of(name))
        return hosts

    # --- up and down ---

    def up(self, hosts: int | Topology, systemd: bool | Collection[str] = False, timeout_s: float = BOOT_TIMEOUT_S) -> float:
        """Build `hosts` hosts, or those of a topology, and wait until ssh answers on all; return the seconds it took.

        `systemd`: whether hosts boot systemd, or which of them. A lab of this name that is there already is removed first.
        When a host does not answer within `timeout_s` seconds, everything is removed again.
        """
        topology = hosts if isinstance(hosts, Topology) else Topology(hosts)
        if re.search(r"[:,\\\"\s]", str(STATE_ROOT)):
            raise LabError(f"overlay mounts take no colon, comma, quote, backslash or space in a path: move the project from {STATE_ROOT}")
        names = topology.hosts
        with_systemd = set(names if systemd is True else systemd or ())
        if not with_systemd <= set(names):
            raise LabError(f"no such host: {', '.join(sorted(with_systemd - set(names)))}; the lab is to have {', '.join(names)}")
        with _locked(STATE_ROOT / f"{self.name}.lock"):
            began = time.monotonic()
            self._down()
            try:
                self._build(topology, {name: name in with_systemd for name in names}, timeout_s)
            except BaseException:
                self._down()
                raise
            return time.monotonic() - began

    def _build(self, topology: Topology, systemd: dict[str, bool], timeout_s: float) -> None:
        self.directory.mkdir(parents=True)
        with _locked(_MACHINE_LOCK):
            subnet = network.free_subnet()
            network.create(self.name, subnet.addresses(1), topology.cables(subnet), alias=str(self.directory))
            control_sockets(self.name).mkdir(parents=True)
        hosts = self._hosts(topology, subnet, systemd)
        settings = {name: {"systemd": value} for name, value in systemd.items()}
        self._write({"subnet": subnet.number, "tiers": [topology.servers, topology.recipients], "rate": 0, "hosts": settings})
        addresses = {"controller": subnet.addresses(1), **{name: (host.ipv4, host.ipv6) for name, host in hosts.items()}}
        base = self.directory / "base"
        layers.create_base(base, inventory.create_key(self.directory), addresses)
        host_keys = {name: layers.create_host(base, host.directory, name) for name, host in hosts.items()}
        for host in hosts.values():
            host.control_sockets.mkdir(mode=0o700)
            host.start()
        inventory.write(self.directory, hosts.values(), host_keys, self.interface, subnet.addresses(1))
        inventory.hand_over([
            self.inventory, self.known_hosts, self.key, self.home, self.home / ".ssh",
            control_sockets(self.name), *(host.control_sockets for host in hosts.values()),
        ])
        deadline = time.monotonic() + timeout_s
        for host in hosts.values():
            host.wait(max(1.0, deadline - time.monotonic()))

    def down(self) -> bool:
        """Remove the lab, or whatever is left of one that crashed; whether there was anything."""
        with _locked(STATE_ROOT / f"{self.name}.lock"):
            return self._down()

    def _down(self) -> bool:
        theirs = network.state_directory_of(self.name)
        if theirs is not None and theirs != self.directory and theirs.exists():
            raise LabError(f"the lab {self.name!r} of this machine belongs to {theirs}: take it down there, or choose another name with LAB=")
        namespaces = network.namespaces(self.name)
        sockets = control_sockets(self.name)
        found = bool(namespaces) or theirs is not None or self.directory.exists() or sockets.exists()

        def processes() -> list[int]:
            return [pid for pids in processes_in(namespaces).values() for pid in pids]

        def gone() -> bool:
            kill(processes())
            return not processes()

        if not wait_until(gone, 10):
            raise LabError(f"lab {self.name!r}: these processes do not end after kill -9: {processes()}")
        network.remove(self.name)
        for directory in sockets.glob("*"):
            Host(self.name, directory.name, self.directory, "", "", False).close_ssh_masters()
        with _locked(_MACHINE_LOCK), contextlib.suppress(OSError):  # the parent is not empty when there are other labs
            shutil.rmtree(sockets, ignore_errors=True)
            sockets.parent.rmdir()
        _remove_cgroups(self.name)
        if self.directory.exists():
            shutil.rmtree(self.directory)
        return found

    # --- what can be set ---

    def set_loss(self, host: str, percent: float, direction: str = "to") -> None:
        """Drop `percent` of the packets at a host's port, each on its own; `direction`: to the host, from it, or both."""
        if not 0 <= percent <= 100:
            raise LabError(f"loss is 0 to 100 percent, not {percent:g}")
        self.host(host)
        with self._changing() as state:
            for each in _directions(direction):
                state["hosts"][host][f"loss_{each}"] = percent
            self._apply_loss(state)

    def _apply_loss(self, state: dict[str, Any]) -> None:
        losses = {name: Loss(host.get("loss_to", 0), host.get("loss_from", 0)) for name, host in state["hosts"].items()}
        network.set_loss(self.name, losses, self._cables)

    def set_rate(self, mbit_s: float) -> None:
        """Limit the sender's link, from the controller to the switch, to `mbit_s` Mbit/s; 0: no limit."""
        with self._changing() as state:
            network.set_rate(None, self.interface, _checked_rate(mbit_s))
            state["rate"] = mbit_s

    def set_host_rate(self, host: str, mbit_s: float, direction: str = "to") -> None:
        """Limit each link of a host, to it, from it, or both, to `mbit_s` Mbit/s; 0: no limit."""
        limited = self.host(host)
        with self._changing() as state:
            for each in _directions(direction):
                for cable in limited.cables:
                    where = (network.switch_namespace(self.name), cable.port) if each == "to" else (limited.namespace, cable.interface)
                    network.set_rate(*where, _checked_rate(mbit_s))
                state["hosts"][host][f"rate_{each}"] = mbit_s

    def cut(self, host: str) -> None:
        """Pull the host's cable; the host runs on."""
        self._plug(host, up=False)

    def rejoin(self, host: str) -> None:
        """Put the host's cable back."""
        self._plug(host, up=True)

    def _plug(self, host: str, up: bool) -> None:
        cables = self.host(host).cables
        with self._changing() as state:
            for cable in cables:
                network.set_link(network.switch_namespace(self.name), cable.port, up)
            state["hosts"][host]["cut"] = not up

    def count_bytes(self, *ports: str) -> dict[str, dict[str, int]]:
        """Counters of `controller` and every host since `up`: `tx_bytes` it sent, `rx_bytes` it was sent, on the wire.

        A distribution server's second interface, which leads to its recipients, is counted as `hostN-site`. Each port costs a process:
        who asks often names the `ports` that matter.
        """
        return network.count_bytes(self.name, [cable for cable in self._cables if not ports or cable.port in ports])

    def reset(self) -> None:
        """Take back everything that was set, and power on the hosts that are off. What is on their disks stays."""
        state = self._state()
        for name, host in state["hosts"].items():
            if host.get("cut"):
                self.rejoin(name)
            for direction in ("to", "from"):
                if host.get(f"rate_{direction}"):
                    self.set_host_rate(name, 0, direction)
        if state["rate"]:
            self.set_rate(0)
        if any(host.get("loss_to") or host.get("loss_from") for host in state["hosts"].values()):
            with self._changing() as changed:
                for host in changed["hosts"].values():
                    host.update(loss_to=0, loss_from=0)
                self._apply_loss(changed)
        hosts = self.hosts.values()
        off = [host for host in hosts if host.init is None]
        for each in off:
            each.start()
        for each in off:
            each.wait()
        for each in hosts:
            each.set_disk(0)

    def status(self) -> list[dict[str, Any]]:
        """A row for each host: name, address, init, power (on, off), and what was set."""
        settings = self._state()["hosts"]
        rows = []
        for name, host in self.hosts.items():
            image = host.directory / "disk.img"
            rows.append({
                "host": name,
                "ipv4": host.ipv4,
                "init": "systemd" if host.systemd else "sshd",
                "power": "on" if host.on else "off",
                "link": "cut" if settings[name].get("cut") else "up",
                "disk_bytes": image.stat().st_size if image.exists() else 0,
                **{key: settings[name].get(key, 0) for key in ("loss_to", "loss_from", "rate_to", "rate_from")},
            })
        return rows


def _directions(direction: str) -> tuple[str, ...]:
    directions = {"to": ("to",), "from": ("from",), "both": ("to", "from")}
    if direction not in directions:
        raise LabError(f"a direction is `to`, `from` or `both` (the host), not {direction!r}")
    return directions[direction]


def _checked_rate(mbit_s: float) -> float:
    if mbit_s < 0:
        raise LabError(f"a rate is in Mbit/s, or 0 for no limit, not {mbit_s:g}")
    return mbit_s


def _remove_cgroups(lab: str) -> None:
    """Remove the cgroups that hosts with systemd had. Their processes are killed, but may still be on their way out."""

    def remove(directory: Path) -> bool:
        with contextlib.suppress(OSError):
            directory.rmdir()
        return not directory.exists()

    for mount_point in cgroup2_mounts():
        for top in mount_point.glob(f"fc-{lab}-host*"):
            for directory in [*sorted((path for path in top.rglob("*") if path.is_dir()), reverse=True), top]:
                if not wait_until(lambda: remove(directory), 10):  # noqa: B023  called before the loop goes on
                    raise LabError(f"the cgroup {directory} still has processes: {(directory / 'cgroup.procs').read_text().split()}")
