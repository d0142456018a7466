# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A tree of many small files against one file of the same size: every step of a push, as the modules run it, in seconds.

``build/venv/bin/python tests/bench/small_files.py --files 10000`` prints both as JSON. No root; the bytes go over this machine's loopback interface.
The modules run as on a host, each in a process of its own; what ssh costs is counted as the bytes of the manifest.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import secrets
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "build" / "collections"))

from ansible_collections.fleetcast.core.plugins.module_utils._multicast.auth import SessionKeys  # noqa: E402
from ansible_collections.fleetcast.core.tests.unit.module_process import run_module, start_module  # noqa: E402

GROUP, PORT = "239.255.42.7", 42707
#: Steps of a push until everything has arrived and is verified; the others put it in its place, ask as a catch-up does, or look again.
BEFORE_PLACING = ("artifact_info", "transfer")


def make_tree(folder: Path, files: int, seed: int = 1) -> int:
    """Files of 1 to 20 kB, a hundred to a directory; returns their size."""
    generator = random.Random(seed)
    size = 0
    for number in range(files):
        directory = folder / f"d{number // 100:04}"
        directory.mkdir(parents=True, exist_ok=True)
        data = generator.randbytes(generator.randint(1000, 20000))
        (directory / f"file{number:06}.bin").write_bytes(data)
        size += len(data)
    return size


class Push:
    """The modules of one push to one host, timed."""

    def __init__(self, src: str, dest: Path, rate: str | None) -> None:
        self.src, self.dest, self.rate = src, str(dest) + "/", rate
        self.seconds: dict[str, float] = {}
        self.manifest = ""

    def module(self, step: str, name: str, **arguments: Any) -> dict[str, Any]:
        began = time.monotonic()
        result = run_module(name, arguments)
        self.seconds[step] = time.monotonic() - began
        assert not result.get("failed"), result
        return result

    def run(self) -> dict[str, Any]:
        self.manifest = self.module("artifact_info", "artifact_info", src=self.src)["manifest"]
        asked = self.module("artifact_missing_info", "artifact_missing_info", manifest=self.manifest, dest=self.dest)
        assert asked["state"] == "absent"
        self._send()
        again = self.module("second_missing_info", "artifact_missing_info", manifest=self.manifest, dest=self.dest)
        assert again["state"] == "complete"
        once_more = self.module("second_receive", "multicast_receive", manifest=self.manifest, dest=self.dest, seat=self._seat("0" * 64))
        assert once_more["complete"] and not once_more["changed"], once_more
        return {
            "manifest_bytes": len(self.manifest),
            "seconds": {step: round(value, 3) for step, value in self.seconds.items()},
            "before_placing": round(sum(self.seconds[step] for step in BEFORE_PLACING), 3),
        }

    def _seat(self, key: str) -> dict[str, Any]:
        return {"number": 0, "count": 1, "keys": SessionKeys.from_hex(key).for_receiver(0).to_hex()}

    def _send(self) -> None:
        key = secrets.token_hex(32)
        common: dict[str, Any] = {"manifest": self.manifest, "address": GROUP, "port": PORT, "interface": "lo"}
        began = time.monotonic()
        receiver = start_module("multicast_receive", {**common, "dest": self.dest, "seat": self._seat(key)})
        try:
            arguments = {**common, "src": self.src, "receivers": ["host"], "session_key": key, "ready_timeout": 30, "rate": self.rate}
            sent = run_module("multicast_send", arguments)
            assert not sent.get("failed"), sent
            self.seconds["transfer"] = time.monotonic() - began
            # The receiver says that it is complete before it places, so what is left is placing.
            out, err = receiver.communicate(timeout=60)
        finally:
            receiver.kill()
            receiver.wait()
        self.seconds["placing"] = time.monotonic() - began - self.seconds["transfer"]
        result = json.loads(out)
        assert result.get("complete"), (result, err)


def measure(files: int, repetitions: int, rate: str | None, folder: Path) -> dict[str, Any]:
    tree = folder / "tree"
    size = make_tree(tree, files)
    one = folder / "one.bin"
    one.write_bytes(os.urandom(size))
    records: dict[str, list[dict[str, Any]]] = {"tree": [], "file": []}
    for _repetition in range(repetitions):
        for kind, src in (("tree", tree), ("file", one)):
            dest = folder / "dest"
            dest.mkdir()
            records[kind].append(Push(str(src), dest, rate).run())
            shutil.rmtree(dest)
    result: dict[str, Any] = {"files": files, "bytes": size, "rate": rate}
    for kind, found in records.items():
        steps = {step: round(statistics.median(record["seconds"][step] for record in found), 3) for step in found[0]["seconds"]}
        before = statistics.median(record["before_placing"] for record in found)
        result[kind] = {"manifest_bytes": found[0]["manifest_bytes"], "before_placing": before, "seconds": steps}
    result["ratio_before_placing"] = round(result["tree"]["before_placing"] / result["file"]["before_placing"], 3)
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--files", type=int, default=10000)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--rate", help="ceiling of the sender, as its option has it (default: none)")
    parser.add_argument("--directory", help="where the files are made (default: a temporary directory)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as folder:
        print(json.dumps(measure(arguments.files, arguments.repetitions, arguments.rate, Path(folder)), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
