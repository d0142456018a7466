# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's two ends as processes of their own, for measurements and tests. As a program: run the one end that a job file describes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import resource
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "build" / "collections"))

from ansible_collections.fleetcast.core.plugins.module_utils._artifact.errors import SpoolError  # noqa: E402
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.layout import Layout  # noqa: E402
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.lock import GIVE_WAY  # noqa: E402
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.spool import Spool  # noqa: E402
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.stream import StreamError, StreamReader  # noqa: E402
from ansible_collections.fleetcast.core.plugins.module_utils._multicast import auth, session  # noqa: E402
from ansible_collections.fleetcast.core.plugins.module_utils._multicast.errors import EngineError  # noqa: E402
from ansible_collections.fleetcast.core.plugins.module_utils._multicast.receiver import Receiver  # noqa: E402
from ansible_collections.fleetcast.core.plugins.module_utils._multicast.sender import Sender  # noqa: E402

if TYPE_CHECKING:
    from ansible_collections.fleetcast.core.tests.bench.engine_net import Net

Job = dict[str, Any]
GROUP, PORT = "239.255.42.1", 42000


def usage() -> dict[str, float]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    # Not ru_maxrss: that is inherited from the process that started this one.
    peak = next(line for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines() if line.startswith("VmHWM:"))
    return {"user_s": used.ru_utime, "system_s": used.ru_stime, "max_rss_mb": int(peak.split()[1]) / 1024}


def run_end(job: Job) -> Job:
    """One end, in this process; what it reports, what it cost, or how it failed."""
    if job.get("file_limit"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (job["file_limit"], job["file_limit"]))
    if job.get("gate"):
        while not Path(job["gate"]).exists():
            time.sleep(0.005)
    before = usage()
    out: Job = {"began": time.monotonic()}
    try:
        report = run_sender(job, out) if job["end"] == "sender" else run_receiver(job)
        out.update(vars(report))
        out.pop("verdicts", None)
    except (EngineError, StreamError, SpoolError) as error:
        out.update({"error": type(error).__name__, "message": str(error)})
    out["ended"] = time.monotonic()
    after = usage()
    return {**out, "user_s": after["user_s"] - before["user_s"], "system_s": after["system_s"] - before["system_s"], "max_rss_mb": after["max_rss_mb"]}


def run_sender(job: Job, out: Job) -> session.SendReport:
    layout = Layout(job["size"], **job["layout"])
    network, limits = session.Network(**job["network"]), session.Limits(**job["limits"])
    digests = [bytes.fromhex(text) for text in job["section_digests"]]
    with StreamReader([(path, size) for path, size in job["files"]]) as source:
        keys = auth.SessionKeys.from_hex(job["key"])
        sender = Sender(network, keys, job["names"], layout, digests, source, job["ceiling_bits"], limits, without=job.get("without", ()))
        signal.signal(signal.SIGTERM, lambda *_: sender.stop())
        try:
            return sender.run()
        finally:
            out["seconds"] = sender.report.seconds
            out["hosts"] = {name: vars(verdict) for name, verdict in sender.report.verdicts.items()}


def run_receiver(job: Job) -> session.ReceiveReport:
    layout = Layout(job["size"], **job["layout"])
    network, limits = session.Network(**job["network"]), session.Limits(**job["limits"])
    with Spool(job["part"], job["map"], layout, [bytes.fromhex(text) for text in job["section_digests"]]) as spool:
        receiver = Receiver(network, auth.ReceiverKeys.from_hex(job["keys"]), job["index"], len(job["names"]), spool, limits)
        signal.signal(signal.SIGTERM, lambda *_: receiver.stop())
        signal.signal(GIVE_WAY, lambda *_: receiver.give_way())
        return receiver.run()


def _listens(pid: int, port: int) -> bool:
    """Whether a process has a UDP socket that is bound to this port."""
    with contextlib.suppress(OSError):  # a descriptor that has just been closed, or a process that has ended
        own = {str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()}
        for table in ("udp", "udp6"):
            for line in Path(f"/proc/{pid}/net/{table}").read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if fields[1].endswith(f":{port:04X}") and f"socket:[{fields[9]}]" in own:
                    return True
    return False


class Session:
    """Makes a source, the keys and the jobs of one session in ``folder``; starts, ends and judges the processes.

    :param net: namespaces to run in; None runs everything on this machine's loopback interface.
    :param layout: geometry other than the usual one, by field name.
    """

    def __init__(
        self,
        folder: Path,
        size: int,
        receivers: int,
        net: Net | None = None,
        network: Job | None = None,
        limits: Job | None = None,
        ceiling_mbit: float | None = None,
        layout: Job | None = None,
        files: int = 1,
    ) -> None:
        self.folder, self.net = folder, net
        self.key = secrets.token_hex(auth.KEY_BYTES)
        self.keys = auth.SessionKeys.from_hex(self.key)
        self.names = [f"host{index}" for index in range(receivers)]
        data = os.urandom(size)
        self.sha256 = hashlib.sha256(data).hexdigest()
        self.files: list[tuple[str, int]] = []
        for number in range(files):
            piece = data[size * number // files : size * (number + 1) // files]
            path = folder / f"source{number}"
            path.write_bytes(piece)
            self.files.append((str(path), len(piece)))
        self.layout = Layout(size, **(layout or {}))
        step = self.layout.section_bytes
        self.common: Job = {
            "size": size,
            "layout": layout or {},
            "names": self.names,
            "section_digests": [hashlib.sha256(data[begin : begin + step]).hexdigest() for begin in range(0, size, step)],
            "network": {"group": GROUP, "port": PORT, "interface": "eth0" if net else "lo", "gso": True, "gro": True, **(network or {})},
            "limits": {"wait": 20, "ready": 20, "session": 60, "host": 8, **(limits or {})},
        }
        self.ceiling_bits = ceiling_mbit * 1e6 if ceiling_mbit else None
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def part(self, index: int) -> Path:
        return self.folder / f"part{index}"

    def map(self, index: int) -> Path:
        return self.folder / f"map{index}"

    def start_receiver(self, index: int, **changes: Any) -> subprocess.Popen[bytes]:
        paths = {"part": str(self.part(index)), "map": str(self.map(index))}
        job = {**self.common, **paths, "end": "receiver", "index": index, "keys": self.keys.for_receiver(index).to_hex(), **changes}
        return self._start(f"r{index}", job)

    def start_receivers(self, *but: int) -> None:
        for index in range(len(self.names)):
            if index not in but:
                self.start_receiver(index)

    def start_sender(self, **changes: Any) -> subprocess.Popen[bytes]:
        return self._start("sender", {**self.common, "end": "sender", "files": self.files, "key": self.key, "ceiling_bits": self.ceiling_bits, **changes})

    def _start(self, name: str, job: Job) -> subprocess.Popen[bytes]:
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps(job), encoding="utf-8")
        Path(f"{path}.out").unlink(missing_ok=True)
        inside = self.net.enter(name) if self.net else []
        self.processes[name] = subprocess.Popen([*inside, sys.executable, __file__, str(path)])
        return self.processes[name]

    def wait_until_listening(self, *indices: int) -> None:
        """Until these receivers have their sockets; all that were started when none is named. How long Python takes to start is no part of a session."""
        until = time.monotonic() + 60
        for name in [f"r{index}" for index in indices] or [name for name in self.processes if name != "sender"]:
            while not _listens(self.processes[name].pid, self.common["network"]["port"]):
                if self.processes[name].poll() is not None or time.monotonic() > until:
                    raise AssertionError(f"{name} does not listen")
                time.sleep(0.01)

    def result(self, name: str, timeout: float = 90.0) -> Job:
        """What one end reported, once it has ended. :raises AssertionError: it crashed."""
        code = self.processes[name].wait(timeout=timeout)
        path = self.folder / f"{name}.json.out"
        assert code == 0 and path.exists(), f"{name} ended with {code}"
        found: Job = json.loads(path.read_text(encoding="utf-8"))
        return found

    def results(self, timeout: float = 90.0) -> dict[str, Job]:
        until = time.monotonic() + timeout
        return {name: self.result(name, max(0.1, until - time.monotonic())) for name in self.processes}

    def holds(self, index: int) -> bool:
        """Whether a receiver's file is the source, byte for byte, by a digest of its own."""
        return hashlib.sha256(self.part(index).read_bytes()).hexdigest() == self.sha256

    def forget(self, index: int) -> None:
        for path in (self.part(index), self.map(index)):
            path.unlink(missing_ok=True)

    def close(self) -> None:
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
                process.wait(timeout=10)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()


def main() -> int:
    path = sys.argv[1]
    job = json.loads(Path(path).read_text(encoding="utf-8"))
    if job.get("profile"):
        import cProfile

        profile = cProfile.Profile()
        result = profile.runcall(run_end, job)
        profile.dump_stats(path + ".prof")
    else:
        result = run_end(job)
    partial = Path(path + ".partial")
    partial.write_text(json.dumps(result), encoding="utf-8")
    partial.rename(path + ".out")
    return 0


if __name__ == "__main__":
    sys.exit(main())
