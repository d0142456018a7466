# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that takes long to place what it received is waited for: it is not one that was killed."""

from __future__ import annotations

import pytest
from ansible_collections.fleetcast.core.tests.integration.push.project import Project

pytestmark = [pytest.mark.push, pytest.mark.lab, pytest.mark.timeout(200)]


def test_a_slow_check_is_waited_for(project: Project) -> None:
    source = project.file("file.bin", 200_000)
    played = project.push(source, "--limit", "host1,host2", fleetcast_validate="sh -c 'sleep 6; test -s %s'").done()
    assert played.changed() == {"host1", "host2"}
    project.all_states("succeeded", ["host1", "host2"])
    assert project.rows("bytes_unicast") == {"host1": 0, "host2": 0}
    assert project.rows("bytes_multicast") == dict.fromkeys(["host1", "host2"], 200_000)
    assert project.sums("file.bin", ["host1"]) == {"host1": project.sum_of(source)}
