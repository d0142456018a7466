# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that have older versions of what is sent: only what changed goes over the network, once for all, and by unicast too."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.fleetcast.core.tests.integration.push.project import Project

pytestmark = [pytest.mark.engine, pytest.mark.push, pytest.mark.lab, pytest.mark.timeout(400)]

#: A small symbol makes small sections, so that fifty of them are 14 MB.
_SYMBOL = 100
_SECTION = _SYMBOL * 44 * 64
_SECTIONS = 50
#: Bytes on the link per byte of the file at that symbol size: 58 of headers with 100 of data.
_WIRE = (_SYMBOL + 58) / _SYMBOL
#: What a play's connections take, with the modules and manifests that they carry, for each host.
_PLAY = 1_500_000


@pytest.fixture
def source(project: Project) -> Path:
    """The new version."""
    project.variables["fleetcast_symbol_size"] = _SYMBOL
    return project.file("disk.img", _SECTIONS * _SECTION)


def _put_older(project: Project, host: str, source: Path, *changed: int) -> None:
    """Give the host a version of which these sections are others."""
    data = bytearray(source.read_bytes())
    for section in changed:
        data[section * _SECTION + 17] ^= 1
    path = project.destination + source.name
    project.exec(host, "mkdir", "-p", project.destination)
    done = project.lab.host(host).exec(["sh", "-c", 'cat > "$1"', "sh", path], input=bytes(data), check=False, timeout=60)
    assert done.returncode == 0


def test_the_union_of_what_changed_is_multicast(project: Project, source: Path) -> None:
    _put_older(project, "host1", source, 3)
    _put_older(project, "host2", source, 3, 17)
    _put_older(project, "host3", source, 40)
    before = project.sent_bytes()
    project.push(source).done()
    sent = project.sent_bytes() - before
    project.assert_arrived(source)
    project.all_states("succeeded")
    assert project.rows("bytes_multicast") == {"host1": _SECTION, "host2": 2 * _SECTION, "host3": _SECTION}
    assert set(project.rows("bytes_unicast").values()) == {0}
    # Three sections are the union. All fifty would be ten times as much as is allowed here.
    assert sent < 3 * _SECTION * _WIRE * 1.1 + 3 * _PLAY, sent
    assert [project.leftovers(host) for host in project.lab.hosts] == [[], [], []]
    # A host without any version needs all of it, and the others need nothing.
    project.exec("host2", "rm", project.destination + source.name)
    project.push(source).done()
    assert project.states() == {"host1": "already_installed", "host2": "succeeded", "host3": "already_installed"}


def test_catch_up_sends_the_section_that_changed(project: Project, source: Path) -> None:
    _put_older(project, "host2", source, 7)
    project.lab.cut("host2")
    played = project.push(source, "--limit", "host1,host2")
    assert played.recap["host2"]["unreachable"] == 1
    project.lab.rejoin("host2")
    before = project.lab.count_bytes()["host2"]["rx_bytes"]
    project.catch_up("host2").done()
    received = project.lab.count_bytes()["host2"]["rx_bytes"] - before
    project.assert_arrived(source, ["host2"])
    (unicast,) = [value for host, value in project.rows("bytes_unicast").items() if host == "host2"]
    assert _SECTION <= unicast < _SECTION + 1000
    assert received < _SECTION * 1.1 + _PLAY, received
    assert project.leftovers("host2") == []
