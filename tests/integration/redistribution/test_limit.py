# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option --limit of ansible-playbook, which would leave out all that the controller does."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.fleetcast.core.tests.integration.status.project import Project

pytestmark = [pytest.mark.redistribution]


def test_it_is_refused_with_what_does_the_same(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.inventory("one", "two")
    refused = project.run("fleetcast.core.redistribute", "--limit", "one")
    assert refused.returncode != 0
    assert "fleetcast_redistribute_hosts" in refused.stderr
    assert "TASK" not in refused.stdout
    ended = project.run("fleetcast.core.redistribute")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "No distribution server has failed on anybody" in " ".join(ended.stdout.split())
