# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A project of a user who has only the callback: ansible.cfg, an inventory, plays, and a look at what came of them."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
TICKETS = ROOT / "playbooks/tickets.yml"
_ANSIBLE = Path(sys.executable).with_name("ansible-playbook")


@dataclass
class Project:
    """A directory with everything in it. `options` go into [callback_job_ticket], `settings` into [defaults]."""

    directory: Path
    options: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    callbacks: str = "fleetcast.core.job_ticket"
    inventory: Path | None = None

    @property
    def database(self) -> Path:
        return self.directory / "home/fleetcast/status.db"

    @property
    def journal(self) -> Path:
        return self.directory / "home/fleetcast/alerts"

    def rules(self, text: str) -> None:
        """Write the file of rules, and name it in the options."""
        (self.directory / "rules.yml").write_text(text, encoding="utf-8")
        self.options["rules"] = self.directory / "rules.yml"

    def hosts(self, *names: str, **variables: str) -> None:
        """An inventory of these hosts, all of them this machine."""
        common = {"ansible_connection": "local", "ansible_python_interpreter": "/usr/bin/python3", **variables}
        lines = ["[all]", *names, "[all:vars]", *(f"{key}={value}" for key, value in common.items())]
        self.inventory = self.directory / "hosts.ini"
        self.inventory.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def command(self, playbook: str | Path, *arguments: str) -> tuple[list[str], dict[str, str]]:
        """The command line and environment of a run; `playbook` is a file, or the text of one."""
        sections = {
            "defaults": {
                "collections_path": ROOT / "build/collections",
                "home": self.directory / "home",
                **({"callbacks_enabled": self.callbacks} if self.callbacks else {}),
                "retry_files_enabled": False,
                **self.settings,
            },
            "callback_job_ticket": self.options,
        }
        text = "".join(f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in values.items()) for name, values in sections.items())
        (self.directory / "ansible.cfg").write_text(text, encoding="utf-8")
        if isinstance(playbook, str):
            file = self.directory / "site.yml"
            file.write_text(playbook, encoding="utf-8")
            playbook = file
        inventory = ["-i", str(self.inventory)] if self.inventory else []
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "FLEETCAST_"))}
        return [str(_ANSIBLE), *inventory, str(playbook), *arguments], {**kept, "ANSIBLE_CONFIG": str(self.directory / "ansible.cfg"), **self.environment}

    def play(self, playbook: str | Path, *arguments: str, timeout_s: float = 240) -> subprocess.CompletedProcess[str]:
        """Run a playbook to its end."""
        argv, environment = self.command(playbook, *arguments)
        return subprocess.run(argv, cwd=self.directory, env=environment, capture_output=True, text=True, timeout=timeout_s, check=False)

    def tickets(self, action: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run playbooks/tickets.yml."""
        extra = json.dumps({f"tickets_{key}": value for key, value in {"action": action, **variables}.items()})
        return self.play(TICKETS, "-e", extra)

    def sql(self, query: str, **values: Any) -> list[tuple[Any, ...]]:
        """Ask the SQLite database directly."""
        with closing(sqlite3.connect(self.database, timeout=60)) as connection:
            return connection.execute(query, values).fetchall()

    def forget_waits(self) -> None:
        """Let the time of every waiting mail have come, and every lease be over."""
        with closing(sqlite3.connect(self.database, timeout=60)) as connection:
            connection.execute("UPDATE mail SET next_at = '2000-01-01 00:00:00', lease_expires_at = NULL WHERE status = 'waiting'")
            connection.commit()

    def wait_for_mail(self, status: Mapping[str, int], timeout_s: float = 60) -> None:
        """Wait until the outbox holds exactly these numbers of mails, by state: sending goes on behind a play."""
        ends = time.monotonic() + timeout_s
        while True:
            found = dict(self.sql("SELECT status, count(*) FROM mail GROUP BY status"))
            if found == dict(status):
                return
            assert time.monotonic() < ends, f"the outbox holds {found} and not {status}"
            time.sleep(0.2)
