# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a module of the collection as a process of its own, with any Python, as a host would."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import ansible

COLLECTIONS = Path(__file__).resolve().parents[2] / "build/collections"


def _oldest_python() -> str | None:
    """The oldest Python that a host may have, if this machine has one; a shim of pyenv may be there without the interpreter."""
    candidates = [shutil.which("python3.8"), *map(str, sorted((Path.home() / ".pyenv/versions").glob("3.8.*/bin/python3.8")))]
    for candidate in candidates:
        if candidate and subprocess.run([candidate, "--version"], capture_output=True, timeout=30).returncode == 0:
            return candidate
    return None


OLDEST_PYTHON = _oldest_python()
PYTHONS = [sys.executable] + ([OLDEST_PYTHON] if OLDEST_PYTHON else [])

_START = """
import runpy, sys
from ansible.module_utils import basic
basic._ANSIBLE_ARGS = sys.stdin.buffer.read()
basic._ANSIBLE_PROFILE = "legacy"
runpy.run_module("ansible_collections.fleetcast.core.plugins.modules." + sys.argv[1], run_name="__main__")
"""


def start_module(name: str, arguments: dict[str, Any], *, python: str = sys.executable, check: bool = False, **popen: Any) -> subprocess.Popen[bytes]:
    """Start a module; its arguments are in its standard input already."""
    given = {key: value for key, value in arguments.items() if value is not None}
    given.update(_ansible_check_mode=check, _ansible_diff=True, _ansible_remote_tmp="/tmp", _ansible_keep_remote_files=False)  # noqa: S108
    # Nothing but Ansible itself is importable beside the collection, as on a host.
    library = COLLECTIONS.parent / "ansible-only"
    library.mkdir(exist_ok=True)
    link = library / "ansible"
    with contextlib.suppress(FileExistsError):  # tests that run side by side make it at the same moment
        link.symlink_to(Path(str(ansible.__file__)).parent)
    environment = {**os.environ, "PYTHONPATH": f"{COLLECTIONS}:{library}", "PYTHONDONTWRITEBYTECODE": "1"}
    process = subprocess.Popen(
        [python, "-c", _START, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, **popen
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps({"ANSIBLE_MODULE_ARGS": given}).encode())
    process.stdin.close()
    process.stdin = None
    return process


def run_module(name: str, arguments: dict[str, Any], *, python: str = sys.executable, check: bool = False, **popen: Any) -> dict[str, Any]:
    """Run a module to its end; returns its result, also a failed one."""
    process = start_module(name, arguments, python=python, check=check, **popen)
    try:
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()
        process.wait()
    assert out, err.decode()
    result: dict[str, Any] = json.loads(out)
    return result
