# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An action takes the options that its module documents.

ansible-test compares the specification in a module with its documentation. It leaves alone modules that are only documentation, and it never looks
into actions.
"""

from __future__ import annotations

import ast
import importlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
MODULES = sorted(path.stem for path in (ROOT / "plugins/modules").glob("[!_]*.py"))
#: These hand on what they are given: the specification is in the module, where ansible-test compares it.
WITHOUT_SPEC = {"artifact_apply", "multicast_receive", "multicast_send"}
ACTIONS = sorted({path.stem for path in (ROOT / "plugins/action").glob("[!_]*.py")} - WITHOUT_SPEC)
#: What the documentation says of options that are not for users.
BY_ACTION = "Set by the action plugin"
#: Handed on only when it is given: the default is the module's.
DEFAULT_OF_MODULE = "path"
#: All that a specification may say of an option, beside what is compared.
HIDING = "no_log"
#: As ansible-test knows them (`no-log-needed`).
SECRETS = re.compile(r"pass(?!ive)|secret|token|key", re.IGNORECASE)


def has_code(module: str) -> bool:
    """Whether a module does something, so that ansible-test sees its specification."""
    tree = ast.parse((ROOT / f"plugins/modules/{module}.py").read_text())
    return any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in tree.body)


def action_of(name: str) -> Any:
    return importlib.import_module(f"ansible_collections.fleetcast.core.plugins.action.{name}").ActionModule


def comparable(options: Mapping[str, Mapping[str, Any]], nested: str) -> dict[str, dict[str, Any]]:
    """What specification and documentation have in common, in one form; they say the type always, the rest where it is not what Ansible presumes."""
    return {
        name: {
            "type": option["type"],
            "elements": option.get("elements"),
            "required": option.get("required", False),
            "default": option.get("default"),
            "choices": sorted(option.get("choices", [])),
            "aliases": sorted(option.get("aliases", [])),
            "options": comparable(option.get(nested, {}), nested),
        }
        for name, option in options.items()
    }


def each(options: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, Mapping[str, Any]]]:
    """All options, with those inside of others."""
    return [found for name, option in options.items() for found in ((name, option), *each(option.get("options", {})))]


@pytest.fixture(scope="module")
def documentation() -> dict[str, Any]:
    """By action, the options of its module as users read them."""
    names = [f"fleetcast.core.{name}" for name in ACTIONS]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "build/collections")}
    command = [str(Path(sys.executable).with_name("ansible-doc")), "--json", "--type", "module", *names]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, env=environment)
    return {name.rpartition(".")[2]: found["doc"]["options"] for name, found in json.loads(done.stdout).items()}


@pytest.mark.parametrize("name", ACTIONS)
def test_an_action_takes_what_its_module_documents(name: str, documentation: dict[str, Any]) -> None:
    spec, options = action_of(name).ARGUMENT_SPEC, documentation[name]
    if has_code(name):
        options = {key: option for key, option in options.items() if not str(option["description"]).startswith(BY_ACTION)}
        options[DEFAULT_OF_MODULE] = {**options[DEFAULT_OF_MODULE], "default": None}
    assert comparable(spec, "options") == comparable(options, "suboptions")


@pytest.mark.parametrize("name", ACTIONS)
def test_a_specification_says_nothing_that_is_not_compared(name: str) -> None:
    action = action_of(name)
    known = {*comparable({"": {"type": ""}}, "")[""], HIDING}
    assert {key for _name, option in each(action.ARGUMENT_SPEC) for key in option} <= known
    together = {option for groups in getattr(action, "REQUIRED", {}).values() for group in groups for option in group}
    assert together <= set(action.ARGUMENT_SPEC)


@pytest.mark.parametrize("name", ACTIONS)
def test_an_option_that_could_be_a_secret_says_whether_it_is(name: str) -> None:
    assert [option for option, said in each(action_of(name).ARGUMENT_SPEC) if SECRETS.search(option) and HIDING not in said] == []


def test_a_module_without_code_has_an_action_with_a_specification() -> None:
    assert {name for name in MODULES if not has_code(name)} <= set(ACTIONS)
    assert {name for name in WITHOUT_SPEC if not has_code(name)} == set()
