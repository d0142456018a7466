# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's links: they lose packets one by one, keep to a rate, break and heal, and count; multicast goes to members only."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from ansible_collections.fleetcast.core.tests.lab import Host, Lab, LabError

pytestmark = [pytest.mark.push, pytest.mark.lab]

PORT = 7712
UDP_SEGMENT = 103  # linux/udp.h
SO_RCVBUFFORCE = 33  # asm-generic/socket.h
BATCH = 44
PAYLOAD = 1400
HEADERS = {socket.AF_INET: 14 + 20 + 8, socket.AF_INET6: 14 + 40 + 8}  # Ethernet, IP, UDP

# Joins a group, says so, and prints the numbers that packets begin with, until one says that it is the last.
RECEIVER = f"""
import json, socket, struct, sys
group, port = sys.argv[1], int(sys.argv[2])
family = socket.AF_INET6 if ":" in group else socket.AF_INET
receiver = socket.socket(family, socket.SOCK_DGRAM)
receiver.setsockopt(socket.SOL_SOCKET, {SO_RCVBUFFORCE}, 128 << 20)
receiver.bind((group, port))
index = socket.if_nametoindex("eth0")
if family == socket.AF_INET6:
    receiver.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, socket.inet_pton(family, group) + struct.pack("@I", index))
else:
    receiver.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + struct.pack("@4sI", bytes(4), index))
receiver.settimeout(20)
print("ready", flush=True)
numbers = []
while True:
    number, = struct.unpack_from("!i", receiver.recv(65536))
    if number < 0:
        break
    numbers.append(number)
print(json.dumps(numbers))
"""


def family_of(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


@contextlib.contextmanager
def sender_to(lab: Lab, address: str) -> Iterator[socket.socket]:
    """A socket on the controller that sends to `address` over the sender's link."""
    with socket.socket(family_of(address), socket.SOCK_DGRAM) as sender:
        index = socket.if_nametoindex(lab.interface)
        if ":" in address:
            sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        else:
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, struct.pack("@4s4si", bytes(4), bytes(4), index))
        sender.connect((address, PORT))
        yield sender


def send_batches(sender: socket.socket, batches: int) -> None:
    """Send numbered packets, BATCH of them in every call (UDP generic segmentation offload)."""
    for first in range(0, batches * BATCH, BATCH):
        packets = b"".join(struct.pack("!i", number).ljust(PAYLOAD, b".") for number in range(first, first + BATCH))
        sender.sendmsg([packets], [(socket.SOL_UDP, UDP_SEGMENT, struct.pack("@H", PAYLOAD))])


Receive = Callable[[Host, str], "subprocess.Popen[str]"]


@pytest.fixture
def receive() -> Iterator[Receive]:
    """Start a receiver in a host's network; when this returns it is ready, and the switch has its join."""
    started: list[subprocess.Popen[str]] = []

    def start(host: Host, group: str) -> subprocess.Popen[str]:
        argv = host.in_network(["/usr/bin/python3", "-c", RECEIVER, group, str(PORT)])
        receiver = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        started.append(receiver)
        assert receiver.stdout
        assert receiver.stdout.readline() == "ready\n"
        deadline = time.monotonic() + 10
        while f"port {host.name} grp {group} " not in subprocess.check_output(["bridge", "-netns", f"fc-{host.lab}", "mdb", "show"], text=True):
            assert time.monotonic() < deadline, f"the switch does not know that {host.name} is in {group}"
        return receiver

    yield start
    for receiver in started:
        receiver.kill()
        receiver.wait(10)


def numbers_received(receiver: subprocess.Popen[str], sender: socket.socket) -> list[int]:
    """Tell a receiver that no more comes, as often as it takes, and return what it got."""
    for _ in range(200):
        sender.send(struct.pack("!i", -1))
        with contextlib.suppress(subprocess.TimeoutExpired):
            numbers: list[int] = json.loads(receiver.communicate(timeout=0.1)[0])
            return numbers
    raise AssertionError("the receiver does not end")


@pytest.mark.parametrize("group", ["239.77.1.2", "ff15::7712"])
def test_loss_takes_packets_one_by_one_and_at_each_host_on_its_own(lab: Lab, receive: Receive, group: str) -> None:
    batches, percent = 300, 5.0
    lab.set_rate(200)
    lab.set_loss("host1", percent)
    lab.set_loss("host2", percent)
    receivers = {name: receive(lab.host(name), group) for name in lab.hosts}
    with sender_to(lab, group) as sender:
        send_batches(sender, batches)
        received = {name: numbers_received(receiver, sender) for name, receiver in receivers.items()}

    sent = set(range(batches * BATCH))
    assert sorted(received["host3"]) == sorted(sent)
    lost = {name: sent - set(received[name]) for name in ("host1", "host2")}
    for numbers in lost.values():
        # 13,200 packets: the share of lost ones has a standard deviation of 0.19 percent points.
        assert 4 < 100 * len(numbers) / len(sent) < 6
        # Of 44 packets of a batch 2.2 are lost in the mean: hardly a batch stays whole (10 %), and none loses a quarter.
        per_batch = Counter(number // BATCH for number in numbers)
        assert len(per_batch) > 0.8 * batches
        assert max(per_batch.values()) < BATCH / 4
    # Independent of each other: 0.25 % of all packets, 33, are lost at both.
    assert 5 < len(lost["host1"] & lost["host2"]) < 80

    lab.set_loss("host1", 0)
    lab.set_loss("host2", 0)
    receiver = receive(lab.host("host1"), group)
    with sender_to(lab, group) as sender:
        send_batches(sender, 50)
        assert len(numbers_received(receiver, sender)) == 50 * BATCH


def test_loss_from_a_host_leaves_what_goes_to_it_alone(lab: Lab, receive: Receive) -> None:
    host, group = lab.host("host1"), "239.77.1.4"
    receiver = receive(host, group)
    lab.set_loss("host1", 100, direction="from")
    assert not host.answers
    with sender_to(lab, group) as sender:
        send_batches(sender, 10)
        assert len(numbers_received(receiver, sender)) == 10 * BATCH
    lab.set_loss("host1", 0, direction="from")
    assert host.answers
    lab.set_loss("host1", 100, direction="both")
    assert not host.answers


# Groups of their own: a switch goes on sending for 2 s to members that have left.
@pytest.mark.parametrize("group", ["239.77.1.3", "ff15::7713"])
def test_multicast_goes_to_members_only_and_every_byte_is_counted(lab: Lab, receive: Receive, group: str) -> None:
    batches = 50
    receiver = receive(lab.host("host1"), group)
    before = lab.count_bytes()
    with sender_to(lab, group) as sender:
        send_batches(sender, batches)
        assert len(numbers_received(receiver, sender)) == batches * BATCH
    after = lab.count_bytes()
    # The headers of every packet of a batch count, as on a real wire. Besides there are the last packets and ARP, IGMP, MLD.
    wire = batches * BATCH * (PAYLOAD + HEADERS[family_of(group)])
    assert wire <= after["controller"]["tx_bytes"] - before["controller"]["tx_bytes"] < wire + 5000
    assert wire <= after["host1"]["rx_bytes"] - before["host1"]["rx_bytes"] < wire + 5000
    assert after["host2"]["rx_bytes"] - before["host2"]["rx_bytes"] < 5000
    assert after["host1"]["tx_bytes"] - before["host1"]["tx_bytes"] < 5000


@pytest.mark.parametrize("limit", ["sender", "to", "from"])
def test_a_rate_holds_on_the_link_it_is_set_on(lab: Lab, limit: str) -> None:
    mbit_s, size = 50, 5_000_000
    host = lab.host("host2")
    if limit == "sender":
        lab.set_rate(mbit_s)
    else:
        lab.set_host_rate("host2", mbit_s, direction=limit)
    serve = "import socket; s = socket.create_server(('', 7713)); print('ready', flush=True); c = s.accept()[0]; "
    serve += f"c.sendall(bytes({size}))" if limit == "from" else "n = 1\nwhile n: n = len(c.recv(65536))"
    server = subprocess.Popen(host.in_network(["/usr/bin/python3", "-c", serve]), stdout=subprocess.PIPE, text=True)
    assert server.stdout
    assert server.stdout.readline() == "ready\n"
    began = time.monotonic()
    with socket.create_connection((host.ipv4, 7713), timeout=20) as connection:
        if limit == "from":
            while connection.recv(65536):
                pass
        else:
            connection.sendall(bytes(size))
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(1) == b""
    took = time.monotonic() - began
    assert server.wait(10) == 0
    # Never faster than the rate, but for the first burst of 10 ms.
    assert took > size * 8 / (mbit_s * 1_000_000) - 0.02
    lab.reset()
    for where in ([], ["-netns", f"fc-{lab.name}"], ["-netns", host.namespace]):
        assert "50Mbit" not in subprocess.check_output(["tc", *where, "qdisc", "show"], text=True)


def test_a_cut_host_runs_on_and_is_back_when_it_rejoins(lab: Lab) -> None:
    host = lab.host("host3")
    init = host.init
    lab.cut("host3")
    assert not host.answers
    assert host.exec(["hostname"], capture_output=True, text=True).stdout == "host3\n"
    # Power does not put the cable back.
    host.power_off()
    with pytest.raises(LabError, match="does not answer"):
        host.power_on(timeout_s=1)
    lab.rejoin("host3")
    host.wait()
    assert host.init not in (None, init)
    lab.cut("host3")
    lab.rejoin("host3")
    assert host.answers


def test_a_power_cut_sends_nothing_more(lab: Lab) -> None:
    host = lab.host("host1")
    for power_cut, ending in ((True, TimeoutError), (False, None)):
        with socket.create_connection((host.ipv4, 22), timeout=1) as connection:
            assert connection.recv(256).startswith(b"SSH-")
            host.power_off(power_cut=power_cut)
            if ending:
                with pytest.raises(ending):
                    connection.recv(256)
            else:
                assert connection.recv(256) == b""
        host.power_on()
