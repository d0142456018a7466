# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An adversary on the same network: hears everything, sends what it likes from the sender's address and port, knows no key.

It runs in the sender's namespace with a raw socket, so that what it sends is indistinguishable by address. What must hold: a receiver never ends
with anything but the source's bytes, nobody crashes or hangs, and the session still completes.
"""

from __future__ import annotations

import random
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.push, pytest.mark.lab]

Make = Callable[..., Any]
GROUP, PORT = "239.255.42.1", 42000
HEAD = 16
MODES = ("reorder", "duplicate", "truncate", "corrupt", "forge_data", "forge_parity", "forge_control", "forge_feedback", "replay", "noise")


def attack(mode: str, seconds: float, seed: int = 0) -> int:
    """Runs in a namespace of the bridge's network: take each packet of the session that is heard, and send something made of it."""
    generator = random.Random(seed)
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((GROUP, PORT))
    index = socket.if_nametoindex("eth0")
    listener.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, struct.pack("@4s4si", socket.inet_aton(GROUP), bytes(4), index))
    listener.settimeout(0.2)
    print("listens", flush=True)
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    raw.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, struct.pack("@4s4si", bytes(4), bytes(4), index))
    until, sent, kept = time.monotonic() + seconds, 0, []
    while time.monotonic() < until:
        try:
            packet, source = listener.recvfrom(65536)
        except TimeoutError:
            continue
        kept.append(packet)
        kept = kept[-200:]
        for target, payload in forged(mode, packet, kept, generator, source):
            send_as(raw, source, target, payload)
            sent += 1
    return sent


def forged(mode: str, packet: bytes, kept: list[bytes], generator: random.Random, source: Any) -> list[tuple[Any, bytes]]:
    group = (GROUP, PORT)
    is_data = len(packet) > HEAD and packet[12] & 0x20 == 0
    if generator.random() > {"forge_data": 0.004, "corrupt": 0.02, "forge_parity": 0.02, "truncate": 0.02}.get(mode, 0.2):
        return []
    if mode == "reorder":
        return [(group, generator.choice(kept)), (group, generator.choice(kept))]
    if mode == "duplicate":
        return [(group, packet)] * 3
    if mode == "truncate":
        return [(group, packet[: generator.randrange(len(packet))])]
    if mode == "corrupt":
        changed = bytearray(packet)
        for _ in range(generator.randint(1, 4)):
            changed[generator.randrange(8 if is_data else 0, len(changed))] ^= 1 << generator.randrange(8)
        return [(group, bytes(changed))]
    if mode == "forge_data" and is_data:
        # Whole rows that are still to come: a forged symbol alone goes under in the run of true ones around it.
        section = int.from_bytes(packet[8:12], "big") + generator.randint(0, 1)
        head = packet[:8] + section.to_bytes(4, "big") + bytes((1, generator.randrange(64)))
        return [(group, head + bytes((column, 0)) + generator.randbytes(1400)) for column in range(44)]
    if mode == "forge_parity" and is_data:
        head = packet[:12] + bytes((2, generator.randrange(128), generator.randrange(44), 0))
        return [(group, head + generator.randbytes(1400))]
    if mode == "forge_control":
        kind = generator.choice((0x20, 0x21, 0x22))
        return [(group, packet[:8] + (2**32 - 1).to_bytes(4, "big") + bytes((kind, 1, 0, 0)) + generator.randbytes(generator.randrange(200)))]
    if mode == "forge_feedback":
        kind = generator.choice((0x40, 0x41, 0x42))
        receiver = generator.randrange(4).to_bytes(2, "big")
        return [(source, packet[:8] + (2**32 - 1).to_bytes(4, "big") + bytes((kind, 1)) + receiver + generator.randbytes(generator.randrange(400)))]
    if mode == "replay":
        control = [old for old in kept if len(old) > HEAD and old[12] & 0x20]
        return [(group, generator.choice(control or kept))]
    return [(group, generator.randbytes(generator.randrange(1500))), (source, generator.randbytes(generator.randrange(1500)))]


def send_as(raw: socket.socket, source: Any, target: Any, payload: bytes) -> None:
    udp = struct.pack("!HHHH", source[1], target[1], 8 + len(payload), 0)
    address = socket.inet_aton(source[0]) + socket.inet_aton(target[0])
    head = struct.pack("!BBHHHBBH", 0x45, 0, 28 + len(payload), 0, 0, 8, socket.IPPROTO_UDP, 0) + address
    try:
        raw.sendto(head + udp + payload, (target[0], 0))
    except OSError:
        # A queue that is full for the adversary is no concern of the test.
        return


@contextmanager
def adversary(net: Any, name: str, mode: str) -> Iterator[None]:
    """One in this namespace, which listens when the block begins."""
    with subprocess.Popen([*net.enter(name), sys.executable, __file__, mode, "60"], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == b"listens\n"
            yield
        finally:
            process.kill()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("loss", [pytest.param(0.0, marks=pytest.mark.further), 2.0])
def test_adversary(make_net: Make, make_session: Make, mode: str, loss: float) -> None:
    net = make_net(3, loss_percent=loss)
    net.segment_in_software()
    session = make_session(12_000_000, 2, net, ceiling_mbit=60, limits={"session": 45})
    # The third namespace is the adversary's: no receiver of the session, the same network.
    with adversary(net, "r2", mode):
        session.start_receivers()
        session.start_sender()
        results = session.results(80)
    assert "error" not in results["sender"], results["sender"]
    for index in range(2):
        assert results[f"r{index}"]["completed"], results[f"r{index}"]
        assert session.holds(index)
        assert results["sender"]["hosts"][f"host{index}"]["completed"]
    if mode in ("forge_data", "corrupt") and any(results[f"r{index}"]["polluted_sections"] for index in range(2)):
        assert results["sender"]["secured"]
    if mode == "forge_data":
        assert results["r0"]["polluted_sections"] > 0, "the adversary was too weak to be a test"
    if mode in ("forge_control", "replay", "truncate", "noise"):
        assert results["r0"]["rejected_packets"] > 0, "the adversary was too weak to be a test"


def test_pollution_from_outside_never_reaches_a_verified_section(make_net: Make, make_session: Make) -> None:
    """Every flag in the map, checked against the source's bytes with hashlib, while an adversary forges all the time."""
    net = make_net(2)
    net.segment_in_software()
    session = make_session(24_000_000, 1, net, ceiling_mbit=60, limits={"session": 60})
    with adversary(net, "r1", "forge_data"):
        session.start_receivers()
        session.start_sender()
        source = Path(session.files[0][0]).read_bytes()
        checked = 0
        while session.processes["r0"].poll() is None:
            time.sleep(0.1)
            if not session.map(0).exists():
                continue
            flags = session.map(0).read_bytes()[64 : 64 + session.layout.sections]
            held = session.part(0).read_bytes()
            for section in (section for section, flag in enumerate(flags) if flag):
                begin = section * session.layout.section_bytes
                assert held[begin : begin + session.layout.section_bytes] == source[begin : begin + session.layout.section_bytes]
                checked += 1
    assert session.result("r0")["completed"] and checked


if __name__ == "__main__":
    print(attack(sys.argv[1], float(sys.argv[2])))
