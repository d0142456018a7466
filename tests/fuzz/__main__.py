# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the targets under atheris, which looks for inputs that reach new code: ``make fuzz SECONDS=60``, or ``TARGETS='receiver sender'``.

Inputs that reached something new are kept in ``build/fuzz/TARGET`` and are where the next run begins. One that broke a promise is left in
``build/fuzz/broken``, its name printed; with it in ``tests/fuzz/corpus/TARGET`` the test suite checks it for ever.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "build" / "collections"))
#: A session in a millisecond, a manifest in ten: what takes so many seconds hangs. What needs so many MB allocates without bound.
TIMEOUT_S, MEMORY_MB = 10, 1024
LONGEST = 4096


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("targets", nargs="*", help="default: all")
    parser.add_argument("--seconds", type=int, default=60, help="for every target")
    parser.add_argument("--in-this-process", action="store_true", help="fuzz the one target here: atheris does not come back from that")
    arguments = parser.parse_args()
    if arguments.in_this_process:
        fuzz(arguments.targets[0], arguments.seconds)
        return 0
    broken = []
    for name in arguments.targets or names():
        print(f"== {name}", flush=True)
        command = [sys.executable, "-m", "tests.fuzz", "--in-this-process", "--seconds", str(arguments.seconds), name]
        if subprocess.run(command, cwd=ROOT, check=False, timeout=arguments.seconds + 300).returncode:
            broken.append(name)
    print("== promises were broken by: " + " ".join(broken) if broken else "== no promise was broken")
    return 1 if broken else 0


def names() -> list[str]:
    from ansible_collections.fleetcast.core.tests.fuzz.targets import TARGETS

    return list(TARGETS)


def fuzz(name: str, seconds: int) -> None:
    import atheris

    with atheris.instrument_imports(include=["ansible_collections.fleetcast.core.plugins.module_utils"]):
        from ansible_collections.fleetcast.core.tests.fuzz.targets import TARGETS, seeds

    kept, broken = ROOT / "build" / "fuzz" / name, ROOT / "build" / "fuzz" / "broken"
    for folder in (kept, broken):
        folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds(name)):
        (kept / f"seed{number}").write_bytes(seed)
    limits = [f"-max_total_time={seconds}", f"-timeout={TIMEOUT_S}", f"-rss_limit_mb={MEMORY_MB}", f"-max_len={LONGEST}", "-len_control=0"]
    atheris.Setup([sys.argv[0], *limits, f"-artifact_prefix={broken}/{name}-", "-print_final_stats=1", str(kept)], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
