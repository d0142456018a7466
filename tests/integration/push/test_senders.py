# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several senders in one play: side by side, each for its own hosts, and none in another's way."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.fleetcast.core.tests.integration.push.project import Project

pytestmark = [pytest.mark.push, pytest.mark.lab, pytest.mark.timeout(500)]

_SIZE = 16_000_000
_SERVED = {"host3": "host1", "host4": "host1", "host5": "host2", "host7": "localhost", "host8": "localhost"}
_HOSTS = sorted(_SERVED)
_LIMIT = ("--limit", ",".join(_HOSTS))


def _senders_of(project: Project, source: Path) -> dict[str, str]:
    """Each host has its sender in the inventory, and host1 and host2 have the source too; returns the options of a push."""
    project.inventory({"lab": {"hosts": {host: {"fleetcast_sender": sender} for host, sender in _SERVED.items()}}})
    on_servers = f"{project.destination}outbox/{source.name}"
    for sender in ("host1", "host2"):
        project.exec(sender, "mkdir", "-p", f"{project.destination}outbox")
        with source.open("rb") as content:
            assert project.lab.host(sender).exec(["tee", on_servers], stdin=content, capture_output=True, check=True, timeout=60)
        # It is the same artifact only with the same time.
        modified = source.stat().st_mtime_ns
        project.exec(sender, "touch", "-d", f"@{modified // 10**9}.{modified % 10**9:09d}", on_servers)
    return {
        "fleetcast_src": f"{{{{ (fleetcast_sender == 'localhost') | ternary('{source}', '{on_servers}') }}}}",
        "fleetcast_dest": f"{project.destination}inbox/",
        "fleetcast_sender_interface": "{{ (fleetcast_sender == 'localhost') | ternary(lab_controller_interface, lab_interface) }}",
        "fleetcast_rate": "20M",
        # As large a play needs no more, and whoever waits for a sender that never comes should not wait for long.
        "fleetcast_wait_timeout": "20",
    }


def _assert_arrived(project: Project, source: Path) -> None:
    assert project.sums(f"inbox/{source.name}", _HOSTS) == dict.fromkeys(_HOSTS, project.sum_of(source))


def test_senders_side_by_side(project_of_eight: Project) -> None:
    project = project_of_eight
    source = project.file("big.bin", _SIZE)
    options = _senders_of(project, source)
    project.inventory({"lab": {"hosts": {"host8": {"fleetcast_transport": "unicast"}}}})
    before = project.lab.count_bytes()

    play = project.start("fleetcast.core.push", *_LIMIT, **options)
    senders = ("host1", "host2", "controller")

    def sent() -> list[int]:
        now = project.lab.count_bytes(*senders)
        return [now[name]["tx_bytes"] - before[name]["tx_bytes"] for name in senders]

    play.wait_for(lambda: min(sent()) > 1_500_000, "all three send")
    assert max(sent()) < _SIZE, "they send at the same time"
    play.ended().done()

    _assert_arrived(project, source)
    project.all_states("succeeded", _HOSTS)
    assert project.rows("bytes_multicast") == {**dict.fromkeys(_HOSTS, _SIZE), "host8": 0}
    unicast = project.rows("bytes_unicast")
    assert unicast.pop("host8") >= _SIZE, "this host was asked to be served by unicast"
    assert set(unicast.values()) == {0}
    counted = dict(zip(senders, sent(), strict=True))
    assert counted["host1"] < 1.3 * _SIZE, "each sent one copy"
    assert counted["host2"] < 1.3 * _SIZE
    assert counted["controller"] < 2.6 * _SIZE, "one copy by multicast, one by unicast"
    assert project.sql("SELECT count(*), max(total_hosts) FROM distribution") == [(1, 5)]


@pytest.mark.further
def test_senders_that_are_lost(project_of_eight: Project) -> None:
    project = project_of_eight
    source = project.file("big.bin", _SIZE)
    options = _senders_of(project, source)
    project.lab.host("host2").power_off()
    before = project.lab.count_bytes()["host1"]["tx_bytes"]

    play = project.start("fleetcast.core.push", *_LIMIT, **options)
    play.wait_for(lambda: project.lab.count_bytes("host1")["host1"]["tx_bytes"] - before > 3_000_000, "host1 sends")
    project.lab.host("host1").power_off(power_cut=True)
    played = play.ended()

    assert played.failed() == {"host3", "host4", "host5"}
    assert project.states(5) == {**dict.fromkeys(_HOSTS, "failed"), "host7": "succeeded", "host8": "succeeded"}
    details = project.rows("detail")
    for host in ("host3", "host4"):
        assert "The distribution server host1 was lost while it sent" in details[host]
        assert "what it received is kept" in details[host]
    assert "The distribution server host2 could not be reached, so nothing was sent to its hosts" in details["host5"]

    # Who asks a server that is off for the rest is not off itself.
    assert project.catch_up("host3").failed() == {"host3"}
    assert project.rows("status")["host3"] == "failed"
    assert "The distribution server host1, which has what this host lacks, could not be reached" in project.rows("detail")["host3"]

    # The servers are back with what they had; nothing is sent twice.
    for sender in ("host1", "host2"):
        project.lab.host(sender).power_on()
    project.catch_up().done()
    _assert_arrived(project, source)
    project.all_states("succeeded", _HOSTS)
    assert max(project.rows("bytes_unicast")[host] for host in ("host3", "host4")) < _SIZE - 2_000_000
