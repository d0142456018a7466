# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs for every change ends when it is told to, and takes along what it has started."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.push, pytest.mark.lab]

_ROOT = Path(__file__).resolve().parents[2]
#: Tests that take long, and a process of theirs that has gone its own way.
_MAKEFILE = """
test:
\t@setsid --fork sleep 90
\t@echo $$$$ > begun.new; mv begun.new begun; exec sleep 90
"""


@pytest.mark.parametrize(("how", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_it_in_the_middle_of_the_tests(tmp_path: Path, how: signal.Signals, status: int) -> None:
    for name in (".ci/run", "tests/tools/leftovers.py"):
        (tmp_path / name).parent.mkdir(parents=True)
        shutil.copy(_ROOT / name, tmp_path / name)
    (tmp_path / "Makefile").write_text(_MAKEFILE)
    begun, log = tmp_path / "begun", tmp_path / "log"
    # Where there is nothing of other tests that it could take for its own.
    apart = ["unshare", "--mount", "--net", "sh", "-ec", "mount -t tmpfs tmpfs /run; exec .ci/run"]
    environment = {name: value for name, value in os.environ.items() if name != "FLEETCAST_RUN"}
    with log.open("wb") as output:
        run = subprocess.Popen(apart, cwd=tmp_path, env=environment, stdout=output, stderr=output, start_new_session=True)
    try:
        while not begun.exists():  # for the test's own time limit
            assert run.poll() is None, log.read_text()
            time.sleep(0.05)
        run.send_signal(how)
        assert run.wait(60) == status, log.read_text()
    finally:
        run.kill()
    said = log.read_text()
    assert "Left behind, and removed now" in said and ": sleep 90" in said, said
    assert not Path(f"/proc/{begun.read_text().strip()}").exists()
