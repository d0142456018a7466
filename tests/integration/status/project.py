# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A user's project: an ansible.cfg, an inventory, playbooks; and a look into its status table that shares no code with the product."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import yaml

_COLLECTIONS = Path(__file__).resolve().parents[3] / "build/collections"
_PLAY_SECONDS = 120
#: A port on which nobody listens (tcpmux).
_CLOSED_PORT = 1


class Project:
    """A directory with what Ansible needs. Hosts are local; one named `dark...` cannot be reached."""

    def __init__(self, directory: Path, database_url: str | None = None, enabled: bool = True) -> None:
        self.directory = directory
        self.database_url = database_url
        self.home = directory / "ansible-home"
        settings = ["[defaults]", f"collections_path = {_COLLECTIONS}", "interpreter_python = /usr/bin/python3", "forks = 4"]
        if enabled:
            settings.append("callbacks_enabled = fleetcast.core.distribution_status")
        settings += ["[ssh_connection]", "retries = 0"]
        if database_url:
            settings += ["[fleetcast]", f"db_url = {database_url}"]
        (directory / "ansible.cfg").write_text("\n".join(settings) + "\n", encoding="utf-8")

    def inventory(self, *hosts: str) -> None:
        lines = ["[all:vars]", "ansible_python_interpreter=/usr/bin/python3", "[all]"]
        for host in hosts:
            dark = f"ansible_connection=ssh ansible_host=127.0.0.1 ansible_port={_CLOSED_PORT}"
            lines.append(f"{host} {dark if host.startswith('dark') else 'ansible_connection=local'}")
        (self.directory / "hosts").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def play(self, *tasks: dict[str, Any], name: str = "play.yml", **keywords: Any) -> subprocess.CompletedProcess[str]:
        """Write a playbook of one play with these tasks, and run it."""
        return self.playbook([{"hosts": "all", "gather_facts": False, **keywords, "tasks": list(tasks)}], name)

    def playbook(self, plays: list[dict[str, Any]], name: str = "play.yml") -> subprocess.CompletedProcess[str]:
        self.write(plays, name)
        return self.run(name)

    def write(self, plays: list[dict[str, Any]], name: str = "play.yml") -> None:
        (self.directory / name).write_text(yaml.safe_dump(plays, sort_keys=False), encoding="utf-8")

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments), capture_output=True, text=True, timeout=_PLAY_SECONDS, cwd=self.directory, env=self.environment(**environment)
        )

    def command(self, *arguments: str) -> list[str]:
        (program,) = [found for found in [shutil.which("ansible-playbook", path=str(Path(sys.executable).parent))] if found]
        return [program, "-i", "hosts", *arguments]

    def environment(self, **changes: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "FLEETCAST_"))}
        return {**kept, "ANSIBLE_HOME": str(self.home), "ANSIBLE_LOCAL_TEMP": str(self.directory / "tmp"), "ANSIBLE_NOCOLOR": "1", "COLUMNS": "120", **changes}

    @property
    def file(self) -> Path:
        """The SQLite file, where the table is in one."""
        if self.database_url is None:
            return self.home / "fleetcast/status.db"
        return Path(self.database_url.removeprefix("sqlite:///"))

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        if self.database_url and self.database_url.startswith("postgresql"):
            with psycopg.connect(self.database_url) as server:
                return server.execute(statement).fetchall()
        connection = sqlite3.connect(f"file:{self.file}?mode=ro", uri=True)
        try:
            return connection.execute(statement).fetchall()
        finally:
            connection.close()

    def states(self) -> dict[str, str]:
        """host -> state of the newest distribution; checks that the states add up to the hosts."""
        rows = self.sql(
            "SELECT v.name, t.status, a.status, d.total_hosts FROM target t JOIN device v ON v.id = t.device_id "
            "JOIN attempt a ON a.id = t.current_attempt_id JOIN distribution d ON d.id = t.distribution_id "
            "WHERE d.seq = (SELECT max(seq) FROM distribution) ORDER BY v.name"
        )
        assert all(target == attempt for _, target, attempt, _ in rows)
        assert {total for *_, total in rows} == {len(rows)}
        return {host: state for host, state, *_ in rows}

    def ended(self) -> dict[str, tuple[str, str | None, str]]:
        """host -> (state, code, detail) of the last attempts of the newest distribution."""
        rows = self.sql(
            "SELECT v.name, a.status, a.code, coalesce(a.detail, '') FROM target t JOIN device v ON v.id = t.device_id "
            "JOIN attempt a ON a.id = t.current_attempt_id JOIN distribution d ON d.id = t.distribution_id "
            "WHERE d.seq = (SELECT max(seq) FROM distribution) ORDER BY v.name"
        )
        return {host: (state, code, detail) for host, state, code, detail in rows}


def start(name: str = "app", digest: str = "d1", **options: Any) -> dict[str, Any]:
    """The task that begins a distribution to the whole play, and registers it as `begun`."""
    values = {"name": name, "digest": digest, "manifest": "the manifest", "hosts": "{{ ansible_play_hosts_all }}", "commands": {"src": "/srv/a"}, **options}
    return {"name": "Start", "fleetcast.core.distribution_start": values, "run_once": True, "register": "begun"}


def record(status: str, hosts: str = "ansible_play_hosts", **values: Any) -> dict[str, Any]:
    """The task that records one state for all hosts that the expression gives."""
    said = json.dumps({"status": status, **values})
    return {
        "name": f"Record {status}",
        "fleetcast.core.distribution_record": {"distribution": "{{ begun.distribution }}", "hosts": "{{ dict(%s | product([%s])) }}" % (hosts, said)},
        "run_once": True,
        "register": "recorded",
    }


def finish(**options: Any) -> dict[str, Any]:
    return {
        "name": "Finish",
        "fleetcast.core.distribution_finish": {"distribution": "{{ begun.distribution }}", **options},
        "run_once": True,
        "register": "finished",
    }


def fail(host: str, **keywords: Any) -> dict[str, Any]:
    return {"name": f"Fail on {host}", "ansible.builtin.fail": {"msg": f"broken on {host}"}, "when": f"inventory_hostname == '{host}'", **keywords}


def reach(**keywords: Any) -> dict[str, Any]:
    return {"name": "Reach", "ansible.builtin.command": {"cmd": "true"}, "changed_when": False, **keywords}


def save(file: str, expression: str) -> dict[str, Any]:
    """The task that writes a value as JSON beside the playbook."""
    return {
        "name": "Save",
        "ansible.builtin.copy": {"dest": "{{ playbook_dir }}/" + file, "content": "{{ %s | to_json }}" % expression, "mode": "0600"},
        "run_once": True,
        "delegate_to": "localhost",
        "vars": {"ansible_connection": "local"},
    }
