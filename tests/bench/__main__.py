# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python3 -m tests.bench`, from the project's root, as root: what `make bench` runs. docs/benchmarks.md shows its use."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "build" / "collections"))

from ..lab import LabError, remove_labs_of_dead_runs  # noqa: E402
from . import report  # noqa: E402
from .cells import TOOLS, select  # noqa: E402
from .contest import Contest  # noqa: E402
from .ground import STORAGE, large_buffers  # noqa: E402
from .results import Results  # noqa: E402

#: What `make scale` leaves, when it was run.
_SIMULATED = ROOT / "build" / "bench" / "scale.json"
_PROGRAMS = {"udpcast": ("udp-sender", "udp-receiver"), "uftp": ("uftp", "uftpd"), "rsync": ("rsync",), "iperf3": ("iperf3",)}
#: Seconds after which a quick run begins nothing more: building and removing the last lab takes some, and five minutes are promised.
_QUICK_SECONDS = 275


class _Ended(BaseException):
    """The run was asked to end; the argument is the signal's number."""


def _end(number: int, _frame: FrameType | None) -> None:
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)  # what is made is removed now, and that is not to be interrupted
    raise _Ended(number)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.bench", description="The engine and its peers on the same hosts, over the same network.")
    parser.add_argument("--quick", action="store_true", help="the headline cells, in at most five minutes")
    parser.add_argument("--cells", nargs="+", default=[], metavar="PATTERN", help="only cells whose names match, as in '200M-8x*'")
    parser.add_argument("--tools", nargs="+", default=list(TOOLS), choices=TOOLS, metavar="TOOL", help=f"only these: {' '.join(TOOLS)}")
    parser.add_argument("--repetitions", type=int, help="of every transfer (default: 3, of a quick run 1)")
    parser.add_argument("--storage", choices=STORAGE, default="tmpfs", help="where hosts keep the file (default: tmpfs)")
    parser.add_argument("--results", type=Path, default=ROOT / "build" / "bench" / "results.json")
    parser.add_argument("--docs", type=Path, help="where pictures and tables go (default: docs/benchmarks, of a quick run build/bench/report)")
    parser.add_argument("--fresh", action="store_true", help="measure the chosen cells and tools again, also where there are records; a quick run always does")
    parser.add_argument("--list", action="store_true", help="say which cells there are, and stop")
    parser.add_argument("--report", action="store_true", help="make pictures and tables from the records that are there, and stop")
    return parser.parse_args()


def _missing(tools: list[str]) -> list[str]:
    return [program for tool in tools for program in _PROGRAMS.get(tool, ()) if shutil.which(program) is None]


def _measure(arguments: argparse.Namespace, results: Results, began: float) -> None:
    cells = select(arguments.cells, arguments.quick)
    tools = [tool for tool in arguments.tools if any(tool in cell.tools for cell in cells)]
    missing = _missing(tools)
    if missing:
        raise LabError(f"missing on this machine: {', '.join(missing)}: `sudo make bench` installs them, --tools leaves them out")
    if arguments.fresh or arguments.quick:
        results.forget(cells, tools)
    repetitions = arguments.repetitions or (1 if arguments.quick else 3)
    ends_at = began + _QUICK_SECONDS if arguments.quick else None
    logs = arguments.results.parent / "logs"
    contest = Contest(results, tools, repetitions, arguments.storage, logs, lambda text: print(text, flush=True), ends_at)
    with large_buffers():
        contest.run(cells)
    for text in contest.not_run:
        print(f"not run: {text}", flush=True)


def main() -> int:
    """Return 0, 1 when it cannot be measured, or 128 and the number of the signal that ended it."""
    began = time.monotonic()
    arguments = _parse()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    try:
        if arguments.list:
            print("\n".join(f"{cell.name:30} {' '.join(cell.tools)}" for cell in select(arguments.cells, arguments.quick)))
            return 0
        results = Results(arguments.results)
        if not arguments.report:
            if os.geteuid() == 0:
                remove_labs_of_dead_runs()
            _measure(arguments, results, began)
        docs = arguments.docs or (ROOT / "build" / "bench" / "report" if arguments.quick else ROOT / "docs" / "benchmarks")
        simulated = json.loads(_SIMULATED.read_text(encoding="utf-8")) if _SIMULATED.exists() else []
        print(f"{report.write(results, docs, simulated)}\n\nThe whole report is {docs}/results.md.")
    except (LabError, ValueError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except _Ended as ended:
        print(f"bench: ended before its time; what was measured is in {arguments.results}, and the same command goes on from there", file=sys.stderr)
        return 128 + int(ended.args[0])
    return 0


if __name__ == "__main__":
    sys.exit(main())
