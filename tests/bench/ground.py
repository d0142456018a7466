# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all tools of a cell are measured on: hosts of the lab, their network as the cell says, one file to send, and who has it in the end."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ..lab import Host, Lab, LabError
from ..lab.network import HOST_INTERFACE, switch_namespace
from ..lab.system import in_network, run, wait_until
from .cells import Cell
from .meter import SENDER, Meter

#: How long everything to a host is lost, in the cells with bursts. The kernel counts in ticks of 4 ms, so it is 4 to 8 ms, and 6 in the mean.
_BURST_MS, _BURST_MEAN_MS = 8, 6
_CHUNK = 1 << 20
#: Where files lie at the hosts, by the name of the storage.
STORAGE = {"tmpfs": "/dev/shm/bench", "disk": "/var/tmp/bench"}  # noqa: S108  directories of the hosts
#: Receive buffers that programs get which ask for none (udpcast), and the most that others may ask for (uftpd), while anything is measured.
_BUFFERS = {"rmem_default": 8 << 20, "rmem_max": 32 << 20, "wmem_max": 32 << 20}
_SYSCTL = Path("/proc/sys/net/core")


@dataclass(frozen=True)
class Source:
    """The file that is sent. Its content does not compress."""

    path: Path
    size: int
    sha256: str


class Ground:
    """Hosts of one number; to be closed. `use` makes it that of a cell."""

    def __init__(self, receivers: int, storage: str) -> None:
        self.lab = Lab(f"bench{os.getpid()}")
        self.storage = storage
        self.directory = STORAGE[storage]
        self._closing = contextlib.ExitStack()
        with contextlib.ExitStack() as made:
            made.callback(self.lab.down)
            self.lab.up(receivers)
            self.hosts: dict[str, Host] = self.lab.hosts
            self.meter = Meter(self.hosts)
            made.callback(self.meter.close)
            for name, host in self.hosts.items():
                self.meter.adopt(name, host.init)
            self.scratch = Path(tempfile.mkdtemp(prefix="fleetcast-bench-", dir="/dev/shm" if storage == "tmpfs" else "/var/tmp"))  # noqa: S108
            made.callback(shutil.rmtree, self.scratch)
            self._closing = made.pop_all()
        self._sources: dict[int, Source] = {}

    def close(self) -> None:
        self._closing.close()

    def __enter__(self) -> Ground:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()

    # --- conditions ---

    def use(self, cell: Cell) -> None:
        """Make the network that of the cell. :raises LabError: the memory that its files take is not there."""
        if self.storage == "tmpfs":
            _check_memory(cell)
        self.lab.reset()
        self._set_bursts(0, 0)
        if cell.rate_mbit:
            self.lab.set_rate(cell.rate_mbit)
        if cell.loss and cell.loss_kind == "independent":
            for name in self.hosts:
                self.lab.set_loss(name, cell.loss)
        self._set_offload(cut=bool(cell.loss) or cell.offload == "wire", join=cell.offload == "wire")
        if cell.loss and cell.loss_kind == "bursts":
            self._set_bursts(cell.loss, cell.rate_mbit)

    def _set_offload(self, cut: bool, join: bool) -> None:
        """`cut`: batches are cut at the sender's device, so that single packets travel and are lost. `join`: hosts join packets, as network cards do."""
        batches = "off" if cut else "on"
        run("ethtool", "-K", self.lab.interface, "tx-udp-segmentation", batches, "tso", batches, "gso", batches)
        joined = "on" if join else "off"
        for host in self.hosts.values():
            run(*in_network(host.namespace, ["ethtool", "-K", HOST_INTERFACE, "gro", joined, "rx-udp-gro-forwarding", joined]))

    def _set_bursts(self, percent: float, rate_mbit: int) -> None:
        """Lose everything to a host for a moment, each host at its own times, so often that it is `percent` of the time while the link is full."""
        rules = []
        if percent:
            packets_s = rate_mbit * 1e6 / 8 / 1514
            one_in = round(packets_s * _BURST_MEAN_MS / 1000 / (percent / 100))
            hosts = ", ".join(f'"{name}"' for name in self.hosts)
            rules = [
                "oifname @out counter drop",
                f"oifname {{ {hosts} }} numgen random mod {one_in} < 1 add @out {{ oifname timeout {_BURST_MS}ms }} counter drop",
            ]
        outs = f"set out {{ type ifname; size {len(self.hosts)}; flags dynamic,timeout; }}"
        chain = ["chain forward {", "type filter hook forward priority 1", *rules, "}"]
        ruleset = "\n".join(["table bridge bursts", "delete table bridge bursts", "table bridge bursts {", outs, *chain, "}", ""])
        run(*in_network(switch_namespace(self.lab.name), ["nft", "-f", "-"]), stdin=ruleset)

    # --- the file ---

    def source(self, size: int) -> Source:
        """A file of this size at the sender. One of another size is removed: memory is dear."""
        if size not in self._sources:
            for old in self._sources.values():
                old.path.unlink()
            self._sources = {size: _write_source(self.scratch / f"artifact-{size}.bin", size)}
        return self._sources[size]

    def target(self, name: str, inside: str = "artifact") -> Path:
        """Where a host has its file, by a path of the machine: the root directory of the host's init."""
        return Path(f"/proc/{self.hosts[name].init}/root{self.directory}/{inside}")

    def clear(self) -> None:
        """Nothing of an earlier transfer is left at the hosts, and no connection of the controller to them."""
        for host in self.hosts.values():
            self.on(host, "sh", "-c", f"rm -rf {self.directory} /root/.ansible && mkdir -p {self.directory}")
            host.close_ssh_masters()

    def holders(self, source: Source, inside: str = "artifact") -> int:
        """How many hosts have the file, by their own sha256sum."""
        hosts = list(self.hosts.values())
        sums = [
            subprocess.Popen(host.on_host(["sha256sum", f"{self.directory}/{inside}"]), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            for host in hosts
        ]
        return sum(process.communicate(timeout=300)[0].split()[:1] == [source.sha256.encode()] for process in sums)

    # --- processes ---

    def on(self, host: Host, *argv: str) -> str:
        """Run a command on a host. :raises LabError: it failed."""
        result = host.exec(argv, capture_output=True, text=True, timeout=120)
        if result.returncode:
            raise LabError(f"{host.name}: {' '.join(argv)}: {result.stderr.strip()}")
        return str(result.stdout)

    def start(self, name: str, argv: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
        """Start a command on a host, or on the controller as `sender`; what it writes goes to the log."""
        inside = list(argv) if name == SENDER else self.hosts[name].on_host(argv)
        return self._popen([*self.meter.join(name), *inside], log)

    def start_in_network(self, name: str, argv: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
        """Start a command of the machine, which sees the machine's files, in a host's network."""
        return self._popen([*self.meter.join(name), *self.hosts[name].in_network(argv)], log)

    @staticmethod
    def _popen(argv: list[str], log: Path) -> subprocess.Popen[bytes]:
        with log.open("wb") as output:
            return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)

    def wait_for_sockets(self, port: int, protocol: str = "udp", timeout_s: float = 20) -> None:
        """Wait until somebody on every host listens at a port. :raises LabError: that takes too long."""
        waiting = dict(self.hosts)

        def all_listen() -> bool:
            for name, host in list(waiting.items()):
                # Local addresses as proc(5) has them: address, colon, port, in hexadecimal.
                tables = (Path(f"/proc/{host.init}/net/{protocol}{version}") for version in ("", "6"))
                if any(f":{port:04X} " in line.split(":", 1)[1][:42] for table in tables for line in table.read_text().splitlines()[1:]):
                    del waiting[name]
            return not waiting

        if not wait_until(all_listen, timeout_s):
            raise LabError(f"nobody listens at {protocol} port {port} on {', '.join(waiting)} after {timeout_s:g} s")

    @staticmethod
    def wait_for(processes: Sequence[subprocess.Popen[bytes]], until: float) -> bool:
        """Wait until all have ended, up to a time of the monotonic clock; whether they have."""
        for process in processes:
            try:
                process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                return False
        return True


@contextlib.contextmanager
def large_buffers() -> Iterator[None]:
    """Let every program have large socket buffers, as the pages of udpcast and UFTP advise; afterwards it is as it was."""
    before = {name: (_SYSCTL / name).read_text() for name in _BUFFERS}
    try:
        for name, size in _BUFFERS.items():
            (_SYSCTL / name).write_text(str(size))
        yield
    finally:
        for name, text in before.items():
            (_SYSCTL / name).write_text(text)


def _check_memory(cell: Cell) -> None:
    wanted = (cell.receivers + 1) * cell.bytes + (1 << 30)
    meminfo = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    available = int(meminfo["MemAvailable"].split()[0]) * 1024
    if wanted > available:
        raise LabError(f"{cell.name}: its files take {wanted / 1e9:.1f} GB of memory, and {available / 1e9:.1f} GB are available: take --storage disk")


def _write_source(path: Path, size: int) -> Source:
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for begin in range(0, size, _CHUNK):
            piece = os.urandom(min(_CHUNK, size - begin))
            digest.update(piece)
            file.write(piece)
    return Source(path, size, digest.hexdigest())


@lru_cache(maxsize=1)
def commit() -> str:
    """The checkout's commit, and whether it has been changed since."""
    root = Path(__file__).resolve().parents[2]
    git = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12", "--exclude", "*"]
    found = subprocess.run(git, capture_output=True, text=True, timeout=30, check=False)
    return found.stdout.strip() or "unknown"
