# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python3 -m tests.demo`, from the project's root: ends with 0 only when everything was as it says."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType

from ..lab.system import LabError
from . import on_lab, on_loopback
from .project import Project
from .screen import DemoError, Screen


class _Ended(BaseException):
    """The demo was asked to end; the argument is the signal's number."""


def _end(number: int, _frame: FrameType | None) -> None:
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)  # what is made is removed now, and that is not to be interrupted
    raise _Ended(number)


def main() -> int:
    """Return 0, 1 when something is not as said, or 128 and the number of the signal that ended the demo."""
    parser = argparse.ArgumentParser(prog="tests.demo", description="The collection at work. As root on eight hosts of the lab, else on four loopback hosts.")
    parser.add_argument("--without-root", action="store_true", help="four loopback hosts, also as root")
    without_root = parser.parse_args().without_root or os.geteuid() != 0
    variant = on_loopback if without_root else on_lab
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    screen = Screen(variant.STEPS)
    directory = Path(tempfile.mkdtemp(prefix="fleetcast-demo-"))
    try:
        variant.run(screen, directory)
    except (DemoError, LabError) as error:
        print(f"\ndemo: {error}", file=sys.stderr, flush=True)
        return 1
    except _Ended as ended:
        print("\ndemo: ended before its time; what it made is removed", file=sys.stderr, flush=True)
        return 128 + int(ended.args[0])
    finally:
        Project.remove(directory)
    print("\nEverything was as said.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
