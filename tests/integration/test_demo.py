# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make demo` keeps its promises: as a user sees it on a terminal, in a log, and when it is interrupted."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.push

_ROOT = Path(__file__).resolve().parents[2]
_LOOPBACK = [sys.executable, "-m", "tests.demo", "--without-root"]


def _environment(scratch: Path, **variables: str) -> dict[str, str]:
    return {**{name: value for name, value in os.environ.items() if name != "NO_COLOR"}, "TMPDIR": str(scratch), "TERM": "xterm", **variables}


@contextmanager
def _on_terminal(argv: list[str], environment: dict[str, str]) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A command whose standard output is a terminal; the process, and our end of the terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(argv, cwd=_ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs)
    os.close(theirs)
    try:
        yield process, ours
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def _read(terminal: int, until: bytes = b"") -> bytes:
    """What is written to the terminal, up to its end or until something appears."""
    seen = b""
    while not until or until not in seen:
        try:
            seen += os.read(terminal, 65536)
        except OSError:  # EIO: nobody writes to it any more
            break
    return seen


@pytest.mark.timeout(240)
def test_on_a_terminal_a_line_moves_while_bytes_flow(tmp_path: Path) -> None:
    with _on_terminal(_LOOPBACK, _environment(tmp_path)) as (process, terminal):
        seen = _read(terminal)
        assert process.wait(10) == 0, seen.decode()
    assert seen.count(b"\rmulticast: ") >= 2
    assert b"\033[1m[" in seen
    assert b"\033[0;32mok: [local1]" in seen
    assert b"sudo make demo" in seen
    assert seen.rstrip().endswith(b"Everything was as said.")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.timeout(240)
@pytest.mark.further
def test_no_color_on_a_terminal(tmp_path: Path) -> None:
    """Interrupted in the middle of the push, to spare the rest: what was made is removed, and nothing runs on."""
    with _on_terminal(_LOOPBACK, _environment(tmp_path, NO_COLOR="1")) as (process, terminal):
        seen = _read(terminal, until=b"\rmulticast: ")
        process.send_signal(signal.SIGINT)
        seen += _read(terminal)
        assert process.wait(30) == 128 + signal.SIGINT, seen.decode()
    assert b"\033[" not in seen
    assert list(tmp_path.iterdir()) == []
    assert _left(tmp_path) == []


def _left(scratch: Path) -> list[str]:
    """Processes that work for a demo in `scratch`; whoever was just killed has a moment to go."""
    deadline = time.monotonic() + 10
    while True:
        found = []
        for entry in Path("/proc").glob("[0-9]*/environ"):
            try:
                if f"FLEETCAST_DEMO={scratch}".encode() in entry.read_bytes():
                    found.append(str(entry.parent))
            except OSError:  # it has ended
                continue
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.2)


@pytest.mark.lab
@pytest.mark.timeout(600)
def test_as_root_on_hosts_with_troubles_and_in_a_log(tmp_path: Path) -> None:
    demo = subprocess.Popen(
        [sys.executable, "-m", "tests.demo"],
        cwd=_ROOT,
        env=_environment(tmp_path),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    # As bytes and without translation: a carriage return has no business in a log.
    shown = demo.communicate()[0].decode()
    assert demo.returncode == 0, shown
    assert "8 of 8 verified" in shown
    assert "\033" not in shown
    assert "\r" not in shown
    ratio = next(line.split() for line in shown.splitlines() if line.split()[:1] == ["ratio"])
    assert float(ratio[2]) > 4, "copy sends to six hosts and more what the multicast sends once"
    assert list(tmp_path.iterdir()) == []
    assert not list(Path("/run/netns").glob(f"fc-demo{demo.pid}*")), "the lab was not removed"
