# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A distribution server that fails leaves its own recipients without it, and nobody else."""

from __future__ import annotations

import pytest
from ansible_collections.fleetcast.core.tests.integration.distribute.depots import Depots

pytestmark = [pytest.mark.redistribution, pytest.mark.lab, pytest.mark.timeout(500)]

_SIZE = 20_000_000


def test_one_loses_power_while_it_sends_and_one_has_no_room(depots: Depots) -> None:
    source = depots.file("big.bin", _SIZE)
    room = depots.lab.host("host3").directory / "store"
    used = sum(path.lstat().st_size for path in room.rglob("*") if path.is_file() and not path.is_symlink())
    depots.lab.host("host3").set_disk(2 * used + 5 * _SIZE)
    depots.exec("host3", "sh", "-c", "fallocate -l $(( $(stat -f -c '%a*%S' /) - 10000000 )) /var/lib/filler")

    before = depots.lab.count_bytes()
    play = depots.start_distribute(source, fleetcast_rate="20M", fleetcast_server_rate="400M", fleetcast_wait_timeout=30)
    play.wait_for(lambda: depots.bytes_since(before, "host2-site")["host2-site"] > 8_000_000, "host2 sends to its recipients")
    depots.lab.host("host2").power_off(power_cut=True)
    played = play.ended()

    assert played.status != 0
    expected = dict.fromkeys(depots.recipients, "failed") | dict.fromkeys(depots.served_by("host1"), "succeeded")
    assert depots.states(6) == expected
    depots.assert_arrived(source, depots.served_by("host1"))
    details = depots.rows("detail")
    for host in depots.served_by("host2"):
        assert "The distribution server host2 was lost while it sent" in details[host]
    for host in depots.served_by("host3"):
        assert "The distribution server host3 failed before it could send anything to its hosts" in details[host]
        assert "no room" in details[host].lower()
    assert depots.job_log("host1")[-1]["type"] == "closed"

    # With power and room again the same command does the rest, and only that.
    depots.exec("host3", "rm", "/var/lib/filler")
    depots.lab.host("host2").power_on()
    before = depots.lab.count_bytes()
    depots.distribute(source, fleetcast_rate="400M").done()
    sent = depots.bytes_since(before)
    assert depots.states(6) == dict.fromkeys(depots.recipients, "succeeded") | dict.fromkeys(depots.served_by("host1"), "already_installed")
    depots.assert_arrived(source, depots.recipients)
    assert sent["host2-site"] < _SIZE + 5_000_000, "what its recipients had received was kept"
