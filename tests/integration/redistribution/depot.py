# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A project with one distribution server, host1, and two recipients on which something stands in the way of the first distribution."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from ansible_collections.fleetcast.core.tests.integration.push.project import Played, Project
from ansible_collections.fleetcast.core.tests.lab import Lab

SERVER = "host1"
RECIPIENTS = ("host2", "host3")
STATE = "/var/lib/fleetcast"


class Depot(Project):
    """The failed distribution, and what a user does about it."""

    def __init__(self, directory: Path, lab: Lab) -> None:
        super().__init__(directory, lab)
        self.inventory({"all": {"hosts": {host: {"fleetcast_distribution_server": SERVER} for host in RECIPIENTS}}})
        self._forget()
        self.source = self.file("tool.bin", 8_000_000)

    def fail(self, *recipients: str) -> str:
        """Distribute while something stands in the way on these recipients; returns the distribution's identifier."""
        for host in recipients:
            self.exec(host, "mkdir", "-p", f"{self.destination}tool.bin/in-the-way")
        played = self.start("fleetcast.core.distribute", fleetcast_src=str(self.source), fleetcast_hosts=":".join(RECIPIENTS)).ended()
        assert self.states(2) == {host: "failed" if host in recipients else "succeeded" for host in RECIPIENTS}, played.output
        for host in recipients:
            self.exec(host, "rm", "-r", f"{self.destination}tool.bin")
        return str(self.sql("SELECT id FROM distribution ORDER BY seq DESC LIMIT 1")[0][0])

    def plan(self, **variables: Any) -> str:
        """Only plan; returns the digest."""
        return self.planned(self.redistribute(fleetcast_redistribute_approval="none", **variables).done())

    @staticmethod
    def planned(played: Played) -> str:
        """The digest of the plan that this play made."""
        found = re.search(r"-e approved_plan=([0-9a-f]{64})", played.said)
        assert found, played.output
        return found.group(1)

    def records(self) -> dict[str, str]:
        """recipient -> status of its failure record."""
        return dict(self.sql("SELECT d.name, f.status FROM failure_record f JOIN device d ON d.id = f.device_id"))

    def plans(self) -> list[str]:
        return [status for (status,) in self.sql("SELECT status FROM redistribution_plan ORDER BY created_at")]

    def decisions(self) -> list[tuple[str, str, str, str]]:
        """(status, who, how, why) of all decisions."""
        return self.sql("SELECT to_status, who, how, reason FROM redistribution_event WHERE to_status IN ('approved', 'rejected') ORDER BY id")

    def job_log(self) -> list[dict[str, Any]]:
        """The records of the only job log on the server."""
        lines = self.exec(SERVER, "sh", "-c", f"cat {STATE}/jobs/*-*/log").splitlines()
        return [json.loads(line.split(" ", 2)[2]) for line in lines]

    def package(self) -> str:
        """Where the server keeps the package."""
        return self.exec(SERVER, "sh", "-c", f"find {STATE}/packages -name tool.bin").strip()

    def close(self) -> None:
        super().close()
        self._forget()

    def _forget(self) -> None:
        if self.lab.host(SERVER).init is not None:
            self.exec(SERVER, "rm", "-rf", "--one-file-system", STATE)
