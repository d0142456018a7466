# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What works on the table is loaded beside a worker that was forked, by the process that asked for it, and only once asked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_COLLECTIONS = Path(__file__).resolve().parents[4] / "build" / "collections"

_CODE = """
import os, sys
from ansible_collections.fleetcast.core.plugins.plugin_utils._status import libraries

def loaded_in_parent_and_child():
    reads, writes = os.pipe()
    if not os.fork():
        # A worker that forks has work of its own.
        if not os.fork():
            os._exit(0)
        os.wait()
        os.write(writes, b"%d" % ("sqlalchemy" in sys.modules))
        os._exit(0)
    os.wait()
    return "sqlalchemy" in sys.modules, os.read(reads, 1) == b"1"

print(loaded_in_parent_and_child())
libraries.load_after_fork()
print("sqlalchemy" in sys.modules)
print(loaded_in_parent_and_child())
"""


def test_they_are_loaded_when_a_worker_is_forked() -> None:
    done = subprocess.run([sys.executable, "-c", _CODE], env={"PYTHONPATH": str(_COLLECTIONS)}, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines() == ["(False, False)", "False", "(True, False)"], done.stderr
