# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways in which people run plays: few forks, batches, a part of the hosts, an ordinary user who may become root."""

from __future__ import annotations

import importlib.util
import os

import pytest
from ansible_collections.fleetcast.core.tests.integration.push.project import ROOT, Project

pytestmark = [pytest.mark.push, pytest.mark.lab, pytest.mark.timeout(400)]


def test_with_fewer_forks_than_hosts(project_of_eight: Project) -> None:
    project = project_of_eight
    hosts = ["host1", "host2", "host3", "host4", "host5"]
    source = project.file(size=6_000_000)
    before = project.sent_bytes()
    project.environment["ANSIBLE_PIPELINING"] = "0"  # as is the default; all other tests have it on
    project.push(source, "--limit", ",".join(hosts), "--forks", "2").done()
    project.assert_arrived(source, hosts)
    project.all_states("succeeded", hosts)
    assert set(project.rows("bytes_unicast").values()) == {0}
    assert project.sent_bytes() - before < 2 * source.stat().st_size, "one copy for all, and what Ansible sends for each"


def test_in_batches(project_of_eight: Project) -> None:
    project = project_of_eight
    source = project.file()
    others = ["host1", "host2", "host3", "host5"]
    project.lab.host("host4").power_off()
    # Three batches: whole, whole with the host that is off, and what is left.
    project.push(source, "--limit", "host1,host2,host3,host4,host5", fleetcast_serial=2)
    project.assert_arrived(source, others)
    assert project.states(5) == {**dict.fromkeys(others, "succeeded"), "host4": "unreachable"}
    assert project.sql("SELECT total_hosts FROM distribution") == [(5,)], "one distribution for all batches"


def test_to_a_part_of_the_hosts(project: Project) -> None:
    source = project.file()
    # By a path from where Ansible is started, and with a slip of the pen.
    pushed = project.push(os.path.relpath(source, ROOT), "--limit", "host2", fleetcast_instal="deb").done()
    assert "fleetcast_instal is no variable of fleetcast.core, and has no effect on it: did you mean fleetcast_install?" in pushed.said
    assert project.states(1) == {"host2": "succeeded"}
    assert project.sums(source.name) == {"host1": "", "host2": project.sum_of(source), "host3": ""}

    # Who holds it takes no part; when all do, nothing is sent.
    before = project.lab.count_bytes()
    assert project.push(source).done().changed() == {"host1", "host3"}
    after = project.lab.count_bytes()
    assert project.states() == {"host1": "succeeded", "host2": "already_installed", "host3": "succeeded"}
    assert project.rows("bytes_multicast") == {"host1": 3_000_000, "host2": 0, "host3": 3_000_000}
    # The switch sends the group only to those who joined it.
    assert after["host2"]["rx_bytes"] - before["host2"]["rx_bytes"] < 1_000_000
    assert after["host1"]["rx_bytes"] - before["host1"]["rx_bytes"] > 3_000_000
    before = after
    assert project.push(source).done().changed() == set()
    after = project.lab.count_bytes()
    assert after["controller"]["tx_bytes"] - before["controller"]["tx_bytes"] < 2_000_000
    project.all_states("already_installed")


def test_as_a_user_who_may_become_root(project: Project) -> None:
    source = project.file()
    hosts = ["host1", "host2"]
    secret = f"{project.destination}for-root"
    for host in hosts:
        project.exec(host, "install", "-d", "-m", "700", "-o", "root", project.destination, secret)
    project.inventory({"all": {"vars": {"ansible_user": "fleet"}}, "lab": {"hosts": {host: {"ansible_user": "fleet"} for host in hosts}}})
    options = {"fleetcast_dest": f"{secret}/", "fleetcast_become": True}
    project.lab.host("host2").power_off()

    project.push(source, "--limit", "host1,host2", **options)
    assert project.sum_of(source) in project.exec("host1", "sha256sum", f"{secret}/{source.name}")
    assert project.exec("host1", "stat", "-c", "%U", f"{secret}/{source.name}") == "root\n"
    assert project.states(2) == {"host1": "succeeded", "host2": "unreachable"}

    project.lab.host("host2").power_on()
    project.catch_up("host2", fleetcast_become=True).done()
    assert project.sum_of(source) in project.exec("host2", "sha256sum", f"{secret}/{source.name}")
    project.all_states("succeeded", hosts)

    without = project.push(project.file("other.bin"), "--limit", "host1", **{**options, "fleetcast_become": False})
    assert without.failed() == {"host1"}
    assert "ermission denied" in project.rows("detail")["host1"] or "not writable" in project.rows("detail")["host1"]


def test_a_host_that_is_lost_in_the_middle_does_not_stop_the_others(project: Project) -> None:
    source = project.file("big.bin", 16_000_000)
    play = project.start_push(source, fleetcast_rate="20M")
    play.wait_for_task("Send to all receivers at once")
    before = project.lab.count_bytes()["host2"]["rx_bytes"]
    play.wait_for(lambda: project.lab.count_bytes("host2")["host2"]["rx_bytes"] - before > 3_000_000, "a part of the file has arrived")
    project.lab.host("host2").power_off(power_cut=True)
    play.ended()
    project.assert_arrived(source, ["host1", "host3"])
    assert project.states() == {"host1": "succeeded", "host2": "failed", "host3": "succeeded"}
    assert project.rows("code")["host2"] == "unreachable"
    assert project.rows("phase")["host2"] == "transferring"

    project.lab.host("host2").power_on()
    before = project.sent_bytes()
    project.catch_up("host2").done()
    project.assert_arrived(source)
    project.all_states("succeeded")
    assert project.sent_bytes() - before < source.stat().st_size, "what had arrived was kept"


@pytest.mark.skipif(
    importlib.util.find_spec("ansible.plugins.connection.paramiko_ssh") is None, reason="this ansible-core has no paramiko_ssh (it is gone in 2.21)"
)
def test_catch_up_over_paramiko(project: Project) -> None:
    source = project.file()
    project.lab.host("host2").power_off()
    project.push(source, "--limit", "host1,host2")
    project.lab.host("host2").power_on()
    project.environment["HOME"] = str(project.lab.home.resolve())
    played = project.catch_up("host2", "--connection", "ansible.builtin.paramiko_ssh", "-vvv").done()
    assert "ESTABLISH PARAMIKO SSH CONNECTION" in played.output
    project.assert_arrived(source, ["host1", "host2"])
    project.all_states("succeeded", ["host1", "host2"])


def test_hosts_that_do_not_go_together_are_told_why(project: Project) -> None:
    project.environment["ANSIBLE_STRATEGY"] = "free"
    project.inventory({"lab": {"hosts": {"host3": {"fleetcast_mode": "{{ lookup('ansible.builtin.pipe', 'sleep 2; echo preserve') }}"}}}})
    played = project.push(project.file())
    assert played.status != 0
    assert played.failed() >= {"host1", "host2"}
    assert "give the play the strategy linear" in played.output
