# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ansible-galaxy builds holds the collection and nothing else, installs, and works from any directory."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.push

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(sys.executable).parent
SHIPPED_FOLDERS = ("LICENSES", "docs", "meta", "playbooks", "plugins", "roles")
SHIPPED_FILES = ("CHANGELOG.rst", "LICENSE", "README.md", "bindep.txt", "requirements-postgresql.txt", "requirements.txt")
ALLOWED_AT_THE_TOP = {*SHIPPED_FOLDERS, *SHIPPED_FILES, "CONTRIBUTING.md", "FILES.json", "MANIFEST.json", "changelogs", "extensions", "inventories"}
LITTER = ("__pycache__", "build", "tests", "molecule", "fragments", "output")


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("artifact")
    subprocess.run([PROGRAMS / "ansible-galaxy", "collection", "build", "--output-path", folder], cwd=ROOT, check=True, timeout=60)
    (built,) = folder.glob("fleetcast-core-*.tar.gz")
    return built


@pytest.fixture(scope="module")
def elsewhere(artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that knows the collection only as installed from the artifact."""
    folder = tmp_path_factory.mktemp("elsewhere")
    command = [str(PROGRAMS / "ansible-galaxy"), "collection", "install", "--offline", "--collections-path", "collections", str(artifact)]
    subprocess.run(command, cwd=folder, env=environment(folder), check=True, timeout=60)
    return folder


def environment(folder: Path) -> dict[str, str]:
    """The environment without what would lead Ansible back to this checkout."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PYTHON"))}
    ours = {"ANSIBLE_HOME": str(folder / "home"), "ANSIBLE_COLLECTIONS_PATH": str(folder / "collections"), "ANSIBLE_REMOTE_TMP": str(folder / "tmp")}
    return {**inherited, **ours, "ANSIBLE_LOCALHOST_WARNING": "0"}


def output_of(folder: Path, program: str, *arguments: str) -> str:
    answer = subprocess.run(
        [PROGRAMS / program, *arguments], cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=90, check=False
    )
    assert answer.returncode == 0, f"{program} {' '.join(arguments)}\n{answer.stdout}{answer.stderr}"
    return answer.stdout


def modules_of_this_checkout() -> list[str]:
    return sorted(path.stem for path in (ROOT / "plugins/modules").glob("*.py") if path.stem != "__init__")


def test_holds_the_collection_and_no_litter(artifact: Path) -> None:
    with tarfile.open(artifact) as archive:
        names = {Path(member.name) for member in archive if not member.isdir()}
    wanted = {Path(name) for name in SHIPPED_FILES}
    for folder in SHIPPED_FOLDERS:
        wanted |= {path.relative_to(ROOT) for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert sorted(wanted - names) == []
    assert {path.parts[0] for path in names} - ALLOWED_AT_THE_TOP == set()
    litter = [path for path in names if set(path.parts) & set(LITTER) or path.suffix in (".pyc", ".gz") or path.name.startswith(".")]
    assert sorted(litter) == []


def test_documentation_of_every_plugin_is_readable(elsewhere: Path) -> None:
    modules = [f"fleetcast.core.{name}" for name in modules_of_this_checkout()]
    documents = json.loads(output_of(elsewhere, "ansible-doc", "--json", "--type", "module", *modules))
    assert sorted(documents) == modules
    assert [name for name in modules if not documents[name]["doc"]["short_description"]] == []
    listed = json.loads(output_of(elsewhere, "ansible-doc", "--json", "--list", "--type", "callback", "fleetcast.core"))
    assert "fleetcast.core.distribution_status" in listed


def test_a_module_runs(elsewhere: Path) -> None:
    source = elsewhere / "some file.bin"
    source.write_bytes(b"fleetcast" * 1000)
    arguments = json.dumps({"src": str(source)})
    answer = output_of(elsewhere, "ansible", "localhost", "--module-name", "fleetcast.core.artifact_info", "--args", arguments)
    status, _, result = answer.partition(" => ")
    assert status == "localhost | SUCCESS"
    assert hashlib.sha256(source.read_bytes()).hexdigest() in json.dumps(json.loads(result))


def test_defaults_for_the_action_group_reach_a_module(elsewhere: Path) -> None:
    source = elsewhere / "default.bin"
    source.write_bytes(b"fleetcast")
    task = {"name": "Digest what the defaults name", "fleetcast.core.artifact_info": {}}
    defaults = {"group/fleetcast.core.fleetcast": {"src": str(source)}}
    play = {"name": "Defaults", "hosts": "localhost", "gather_facts": False, "module_defaults": defaults, "tasks": [task]}
    playbook = elsewhere / "defaults.yml"
    playbook.write_text(yaml.safe_dump([play]))
    assert hashlib.sha256(source.read_bytes()).hexdigest() in output_of(elsewhere, "ansible-playbook", "-v", str(playbook))


@pytest.mark.parametrize("playbook", sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml")))
def test_a_playbook_is_found_by_its_name(elsewhere: Path, playbook: str) -> None:
    output_of(elsewhere, "ansible-playbook", "--syntax-check", "--inventory", "localhost,", f"fleetcast.core.{playbook}")


def test_the_action_group_names_every_module() -> None:
    runtime = yaml.safe_load((ROOT / "meta/runtime.yml").read_text())
    assert runtime["action_groups"]["fleetcast"] == modules_of_this_checkout()
