# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole plays, as a user runs them: `push` of this collection, and `ansible.builtin.copy`."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..cells import Cell
from ..meter import SENDER
from ..results import OK
from .tool import TIMEOUT, Attempt, Outcome, Tool, last_words
from .unicast import CIPHER, limit_s

_COLLECTIONS = Path(__file__).resolve().parents[3] / "build" / "collections"
_COPY = Path(__file__).resolve().with_name("copy.yml")


class _Play(Tool):
    playbook: str

    def variables(self, attempt: Attempt) -> dict[str, Any]:
        raise NotImplementedError

    def limit_s(self, cell: Cell) -> float:
        return limit_s(cell)

    def run(self, attempt: Attempt) -> Outcome:
        ground = attempt.ground
        project = attempt.logs
        # Enough forks for all hosts at once, one connection per host, and temporary files on the file system where the file is to be.
        (project / "ansible.cfg").write_text(
            "[defaults]\n"
            f"inventory = {ground.lab.inventory}\n"
            f"collections_path = {_COLLECTIONS}\n"
            "callbacks_enabled = fleetcast.core.distribution_status\n"
            f"forks = {max(5, attempt.cell.receivers)}\n"
            f"remote_tmp = {ground.directory}/.ansible\n"
            "[connection]\npipelining = True\n"
            f"[ssh_connection]\nssh_extra_args = -o {CIPHER}\n"
        )
        variables = project / "variables.json"
        variables.write_text(json.dumps(self.variables(attempt)))
        environment = [
            "env", *(f"--unset={name}" for name in os.environ if name.startswith(("ANSIBLE_", "FLEETCAST_", "PYTHONPATH"))),
            f"ANSIBLE_CONFIG={project}/ansible.cfg", f"ANSIBLE_HOME={project}/home", "LC_ALL=C.UTF-8",
            f"PATH={Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}",
        ]  # fmt: skip
        argv = ["ansible-playbook", self.playbook, "-e", f"@{variables}"]
        began = time.monotonic()
        process = ground.start(SENDER, [*environment, *argv], project / SENDER)
        ended = ground.wait_for([process], began + attempt.limit_s)
        wall_s = time.monotonic() - began
        outcome = TIMEOUT if not ended else f"the play ends with {process.returncode}" if process.returncode else OK
        settings = {name: value for name, value in self.variables(attempt).items() if name not in ("src", "dest", "fleetcast_src", "fleetcast_dest")}
        command = " ".join(["ansible-playbook", Path(self.playbook).name, *(f"-e {name}={value}" for name, value in settings.items())])
        return Outcome(wall_s, outcome, said=last_words(attempt.log(SENDER)) if outcome != OK else "", command=command)


class Push(_Play):
    """Modes: auto (no rate is given), ceiling (fleetcast_rate is the link's rate)."""

    name = "push"
    playbook = "fleetcast.core.push"

    def modes(self, cell: Cell) -> Sequence[str]:
        return ("auto", "ceiling") if cell.rate_mbit else ("auto",)

    def variables(self, attempt: Attempt) -> dict[str, Any]:
        rate = {"fleetcast_rate": f"{attempt.cell.rate_mbit}M"} if attempt.mode == "ceiling" else {}
        return {
            "fleetcast_src": str(attempt.source.path),
            "fleetcast_dest": attempt.artifact,
            "fleetcast_interface": "{{ lab_interface }}",
            "fleetcast_sender_interface": "{{ lab_controller_interface }}",
            **rate,
        }


class Copy(_Play):
    """Mode: forks (all hosts at once)."""

    name = "copy"
    playbook = str(_COPY)

    def modes(self, cell: Cell) -> Sequence[str]:
        return ("forks",)

    def variables(self, attempt: Attempt) -> dict[str, Any]:
        return {"src": str(attempt.source.path), "dest": attempt.artifact}
