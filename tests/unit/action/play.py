# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays through ansible-playbook on the local connection."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]


class Ansible:
    """Runs plays against one host of the local connection, with temporary directories of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.remote_tmp = folder / "remote_tmp"
        self.python = sys.executable

    def play(self, tasks: list[dict[str, Any]], *options: str, **play: Any) -> dict[str, dict[str, Any]]:
        """Results by the names of the tasks."""
        playbook = self.folder / "play.yml"
        (self.folder / "ansible.cfg").touch()
        playbook.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks, **play}]))
        environment = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "build/collections"),
            "ANSIBLE_CONFIG": str(self.folder / "ansible.cfg"),
            "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
            "ANSIBLE_REMOTE_TEMP": str(self.remote_tmp),
            "ANSIBLE_LOCAL_TEMP": str(self.folder / "local_tmp"),
            "ANSIBLE_NOCOLOR": "1",
        }
        ansible_playbook = str(Path(sys.executable).with_name("ansible-playbook"))
        command = [ansible_playbook, "-i", "host1,", "-c", "local", "-vvv", "-e", f"ansible_python_interpreter={self.python}"]
        done = subprocess.run([*command, str(playbook), *options], capture_output=True, text=True, timeout=110, check=False, env=environment, cwd=self.folder)
        self.output = done.stdout
        results = {}
        for name, text in re.findall(r"^TASK \[(.*?)\] \*+$(.*?)(?=^(?:TASK|PLAY) )", done.stdout, re.M | re.S):
            found = re.search(r"^(?:ok|changed|fatal|skipping): \[host1.*?\](?:: FAILED!)? => (\{.*?^\})", text, re.M | re.S)
            if found:
                results[name] = json.loads(found.group(1))
        assert results, done.stdout + done.stderr
        return results
