# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Through three servers to twelve recipients: installed on all, and a copy over each line, or one where lines are shared."""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections.abc import Iterator

import pytest
from ansible_collections.fleetcast.core.tests.integration.distribute.depots import SERVERS, Depots
from ansible_collections.fleetcast.core.tests.integration.push import packages
from ansible_collections.fleetcast.core.tests.integration.push.project import ROOT
from ansible_collections.fleetcast.core.tests.lab.system import in_network

pytestmark = [pytest.mark.redistribution, pytest.mark.lab, pytest.mark.timeout(500)]

_SIZE = 60_000_000
#: What Ansible itself sends to fifteen hosts: its modules, of which each host needs a dozen.
_MODULES = 25_000_000


@pytest.mark.parametrize("depots", [4], indirect=True)
def test_twelve_of_twelve_for_the_bytes_of_one_copy(depots: Depots) -> None:
    package = packages.build_deb(depots.directory, "1.0", payload=random.Random(1).randbytes(_SIZE))
    before = depots.lab.count_bytes()
    # By a path from where Ansible is started.
    depots.distribute(os.path.relpath(package, ROOT), fleetcast_install="deb").done()
    sent = depots.bytes_since(before)

    depots.all_states("succeeded", depots.recipients)
    assert depots.rows("version") == dict.fromkeys(depots.recipients, "1.0")
    for host in (depots.recipients[0], depots.recipients[-1]):
        assert depots.exec(host, "dpkg-query", "-W", "-f", "${Status} ${Version}", packages.NAME) == "install ok installed 1.0"
    assert sent["controller"] < 1.1 * _SIZE + _MODULES, "the servers share a network with the controller: one copy for all three"
    for server in SERVERS:
        assert _SIZE < sent[f"{server}-site"] < 1.1 * _SIZE + _MODULES, "each server sent one copy to its own network"
        assert sent[server] < 5_000_000, "nothing goes from server to server, nor back"

    # Both parts are in the table, and belong together.
    shown = depots.start("fleetcast.core.status").ended().done().output
    assert "through distribution servers: 3 of 3 have it" in shown
    assert "12  of 12 hosts" in shown

    # What each server was asked, and what came of it, is on that server.
    for server in SERVERS:
        opened, *others = depots.job_log(server)
        job = opened["data"]["job"]
        assert [recipient["name"] for recipient in job["recipients"]] == depots.served_by(server)
        assert job["install"]["install"] == "deb"
        assert depots.exec(server, "sha256sum", job["packages"][0]["path"]).split()[0] == depots.sum_of(package)
        results = {host: result["status"] for record in others if record["type"] == "recorded" for host, result in record["data"]["results"].items()}
        assert results == dict.fromkeys(depots.served_by(server), "succeeded")
        assert others[-1]["type"] == "closed"

    # Nobody lacks anything: nothing is sent, neither to the servers nor from them. One recipient of each server is enough to see that.
    some = [depots.served_by(server)[0] for server in SERVERS]
    before = depots.lab.count_bytes()
    depots.distribute(package, fleetcast_install="deb", fleetcast_hosts=":".join(some)).done()
    sent = depots.bytes_since(before)
    depots.all_states("already_installed", some)
    assert sent["controller"] < _MODULES
    assert max(sent[f"{server}-site"] for server in SERVERS) < _MODULES


@pytest.fixture
def controller_without_multicast(depots: Depots) -> Iterator[Depots]:
    """The controller is in a network namespace of its own on the backbone, as a job of AWX is: no route leads multicast anywhere."""
    lab = depots.lab
    # Named as the lab names its hosts, so that the lab's end removes it too.
    switch, namespace = f"fc-{lab.name}", f"fc-{lab.name}-host250"
    address = lab.addresses[0].rpartition(".")[0] + ".250"
    commands = (
        f"ip netns add {namespace}",
        f"ip -netns {namespace} link add eth0 type veth peer name awx netns {switch}",
        f"ip -netns {switch} link set awx master br0 up",
        f"ip -netns {namespace} link set lo up",
        f"ip -netns {namespace} address add {address}/24 dev eth0",
        f"ip -netns {namespace} link set eth0 up",
    )
    try:
        for command in commands:
            subprocess.run(command.split(), check=True)
        # Masters of an earlier play stand in another network; masters of this one must not outlive it.
        for host in lab.hosts:
            lab.host(host).close_ssh_masters()
        depots.prefix = in_network(namespace, [])
        yield depots
    finally:
        for host in lab.hosts:
            lab.host(host).close_ssh_masters()
        subprocess.run(["ip", "netns", "delete", namespace], check=True)


def test_from_a_controller_without_multicast(controller_without_multicast: Depots) -> None:
    depots = controller_without_multicast
    source = depots.file("big.bin", _SIZE)

    def sent_by_controller() -> int:
        shown = subprocess.run([*depots.prefix, "ip", "-json", "-s", "link", "show", "eth0"], capture_output=True, text=True, check=True)
        return int(json.loads(shown.stdout)[0]["stats64"]["tx"]["bytes"])

    before, sent_before = depots.lab.count_bytes(), sent_by_controller()
    depots.distribute(source, fleetcast_sender_interface="", fleetcast_server_transport="unicast").done()
    sent = depots.bytes_since(before)
    depots.assert_arrived(source, depots.recipients)
    depots.all_states("succeeded", depots.recipients)
    assert 3 * _SIZE < sent_by_controller() - sent_before < 3.3 * _SIZE + _MODULES, "a copy for each server, and none for a recipient"
    assert set(depots.rows("bytes_multicast").values()) == {_SIZE}, "the servers have multicast to their recipients"
    assert set(depots.rows("bytes_unicast").values()) == {0}
    for server in SERVERS:
        assert _SIZE < sent[f"{server}-site"] < 1.1 * _SIZE + _MODULES
