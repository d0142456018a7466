# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups, ports, interfaces and routes that do not work, receivers that are not there, and content that is not what was sent."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest
from ansible_collections.fleetcast.core.tests.integration.push.project import Project

pytestmark = [pytest.mark.push, pytest.mark.lab, pytest.mark.timeout(400)]

_LIMIT = ("--limit", "host1,host2")
_HOSTS = ["host1", "host2"]
#: Listens to a session's data (kind 1 at byte 12), and sends lies about the section (number at byte 8) that comes next, in the sender's name.
_POLLUTER = """
import os, socket, struct, sys
group, port = sys.argv[1], int(sys.argv[2])
listen = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
listen.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listen.bind((group, port))
listen.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + bytes(4))
forge = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
print("listens", flush=True)
while True:
    packet, (sender, sender_port) = listen.recvfrom(65536)
    section = int.from_bytes(packet[8:12], "big")
    if len(packet) > 1000 and packet[12] == 1 and section == 0:
        lie = packet[:8] + (section + 1).to_bytes(4, "big") + packet[12:16] + os.urandom(len(packet) - 16)
        datagram = struct.pack("!HHHH", sender_port, port, 8 + len(lie), 0) + lie
        # The kernel fills in the length and the checksum of the header (raw(7)).
        header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 0, 0, 0, 8, 17, 0, socket.inet_aton(sender), socket.inet_aton(group))
        forge.sendto(header + datagram, (group, 0))
"""


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param({"fleetcast_address": "10.1.2.3"}, "10.1.2.3 is not a multicast address", id="not multicast"),
        pytest.param({"fleetcast_address": "nonsense"}, "nonsense", id="no address", marks=pytest.mark.further),
        pytest.param({"fleetcast_sender_interface": "eth77"}, "there is no network interface 'eth77' (there are: ", id="no interface"),
        pytest.param({"fleetcast_port": 70000}, "70000", id="no port", marks=pytest.mark.further),
        pytest.param({"fleetcast_rate": "fast"}, "rate must be a number of bits per second", id="no rate", marks=pytest.mark.further),
        pytest.param(
            {"fleetcast_source": "192.0.2.1", "fleetcast_address": "232.1.2.3"},
            "192.0.2.1 is not one of this machine's",
            id="not our source",
            marks=pytest.mark.further,
        ),
    ],
)
def test_what_the_sender_cannot_do_ends_the_play_before_it_begins(project: Project, options: dict[str, object], said: str) -> None:
    played = project.push(project.file(), "--limit", "host1", **options)
    assert played.status != 0
    assert said in played.said, played.output
    assert "Traceback" not in played.output
    assert not project.database.exists(), "no distribution is begun"


def test_a_port_of_the_sender_that_is_in_use(project: Project) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("", 0))
        port = taken.getsockname()[1]
        played = project.push(project.file(), "--limit", "host1", fleetcast_feedback_port=port)
    assert played.status != 0
    assert f"UDP port {port} is in use by another program" in played.said


@pytest.mark.further
def test_an_interface_that_a_receiver_does_not_have(project: Project) -> None:
    source = project.file()
    project.inventory({"lab": {"hosts": {"host2": {"lab_interface": "wlan9"}}}})
    played = project.push(source, *_LIMIT)
    assert played.failed() == {"host2"}
    assert project.states(2) == {"host1": "succeeded", "host2": "failed"}
    assert "there is no network interface 'wlan9'" in project.rows("detail")["host2"]
    project.assert_arrived(source, ["host1"])


def test_a_port_that_another_program_holds_on_a_receiver(project: Project) -> None:
    source = project.file()
    hold = "import socket,sys; s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.bind(('',7777)); print('held',flush=True); sys.stdin.read()"
    holder = subprocess.Popen(
        project.lab.host("host2").in_network([sys.executable, "-c", hold]), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        played = project.push(source, *_LIMIT)
    finally:
        holder.communicate(timeout=30)
    assert played.failed() == {"host2"}
    assert project.states(2) == {"host1": "succeeded", "host2": "failed"}
    assert "UDP port 7777 is in use by another program" in project.rows("detail")["host2"]
    project.assert_arrived(source, ["host1"])


@pytest.fixture
def host2_without_route(project: Project) -> Iterator[Project]:
    """host2 has no route for multicast, and no default route."""
    routes = project.exec("host2", "ip", "-4", "route", "show", "224.0.0.0/4").strip()
    assert routes
    project.exec("host2", "ip", "route", "del", "224.0.0.0/4")
    yield project
    project.exec("host2", "ip", "route", "add", *routes.split())


def test_a_receiver_without_a_route_for_multicast(host2_without_route: Project) -> None:
    project = host2_without_route
    source = project.file()
    played = project.push(source, *_LIMIT, fleetcast_interface="")
    assert played.failed() == {"host2"}
    assert project.states(2) == {"host1": "succeeded", "host2": "failed"}
    assert "no route" in project.rows("detail")["host2"]
    assert "ip route add 224.0.0.0/4" in project.rows("detail")["host2"]
    # Naming the interface is the other way out.
    project.push(source, *_LIMIT).done()
    assert project.states(2) == {"host1": "already_installed", "host2": "succeeded"}


def test_no_receiver_is_ready(project: Project) -> None:
    """Multicast does not reach the hosts: unicast finishes those that are few, and the others are told why."""
    source = project.file()
    # The hosts join on an interface to which the group does not come.
    played = project.push(source, *_LIMIT, fleetcast_interface="lo", fleetcast_ready_timeout=3, fleetcast_wait_timeout=20)
    assert played.status == 0, played.output
    project.assert_arrived(source, _HOSTS)
    project.all_states("succeeded", _HOSTS)
    assert set(project.rows("bytes_multicast").values()) == {0}
    assert min(project.rows("bytes_unicast").values()) >= source.stat().st_size

    other = project.file("other.bin", seed=2)
    refused = project.push(
        other, *_LIMIT, fleetcast_interface="lo", fleetcast_ready_timeout=3, fleetcast_wait_timeout=20, fleetcast_catch_up_limit=1
    )
    assert refused.failed() == set(_HOSTS)
    project.all_states("failed", _HOSTS)
    for detail in project.rows("detail").values():
        assert "fleetcast_catch_up_limit=1" in detail
        assert "within" in detail, detail


def test_all_receivers_are_lost_half_way(project: Project) -> None:
    source = project.file("big.bin", 24_000_000)
    play = project.start_push(source, *_LIMIT, fleetcast_rate="20M", fleetcast_host_timeout=3)
    play.wait_for_task("Send to all receivers at once")
    before = project.sent_bytes()
    play.wait_for(lambda: project.sent_bytes() - before > 4_000_000, "a part is sent")
    for host in _HOSTS:
        project.lab.host(host).power_off(power_cut=True)
    played = play.ended()
    assert played.status != 0
    project.all_states("failed", _HOSTS)
    assert set(project.rows("code").values()) == {"unreachable"}
    for host in _HOSTS:
        project.lab.host(host).power_on()
        assert project.sums("big.bin", [host]) == {host: ""}
    before = project.sent_bytes()
    project.catch_up().done()
    project.assert_arrived(source, _HOSTS)
    project.all_states("succeeded", _HOSTS)
    assert project.sent_bytes() - before < 2 * source.stat().st_size, "what had arrived was kept"


def test_content_that_does_not_match_its_digest_does_not_come_into_place(project: Project) -> None:
    source = project.file("big.bin", 8_000_000)
    command = [sys.executable, "-c", _POLLUTER, "239.192.77.77", "7777"]
    polluter = subprocess.Popen(project.lab.host("host3").in_network(command), stdout=subprocess.PIPE, text=True)
    try:
        assert polluter.stdout is not None and polluter.stdout.readline() == "listens\n"
        played = project.push(source, *_LIMIT, "-v", fleetcast_rate="20M").done()
    finally:
        polluter.kill()
        polluter.communicate(timeout=30)
    assert re.search(r'"polluted_sections": [1-9]', played.output), "the lies were heard, and found out"
    project.assert_arrived(source, _HOSTS)
    project.all_states("succeeded", _HOSTS)


def test_two_pushes_at_once_with_the_same_group_and_port(project: Project) -> None:
    one, two = project.file("one.bin", 4_000_000, seed=1), project.file("two.bin", 4_000_000, seed=2)
    plays = [project.start_push(source, *_LIMIT, fleetcast_rate="20M") for source in (one, two)]
    for play in plays:
        play.ended().done()
    project.assert_arrived(one, _HOSTS)
    project.assert_arrived(two, _HOSTS)
    project.all_states("succeeded", _HOSTS)
    assert project.sql("SELECT status, count(*) FROM target GROUP BY status") == [("succeeded", 4)]
