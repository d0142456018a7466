# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A project whose recipients have distribution servers: host1, host2 and host3, of which each serves as many."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible_collections.fleetcast.core.tests.integration.push import packages
from ansible_collections.fleetcast.core.tests.integration.push.project import Played, Project, Running
from ansible_collections.fleetcast.core.tests.lab import Lab

SERVERS = ("host1", "host2", "host3")
_STATE = "/var/lib/fleetcast"


class Depots(Project):
    """The recipients' servers stand in the inventory, as a user would have it there."""

    def __init__(self, directory: Path, lab: Lab) -> None:
        super().__init__(directory, lab)
        self.recipients = [host for host in lab.hosts if host not in SERVERS]
        self.environment["ANSIBLE_FORKS"] = "16"
        self.inventory({
            "lab_servers": {"vars": {"fleetcast_server_interface": "{{ lab_site_interface }}"}},
            "lab_recipients": {"vars": {"fleetcast_distribution_server": "{{ lab_server }}"}},
        })
        self._forget()

    def start_distribute(self, source: Path | str, *arguments: str, **variables: Any) -> Running:
        return self.start("fleetcast.core.distribute", *arguments, fleetcast_src=str(source), **variables)

    def distribute(self, source: Path | str, *arguments: str, **variables: Any) -> Played:
        return self.start_distribute(source, *arguments, **variables).ended()

    def failures(self) -> dict[str, tuple[str, str]]:
        """recipient -> distribution server and state of its failure record."""
        found = self.sql("SELECT d.name, f.server, f.status FROM failure_record f JOIN device d ON d.id = f.device_id")
        return {host: (server, status) for host, server, status in found}

    def served_by(self, server: str) -> list[str]:
        return [host for host in self.lab.hosts if self.lab.host(host).through == server]

    def bytes_since(self, before: dict[str, dict[str, int]], *ports: str) -> dict[str, int]:
        """Port -> bytes sent since these counters were read, of all ports or of those that are named."""
        now = self.lab.count_bytes(*ports)
        return {port: counters["tx_bytes"] - before[port]["tx_bytes"] for port, counters in now.items()}

    def job_log(self, server: str) -> list[dict[str, Any]]:
        """The records of the only job log on this server."""
        lines = self.exec(server, "sh", "-c", f"cat {_STATE}/jobs/*/log").splitlines()
        return [json.loads(line.split(" ", 2)[2]) for line in lines]

    def close(self) -> None:
        super().close()
        self._forget()

    def _forget(self) -> None:
        """Remove what the servers that are on keep, and what was installed on the recipients."""
        for host in self.lab.hosts:
            if self.lab.host(host).init is not None:
                self.exec(host, "sh", "-ec", f"rm -rf --one-file-system {_STATE}; if [ -e /opt/{packages.NAME} ]; then dpkg --purge {packages.NAME}; fi")
