# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a transfer costs: CPU seconds by cgroup, memory by looking at processes, bytes and packets on the sender's link.

Each end has a cgroup (version 2) of its own, which counts the CPU time of everything in it, whatever it starts and however that ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from ..lab.system import LabError, cgroup2_mounts, kill, run, wait_until

SENDER = "sender"
_SAMPLE_S = 0.1


class Meter:
    """Cgroups for the sender and for hosts, by name; to be closed, which ends every process that was put in."""

    def __init__(self, hosts: Iterable[str]) -> None:
        mounts = cgroup2_mounts()
        if not mounts:
            raise LabError("CPU seconds are counted with cgroups, and no cgroup2 tree is mounted: `mount -t cgroup2 cgroup2 /mnt`")
        self._top = mounts[0] / f"fleetcast-bench-{os.getpid()}"
        self._ends = (SENDER, *hosts)
        self._top.mkdir()
        for end in self._ends:
            (self._top / end).mkdir()
        self._known: dict[str, set[int]] = {end: set() for end in self._ends}
        self._cpu_s: dict[str, float] = {}

    def join(self, end: str) -> list[str]:
        """Beginning of a command line that runs in this end's cgroup."""
        return ["sh", "-c", 'echo 0 > "$0" && exec "$@"', str(self._top / end / "cgroup.procs")]

    def adopt(self, end: str, init: int | None) -> None:
        """Put a host's PID 1 in its cgroup, and with it what that will start: everything that comes over ssh."""
        if init is None:
            raise LabError(f"{end} is off: it cannot be measured")
        (self._top / end / "cgroup.procs").write_text(str(init))

    def _pids(self, end: str) -> set[int]:
        return {int(pid) for pid in (self._top / end / "cgroup.procs").read_text().split()}

    def _cpu(self, end: str) -> float:
        counted = re.search(r"^usage_usec (\d+)", (self._top / end / "cpu.stat").read_text(), re.MULTILINE)
        assert counted, "cpu.stat of a cgroup begins with usage_usec: Documentation/admin-guide/cgroup-v2.rst"
        return int(counted.group(1)) / 1e6

    def begin(self) -> None:
        """From here on it counts. What runs now is not looked at for memory."""
        self._known = {end: self._pids(end) for end in self._ends}
        self._cpu_s = {end: self._cpu(end) for end in self._ends}

    def started(self, end: str) -> set[int]:
        """Processes of an end that were not there when it began."""
        return self._pids(end) - self._known[end]

    def cpu_s(self, end: str) -> float:
        """CPU seconds of an end since it began."""
        return self._cpu(end) - self._cpu_s[end]

    def end_all(self) -> None:
        """End what was started since it began."""

        def gone() -> bool:
            left = [pid for end in self._ends for pid in self.started(end)]
            kill(left)
            return not left

        if not wait_until(gone, 10):
            raise LabError(f"these processes do not end after kill -9: {[self.started(end) for end in self._ends]}")

    def close(self) -> None:
        self._known = {end: set() for end in self._ends}
        self.end_all()
        for directory in (*(self._top / end for end in self._ends), self._top):
            # Processes that have ended may take a moment to leave.
            wait_until(lambda: _removed(directory), 10)  # noqa: B023  called before the loop goes on

    def watch(self) -> Memory:
        return Memory(self, self._ends)


def _removed(directory: Path) -> bool:
    with contextlib.suppress(OSError):
        directory.rmdir()
    return not directory.exists()


class Memory:
    """Looks at the processes of every end while it is open: `peak` is the largest resident size that one process of an end ever had, in bytes.

    The kernel keeps each process's peak (VmHWM), so only what grows in the last tenth of a second of its life is missed.
    """

    def __init__(self, meter: Meter, ends: Iterable[str]) -> None:
        self._meter = meter
        self.peak = dict.fromkeys(ends, 0)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="memory", daemon=True)

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.is_set():
            began = time.monotonic()
            for end in self.peak:
                for pid in self._meter.started(end):
                    self.peak[end] = max(self.peak[end], _peak_bytes(pid))
            # Never more than a twentieth of the time, however many processes there are.
            self._over.wait(max(_SAMPLE_S, 20 * (time.monotonic() - began)))


def _peak_bytes(pid: int) -> int:
    with contextlib.suppress(OSError):  # it has ended
        found = re.search(r"^VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
        return int(found.group(1)) * 1024 if found else 0
    return 0


def link_counters(interface: str) -> tuple[int, int]:
    """Bytes and packets that left through a device, as its queue counts them: as they are on the wire, also of what was handed over in batches."""
    queues = json.loads(run("tc", "-json", "-statistics", "qdisc", "show", "dev", interface))
    root = next(queue for queue in queues if queue.get("root"))
    return int(root["bytes"]), int(root["packets"])
