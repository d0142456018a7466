# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whoever comes second to a spool asks the first, which gives way if it knows what that means."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.errors import SpoolBusy, SpoolError
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.lock import open_locked

pytestmark = pytest.mark.push

Hold = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def hold() -> Iterator[Hold]:
    """Another process that holds the lock of a map, and does what is said when it is asked."""
    made: list[subprocess.Popen[bytes]] = []

    def start(path: Path, when_asked: str = "pass") -> subprocess.Popen[bytes]:
        code = (
            "import sys; sys.path[:0] = sys.argv[2:]\n"
            f"from {open_locked.__module__} import open_locked, GIVE_WAY\n"
            "import os, signal, time\n"
            "fd = open_locked(sys.argv[1])\n"
            f"{when_asked}\n"
            "print('held', flush=True)\n"
            "time.sleep(60)\n"
        )
        process = subprocess.Popen([sys.executable, "-c", code, str(path), *sys.path], stdout=subprocess.PIPE)
        made.append(process)
        assert process.stdout is not None and process.stdout.readline() == b"held\n"
        return process

    yield start
    for process in made:
        process.kill()
        process.wait(timeout=10)
        assert process.stdout is not None
        process.stdout.close()


def test_a_holder_that_gives_way(hold: Hold, tmp_path: Path) -> None:
    process = hold(tmp_path / "map", "signal.signal(GIVE_WAY, lambda *_: os._exit(7))")
    os.close(open_locked(str(tmp_path / "map"), patience=20))
    assert process.wait(timeout=10) == 7


def test_a_holder_that_goes_on_is_left_alone(hold: Hold, tmp_path: Path) -> None:
    process = hold(tmp_path / "map")
    begun = time.monotonic()
    with pytest.raises(SpoolBusy, match=r"another process writes the spool .*map: wait for its end"):
        open_locked(str(tmp_path / "map"), patience=1)
    assert time.monotonic() - begun >= 1
    assert process.poll() is None, "whoever does not know the signal survives it"


def test_a_holder_that_discards_the_spool_leaves_a_new_one(hold: Hold, tmp_path: Path) -> None:
    path = tmp_path / "map"
    hold(path, "signal.signal(GIVE_WAY, lambda *_: (os.unlink(sys.argv[1]), os.close(fd)))")
    fd = open_locked(str(path), patience=20)
    assert os.fstat(fd).st_ino == path.stat().st_ino
    os.close(fd)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "map").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SpoolError, match="cannot create the spool"):
        open_locked(str(tmp_path / "map"))
    assert not (tmp_path / "elsewhere").exists()
