# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packing a module beside other work: it is there afterwards, whatever becomes of it the work goes on, and nothing is left running."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.fleetcast.core.plugins.plugin_utils import _packing

pytestmark = pytest.mark.push

_OWN, _NEXT = "fleetcast.core.multicast_send", "fleetcast.core.multicast_receive"


class Action:
    """The parts of an action that packing needs."""

    def __init__(self, notes: Path) -> None:
        self._task = SimpleNamespace(action=_OWN, delegate_to=None)
        self._notes = notes

    def _configure_module(self, module_name: str, module_args: dict[str, Any], task_vars: dict[str, Any]) -> None:
        with self._notes.open("a", encoding="utf-8") as notes:
            notes.write(f"{module_name} {os.getppid()} {task_vars['ansible_python_interpreter']} {module_args}\n")


def test_it_is_packed_elsewhere_and_changes_nothing_here(tmp_path: Path) -> None:
    task_vars: dict[str, Any] = {}
    with _packing.packed_meanwhile(Action(tmp_path / "notes"), _NEXT, task_vars):
        pass
    packed = [line.split() for line in (tmp_path / "notes").read_text(encoding="utf-8").splitlines()]
    assert [(name, int(parent)) for name, parent, *_ in packed] == [(_OWN, os.getpid()), (_NEXT, os.getpid())]
    assert task_vars == {}


def test_what_cannot_be_packed_does_not_matter_here(tmp_path: Path) -> None:
    class Failing(Action):
        def _configure_module(self, *_args: object, **_kwargs: object) -> None:
            raise RuntimeError("no such module")

    done = False
    with _packing.packed_meanwhile(Failing(tmp_path / "notes"), _NEXT, {}):
        done = True
    assert done


def test_a_packing_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Hanging(Action):
        def _configure_module(self, *_args: object, **_kwargs: object) -> None:
            self._notes.write_text(str(os.getpid()), encoding="utf-8")
            time.sleep(600)

    monkeypatch.setattr(_packing, "_LIMIT", 0.1)
    notes = tmp_path / "notes"
    with pytest.raises(KeyError, match="the work's own"), _packing.packed_meanwhile(Hanging(notes), _NEXT, {}):
        while not notes.exists() or not notes.read_text(encoding="utf-8"):  # for the test's own time limit
            time.sleep(0.02)
        raise KeyError("the work's own")
    assert not Path(f"/proc/{notes.read_text(encoding='utf-8')}").exists()
