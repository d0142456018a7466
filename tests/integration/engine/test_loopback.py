# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A session over multicast on this machine's loopback interface: no root, no namespaces."""

from __future__ import annotations

import signal
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.push

MakeSession = Callable[..., Any]


def complete(session: Any) -> dict[str, Any]:
    """Run all ends; everybody must end with the source's bytes, and say so."""
    session.start_receivers()
    session.start_sender()
    results = session.results()
    sender = results["sender"]
    assert "error" not in sender, sender
    assert [verdict["reason"] for verdict in sender["hosts"].values()] == ["completed"] * len(session.names)
    for index in range(len(session.names)):
        assert results[f"r{index}"]["completed"], results[f"r{index}"]
        assert session.holds(index)
    return dict(results)


@pytest.mark.parametrize("size", [0, 1, 1399, 1400, 1401, 61_600, 61_601, 3_942_400, 3_942_401, 9_000_001])
def test_every_size(make_session: MakeSession, size: int) -> None:
    results = complete(make_session(size, 2))
    assert results["sender"]["data_packets"] >= -(-size // 1400)


@pytest.mark.parametrize("gso", [True, False])
@pytest.mark.parametrize("gro", [True, False])
def test_with_and_without_offload(make_session: MakeSession, gso: bool, gro: bool) -> None:
    results = complete(make_session(6_000_000, 2, network={"gso": gso, "gro": gro}))
    assert results["sender"]["segmentation_offload"] is gso
    if not gro:
        assert not results["r0"]["coalesced"]


def test_source_specific_group(make_session: MakeSession) -> None:
    complete(make_session(5_000_000, 2, network={"group": "232.1.2.3", "source": "127.0.0.1"}))


def test_many_files_in_one_stream(make_session: MakeSession) -> None:
    complete(make_session(5_000_000, 2, files=800))


def test_other_geometry(make_session: MakeSession) -> None:
    complete(make_session(3_000_000, 2, layout={"symbol_size": 1000, "row_symbols": 10, "section_rows": 128}))


def test_two_sessions_share_group_and_port(tmp_path: Path) -> None:
    from ansible_collections.fleetcast.core.tests.bench.engine_ends import Session

    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    with Session(folders[0], 4_000_000, 2) as one, Session(folders[1], 4_000_000, 2) as two:
        for session in (one, two):
            session.start_receivers()
        for session in (one, two):
            session.start_sender()
        for session in (one, two):
            session.results()
            assert session.holds(0) and session.holds(1)


def test_memory_stays_small(make_session: MakeSession) -> None:
    results = complete(make_session(120_000_000, 1))
    for name in ("sender", "r0"):
        assert results[name]["max_rss_mb"] < 64, name


# -- who is not there, and who leaves


def test_absent_receiver_does_not_hold_up_the_others(make_session: MakeSession) -> None:
    session = make_session(2_000_000, 3, limits={"ready": 2})
    session.start_receivers(1)
    session.wait_until_listening()
    session.start_sender()
    results = session.results()
    hosts = results["sender"]["hosts"]
    assert {name: verdict["reason"] for name, verdict in hosts.items()} == {"host0": "completed", "host1": "not_ready", "host2": "completed"}
    assert hosts["host1"]["missing_bytes"] == 2_000_000
    assert results["sender"]["seconds"] < 2 + 5


def test_nobody_waits_for_the_excused(make_session: MakeSession) -> None:
    """A seat that nobody takes, and one whose receiver runs but is not wanted: it is free to go."""
    session = make_session(2_000_000, 4, limits={"ready": 20})
    session.start_receivers(1)
    session.wait_until_listening()
    session.start_sender(without=["host1", "host3"])
    results = session.results()
    assert {name: verdict["reason"] for name, verdict in results["sender"]["hosts"].items()} == {"host0": "completed", "host2": "completed"}
    assert results["sender"]["seconds"] < 5
    assert session.holds(0) and session.holds(2)


def test_a_receiver_gives_way_only_while_no_sender_has_come(make_session: MakeSession) -> None:
    session = make_session(10_000_000, 2, ceiling_mbit=50, limits={"ready": 2})
    session.start_receiver(0)
    session.wait_until_listening(0)
    session.start_sender()
    wait_for_data(session, 1_000_000)
    session.processes["r0"].send_signal(signal.SIGURG)
    session.start_receiver(1, limits={**session.common["limits"], "wait": 60}, network={**session.common["network"], "port": 7999})
    while session.processes["r1"].poll() is None:  # for the test's own time limit
        session.processes["r1"].send_signal(signal.SIGURG)
        time.sleep(0.1)
    left = session.result("r1", 20)
    assert (left["completed"], left["reason"]) == (False, "canceled") and "took the place" in left["detail"]
    assert session.result("r0")["completed"]


def test_nobody_ready(make_session: MakeSession) -> None:
    session = make_session(1000, 2, limits={"ready": 0.5})
    session.start_sender()
    result = session.result("sender")
    assert result["error"] == "NoReceiverReady" and "none of the 2 receivers" in result["message"]
    assert {verdict["reason"] for verdict in result["hosts"].values()} == {"not_ready"}


def test_sender_never_comes(make_session: MakeSession) -> None:
    session = make_session(1000, 1, limits={"wait": 1})
    session.start_receivers()
    result = session.result("r0")
    assert not result["completed"] and result["reason"] == "silence" and "within 1 s" in result["detail"]


def test_receiver_ends_at_the_deadline(make_session: MakeSession) -> None:
    session = make_session(1000, 1, limits={"wait": 30, "session": 1})
    session.start_receivers()
    assert session.result("r0")["reason"] == "deadline"


def test_all_receivers_killed(make_session: MakeSession) -> None:
    session = make_session(40_000_000, 2, ceiling_mbit=100, limits={"host": 4})
    session.start_receivers()
    session.start_sender()
    wait_for_data(session, 4_000_000)
    for index in range(2):
        session.processes[f"r{index}"].kill()
    result = session.result("sender")
    assert result["error"] == "AllReceiversLost"
    assert {verdict["reason"] for verdict in result["hosts"].values()} == {"silence"}
    assert all(0 < verdict["missing_bytes"] < 40_000_000 for verdict in result["hosts"].values())


def test_killed_sender_ends_the_receivers_and_a_second_session_sends_the_rest(make_session: MakeSession) -> None:
    size = 40_000_000
    session = make_session(size, 2, ceiling_mbit=100, limits={"host": 4})
    session.start_receivers()
    session.start_sender()
    wait_for_data(session, 16_000_000)
    session.processes["sender"].kill()
    for index in range(2):
        result = session.result(f"r{index}")
        assert result["reason"] == "silence" and 0 < result["missing_bytes"] < size - 15_000_000
    del session.processes["sender"]
    results = complete(session)
    # Sections that both hold are not sent again; at most what was under way is.
    assert results["sender"]["data_packets"] * 1400 < size - 15_000_000 + 2 * 3_942_400


def test_stopped_by_signal(make_session: MakeSession) -> None:
    session = make_session(40_000_000, 2, ceiling_mbit=50)
    session.start_receivers()
    session.start_sender()
    wait_for_data(session, 1)
    session.processes["r1"].send_signal(signal.SIGTERM)
    assert session.result("r1", 5)["reason"] == "canceled"
    session.processes["sender"].send_signal(signal.SIGTERM)
    result = session.result("sender", 5)
    assert result["error"] == "Canceled"
    assert result["hosts"]["host1"]["reason"] == "canceled"
    ended = session.result("r0", 5)
    assert ended["reason"] == "sender_ended" and "asked to stop" in ended["detail"]


def test_late_joiner_gets_everything(make_session: MakeSession) -> None:
    session = make_session(30_000_000, 2, ceiling_mbit=80, limits={"ready": 0.5})
    session.start_receivers(1)
    # It is up, but for joining: that it comes in time must not depend on how long Python takes to start.
    gate = session.folder / "gate"
    session.start_receiver(1, gate=str(gate))
    session.wait_until_listening(0)
    session.start_sender()
    wait_for_data(session, 8_000_000)
    gate.touch()
    results = session.results()
    assert results["r1"]["completed"] and session.holds(0) and session.holds(1)
    assert results["sender"]["hosts"]["host1"]["reason"] == "completed"


def test_receiver_that_already_has_it_all_takes_no_data(make_session: MakeSession) -> None:
    session = make_session(5_000_000, 2)
    complete(session)
    results = complete(session)
    assert results["sender"]["data_packets"] == 0


def test_receiver_whose_file_may_not_grow(make_session: MakeSession) -> None:
    """A file size limit in the place of a full disk: said before anything is sent, and nothing is left behind."""
    session = make_session(5_000_000, 2)
    session.start_receiver(0)
    session.start_receiver(1, file_limit=1_000_000)
    session.wait_until_listening(0)
    session.start_sender(limits={**session.common["limits"], "ready": 1.5})
    results = session.results()
    assert results["r1"]["error"] == "DiskFull" and "5003" in results["r1"]["message"].replace(" ", "")
    assert not session.part(1).exists() and not session.map(1).exists()
    assert results["sender"]["hosts"]["host0"]["completed"] and session.holds(0)
    assert results["sender"]["hosts"]["host1"]["reason"] == "not_ready"


def test_disk_that_fails_in_the_middle(make_session: MakeSession) -> None:
    """The file can no longer be written once the session runs: the receiver says so, leaves, and the other is not held up."""
    session = make_session(40_000_000, 2, ceiling_mbit=100)
    session.start_receivers()
    session.start_sender()
    wait_for_data(session, 2_000_000)
    process = session.processes["r1"]
    # The same as a quota that is reached: from now on writes beyond 4 MB are refused (EFBIG).
    import resource

    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (4_000_000, 4_000_000))
    results = session.results()
    assert results["r1"]["reason"] == "disk" and not results["r1"]["completed"]
    verdict = results["sender"]["hosts"]["host1"]
    assert verdict["reason"] == "disk" and "part1" in verdict["detail"] and verdict["missing_bytes"] > 0
    assert results["sender"]["hosts"]["host0"]["completed"] and session.holds(0)


def test_source_that_changes_while_it_is_sent(make_session: MakeSession) -> None:
    session = make_session(20_000_000, 1, ceiling_mbit=60)
    session.start_receivers()
    session.start_sender()
    wait_for_data(session, 2_000_000)
    path = session.files[0][0]
    with Path(path).open("r+b") as file:
        file.seek(19_000_000)
        file.write(b"changed")
    result = session.result("sender")
    assert result["error"] == "SourceChanged" and path in result["message"]
    ended = session.result("r0")
    assert ended["reason"] == "sender_ended" and "changed while it was being sent" in ended["detail"]
    assert not ended["completed"]


def test_source_that_is_not_what_the_manifest_says(make_session: MakeSession) -> None:
    session = make_session(9_000_000, 1)
    path = session.files[0][0]
    with Path(path).open("r+b") as file:
        file.seek(5_000_000)
        file.write(b"another content")
    session.start_receivers()
    session.start_sender()
    result = session.result("r0")
    assert result["reason"] == "digest_mismatch" and "section 1" in result["detail"]
    sender = session.result("sender")
    assert sender["hosts"]["host0"]["reason"] == "digest_mismatch"


def test_other_artifact_under_the_same_key(make_session: MakeSession) -> None:
    session = make_session(9_000, 1)
    session.start_receiver(0, section_digests=["00" * 32])
    session.start_sender()
    assert session.result("r0")["reason"] == "other_artifact"
    assert session.result("sender")["hosts"]["host0"]["reason"] == "other_artifact"


# -- bad parameters and a network that refuses


@pytest.mark.parametrize(
    ("network", "error", "text"),
    [
        ({"group": "10.1.2.3"}, "NotMulticast", "10.1.2.3 is not a multicast address"),
        ({"group": "nonsense"}, "BadSession", "not an IP address"),
        ({"port": 0}, "BadSession", "port"),
        ({"interface": "nowhere0"}, "NoInterface", "nowhere0"),
        ({"ttl": 256}, "BadSession", "ttl"),
        ({"source": "ff02::1"}, "BadSession", "source"),
    ],
)
def test_bad_network_parameters(make_session: MakeSession, network: dict[str, Any], error: str, text: str) -> None:
    session = make_session(1000, 1, network=network)
    session.start_receivers()
    session.start_sender()
    for result in session.results().values():
        assert result["error"] == error and text in result["message"]


def test_port_in_use(make_session: MakeSession) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("", 0))
        port = holder.getsockname()[1]
        session = make_session(1000, 1, network={"port": port, "feedback_port": port})
        session.start_receivers()
        session.start_sender()
        for result in session.results().values():
            assert result["error"] == "PortInUse" and str(port) in result["message"]


def wait_for_data(session: Any, size: int, limit: float = 30) -> None:
    """Until receiver 0 holds at least ``size`` bytes: reads the map's marks behind its 64 bytes of header."""
    until = time.monotonic() + limit
    while time.monotonic() < until:
        if session.map(0).exists():
            marks = session.map(0).read_bytes()[64 + session.layout.sections :]
            if marks.count(1) * session.layout.symbol_size >= size:
                return
        time.sleep(0.02)
    raise AssertionError("no data arrived")


def test_multicast_works_on_this_loopback() -> None:
    """The ground all of the above stands on, without the engine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        index = socket.if_nametoindex("lo")
        member = struct.pack("@4s4si", socket.inet_aton("239.255.42.9"), bytes(4), index)
        receiver.bind(("239.255.42.9", 0))
        receiver.settimeout(5)
        receiver.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, member)
        sender.sendto(b"hello", ("239.255.42.9", receiver.getsockname()[1]))
        assert receiver.recv(100) == b"hello"
