#!/usr/bin/env python3
# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run ``ansible-test sanity`` with every supported ansible-core that this machine's Pythons allow.

ansible-test has demands that a plain checkout does not meet, and this script meets them without touching anything
outside ``build/``:

* The collection must be a real path ``.../ansible_collections/fleetcast/core`` (links do not do): what git would ship
  is copied there, without tests, into a git repository of its own (ansible-test would otherwise ask the one around it,
  which ignores ``build/``).
* ansible-core 2.19 needs Python 3.11 or newer, later ones 3.12 or newer: one virtual environment for each.
* ``--venv`` downloads a script that brings pip into its virtual environments. Python's own ensurepip can do that: a
  stand-in is put where ansible-test keeps the downloaded script. Packages still come from the package index.
* It keeps its environments below ``~/.ansible/test``: HOME is a folder in ``build/``.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
WORK = BUILD / "sanity"
OLDEST_TARGET_PYTHON = "3.8"
TIMEOUT_S = 1200
NOT_COPIED = ("tests/", ".ci/", "build/")
SANITY_SETTINGS = "tests/sanity/"

STAND_IN = '''\
"""Stands in for get-pip.py: pip from Python's own ensurepip, then the packages asked for."""
import os
import subprocess
import sys

environment = {name: value for name, value in os.environ.items() if name != "GET_PIP"}
arguments = [argument for argument in sys.argv[1:] if argument not in ("--no-setuptools", "--no-wheel")]
subprocess.run([sys.executable, "-m", "ensurepip"], check=True, env=environment, stdout=subprocess.DEVNULL)
subprocess.run([sys.executable, "-m", "pip", "install", *arguments], check=True, env=environment)
'''


@dataclass(frozen=True)
class Core:
    """An ansible-core to test with."""

    name: str
    requirement: str
    oldest_python: tuple[int, int]
    newest_python: tuple[int, int]


CORES = (
    Core("2.19", "ansible-core>=2.19,<2.20", (3, 11), (3, 13)),
    Core("latest", "ansible-core>=2.20,<2.22", (3, 12), (3, 14)),
)


def pythons_of_this_machine() -> dict[tuple[int, int], Path]:
    """Every CPython 3.8 or newer that runs, by version: the one running this, those on PATH, and pyenv's."""
    candidates = [Path(sys.executable)]
    for minor in range(8, 15):
        for folder in os.get_exec_path():
            candidates.append(Path(folder) / f"python3.{minor}")
    pyenv_versions = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    candidates += sorted(pyenv_versions.glob("3.*/bin/python3.[0-9]*"))
    # In a virtual environment the Python that it was made from counts.
    probe = "import ensurepip, sys, venv; print(*sys.version_info[:2], getattr(sys, '_base_executable', sys.executable))"
    found: dict[tuple[int, int], Path] = {}
    for candidate in candidates:
        if not re.fullmatch(r"python(3(\.\d+)?)?", candidate.name) or not os.access(candidate, os.X_OK):
            continue
        answer = subprocess.run([candidate, "-c", probe], capture_output=True, text=True, timeout=30, check=False)
        if answer.returncode == 0:
            major, minor_found, executable = answer.stdout.split(maxsplit=2)
            found.setdefault((int(major), int(minor_found)), Path(executable.strip()))
    return found


def copy_collection(target: Path) -> None:
    """Make ``target`` the tree that is shipped, as it is now in the working tree, in a git repository of its own."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    for old in (entry for folder in (target, target / "tests") if folder.exists() for entry in list(folder.iterdir())):
        if old.name in (".git", "tests", "output"):  # tests/output has the virtual environment that ansible-test runs in
            continue
        if old.is_dir():
            shutil.rmtree(old)
        else:
            old.unlink()
    for name in sorted(set(listing.stdout.split("\0")) - {""}):
        if name.startswith(NOT_COPIED) and not name.startswith(SANITY_SETTINGS):
            continue
        source = ROOT / name
        if source.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name, follow_symlinks=False)
    subprocess.run(["git", "init", "--quiet"], cwd=target, check=True)


def prepare_core(core: Core, python: Path) -> Path:
    """Make the virtual environment of ``core``; returns its folder."""
    venv = BUILD / f"venv-core-{core.name}"
    done = venv / ".done"
    if not done.exists() or done.read_text() != core.requirement:
        subprocess.run([python, "-m", "venv", "--clear", venv], check=True)
        subprocess.run([venv / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", core.requirement], check=True)
        done.write_text(core.requirement)
    return venv


def put_pip_stand_in(venv: Path, home: Path) -> None:
    """Put the stand-in for get-pip.py where the ansible-test of ``venv`` looks before it downloads."""
    (requirements,) = venv.glob("lib/python3*/site-packages/ansible_test/_internal/python_requirements.py")
    version = re.search(r"\bpip='([0-9.]+)'", requirements.read_text())
    if version is None:
        sys.exit(f"{requirements} does not say which pip it wants; this script must learn how this ansible-test does it.")
    script = home / ".ansible/test/cache" / f"get_pip_{version[1].replace('.', '_')}.py"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(STAND_IN)


def home_for_ansible_test() -> Path:
    """A home in build/ that has only the user's settings and cache of pip in common with the real one."""
    home = WORK / "home"
    for shared in (".config/pip", ".pip", ".cache/pip"):
        real = Path.home() / shared
        if real.exists() and not (home / shared).is_symlink():
            (home / shared).parent.mkdir(parents=True, exist_ok=True)
            (home / shared).symlink_to(real)
    return home


def ansible_test(venv: Path, pythons: dict[tuple[int, int], Path], arguments: list[str]) -> bool:
    """Run ansible-test of ``venv`` over the copy; True when it found nothing."""
    home = home_for_ansible_test()
    put_pip_stand_in(venv, home)
    folders = dict.fromkeys([str(venv / "bin"), *(str(path.parent) for path in pythons.values()), *os.get_exec_path()])
    environment = {**os.environ, "HOME": str(home), "PATH": os.pathsep.join(folders)}
    collection = WORK / venv.name / "ansible_collections/fleetcast/core"
    copy_collection(collection)
    command = [str(venv / "bin/ansible-test"), "sanity", "--lint", "--venv", "--color", "no", *arguments]
    print(f"== {venv.name}: {' '.join(command[1:])}", flush=True)
    log = WORK / f"{venv.name}.log"
    with log.open("w") as errors:
        outcome = subprocess.run(
            command, cwd=collection, env=environment, stdin=subprocess.DEVNULL, stderr=errors, timeout=TIMEOUT_S, check=False
        )
    if outcome.returncode:
        print(*(line for line in log.read_text().splitlines() if line.startswith("FATAL: The")), sep="\n")
        print(f"== {venv.name}: findings; the whole of what ansible-test said is in {log.relative_to(ROOT)}", flush=True)
    return outcome.returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(description="Run ansible-test sanity with every supported ansible-core.")
    parser.add_argument("arguments", nargs="*", help="passed on to ansible-test sanity, for example: -- --test validate-modules")
    arguments = parser.parse_args().arguments
    pythons = pythons_of_this_machine()
    clean = True
    for core in CORES:
        usable = [version for version in sorted(pythons) if core.oldest_python <= version <= core.newest_python]
        if not usable:
            oldest = ".".join(map(str, core.oldest_python))
            print(f"== ansible-core {core.name} is left out: it needs Python {oldest} or newer, and none is here.", flush=True)
            continue
        version = usable[0]
        venv = prepare_core(core, pythons[version])
        clean &= ansible_test(venv, pythons, ["--python", f"{version[0]}.{version[1]}", *arguments])
        if core.name == "2.19" and not arguments and tuple(map(int, OLDEST_TARGET_PYTHON.split("."))) in pythons:
            clean &= ansible_test(venv, pythons, ["--test", "compile", "--test", "import", "--python", OLDEST_TARGET_PYTHON])
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
