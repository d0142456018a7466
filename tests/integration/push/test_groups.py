# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups of both families, for any source and for one, and senders other than the controller."""

from __future__ import annotations

import pytest
from ansible_collections.fleetcast.core.tests.integration.push.project import Project

pytestmark = [pytest.mark.push, pytest.mark.lab, pytest.mark.timeout(400)]

_HOSTS = ["host2", "host3"]
_LIMIT = ("--limit", "host2,host3")


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"fleetcast_address": "232.1.2.3", "fleetcast_source": "{{ lab_controller_ipv4 }}"}, id="source-specific"),
        pytest.param({"fleetcast_address": "ff15::77:77"}, id="ipv6"),
        pytest.param(
            {"fleetcast_address": "ff35::8000:77", "fleetcast_source": "{{ lab_controller_ipv6 }}"}, id="source-specific ipv6", marks=pytest.mark.further
        ),
    ],
)
def test_groups(project: Project, options: dict[str, str]) -> None:
    source = project.file()
    project.push(source, *_LIMIT, **options).done()
    project.assert_arrived(source, _HOSTS)
    project.all_states("succeeded", _HOSTS)
    assert project.rows("bytes_multicast") == dict.fromkeys(_HOSTS, source.stat().st_size)
    assert project.rows("bytes_unicast") == dict.fromkeys(_HOSTS, 0)


def test_a_host_sends_in_the_controllers_place(project: Project) -> None:
    source = project.file("big.bin", 10_000_000)
    on_sender = f"{project.destination}outbox/big.bin"
    project.exec("host1", "mkdir", "-p", f"{project.destination}outbox")
    with source.open("rb") as content:
        assert project.lab.host("host1").exec(["tee", on_sender], stdin=content, capture_output=True, check=True, timeout=60)
    options = {"fleetcast_sender": "host1", "fleetcast_sender_interface": "{{ lab_interface }}", "fleetcast_dest": f"{project.destination}inbox/"}
    project.lab.host("host3").power_off()

    before = project.lab.count_bytes()
    project.push(on_sender, *_LIMIT, **options)
    after = project.lab.count_bytes()
    assert project.states(2) == {"host2": "succeeded", "host3": "unreachable"}
    assert project.sums("inbox/big.bin", ["host2"]) == {"host2": project.sum_of(source)}
    assert after["host1"]["tx_bytes"] - before["host1"]["tx_bytes"] > 10_000_000
    assert after["controller"]["tx_bytes"] - before["controller"]["tx_bytes"] < 5_000_000

    # The rest comes from the same sender, through the controller.
    project.lab.host("host3").power_on()
    before = project.lab.count_bytes()
    project.catch_up("host3").done()
    after = project.lab.count_bytes()
    assert project.sums("inbox/big.bin", ["host3"]) == {"host3": project.sum_of(source)}
    project.all_states("succeeded", _HOSTS)
    assert after["host1"]["tx_bytes"] - before["host1"]["tx_bytes"] > 10_000_000
    assert project.listing("host1") == ["outbox", "outbox/big.bin"], "no cut is left on the sender"
