# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file of 200 MB to eight hosts over a slow link with losses: all have it, for the bytes of one copy."""

from __future__ import annotations

import pytest
from ansible_collections.fleetcast.core.tests.integration.push.project import Project

pytestmark = [pytest.mark.push, pytest.mark.lab, pytest.mark.timeout(400)]

_SIZE = 200_000_000


def test_all_hosts_have_it_for_the_bytes_of_one_copy(project_of_eight: Project) -> None:
    project = project_of_eight
    source = project.file("big.bin", _SIZE)
    project.lab.set_rate(200)
    for host in project.lab.hosts:
        project.lab.set_loss(host, 1.0)
    before = project.sent_bytes()

    played = project.push(source).done()

    assert project.sent_bytes() - before <= 1.10 * _SIZE
    project.assert_arrived(source)
    project.all_states("succeeded")
    assert played.changed() == set(project.lab.hosts)
    assert set(project.rows("bytes_multicast").values()) == {_SIZE}
    assert set(project.rows("bytes_unicast").values()) == {0}
    assert not any(project.leftovers(host) for host in project.lab.hosts)
