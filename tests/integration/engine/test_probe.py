# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probe tells what each network carries, and what is in the way."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fleetcast.core.tests.bench.engine_net import Net

pytestmark = [pytest.mark.engine, pytest.mark.lab]

_MODULE = "ansible_collections.fleetcast.core.plugins.modules.multicast_probe"
_COLLECTIONS = Path(__file__).resolve().parents[3] / "build" / "collections"


def _command(net: Net, name: str, arguments: dict[str, Any], *before: str) -> list[str]:
    """The module in a namespace, with the interpreter that tests it."""
    call = f"import sys; sys.path.insert(0, {str(_COLLECTIONS)!r}); import runpy; sys.argv = ['m', {json.dumps({'ANSIBLE_MODULE_ARGS': arguments})!r}]; "
    profile = "import ansible.module_utils.basic as b; b._ANSIBLE_PROFILE = 'legacy'; "
    return [*net.enter(name), *before, sys.executable, "-c", call + profile + f"runpy.run_module({_MODULE!r}, run_name='__main__')"]


def probe(net: Net, tmp_path: Path, *before: str, **options: Any) -> dict[str, dict[str, Any]]:
    """What every receiver of the net tells; `before`: a command that the listeners run under."""
    wanted = tmp_path / "wanted"
    wanted.touch()
    receivers = net.names[1:]
    common = {"key": secrets.token_hex(32), "interface": "eth0", **options}
    sending = subprocess.Popen(
        _command(net, "sender", {**common, "end": "send", "hosts": len(receivers), "while_file": str(wanted), "timeout": 60}), stdout=subprocess.PIPE
    )
    try:
        # All that a listener hears must come while it listens, so the sender comes first.
        sent = net.sent_bytes() + 10_000
        deadline = time.monotonic() + 60
        while net.sent_bytes() < sent:
            assert sending.poll() is None and time.monotonic() < deadline, "the sender did not begin"
            time.sleep(0.05)
        listening = {
            name: subprocess.Popen(_command(net, name, {**common, "end": "listen", "number": number, "listen_time": 4}, *before), stdout=subprocess.PIPE)
            for number, name in enumerate(receivers)
        }
        told = {name: json.loads(process.communicate(timeout=60)[0]) for name, process in listening.items()}
    finally:
        wanted.unlink()
        output = sending.communicate(timeout=30)[0]
    told["sender"] = json.loads(output)
    return told


def _nft(net: Net, name: str, rules: str) -> None:
    net.inside(name, "nft", "-f", "-", stdin=rules)


Make = Callable[..., Net]


def test_a_good_network(make_net: Make, tmp_path: Path) -> None:
    net = make_net(2)
    told = probe(net, tmp_path)
    for name in ("r0", "r1"):
        found = told[name]
        assert (found["reachable"], found["broadcast_reachable"], found["answers_arrive"], found["recommended"]) == (True, True, True, "multicast"), found
        assert found["path_mtu"] == 1500
        assert found["gso"] and found["gro"]
        assert found["firewall"] == "none"
        # What root is granted, whatever the system's limit says.
        assert found["buffer_bytes"] == 2 * 16 * 1024 * 1024
    assert told["sender"]["heard"] == [0, 1] and told["sender"]["errors"] == {}


def test_a_firewall_on_a_host(make_net: Make, tmp_path: Path) -> None:
    net = make_net(2)
    _nft(net, "r1", "table inet wall {\nchain in {\ntype filter hook input priority 0; policy accept;\nmeta l4proto udp drop\n}\n}\n")
    told = probe(net, tmp_path)
    assert told["r0"]["recommended"] == "multicast"
    found = told["r1"]
    assert (found["reachable"], found["broadcast_reachable"], found["recommended"], found["firewall"]) == (False, False, "unicast", "host"), found
    assert any("a firewall on this host" in problem for problem in found["problems"])


def test_a_firewall_at_the_sender(make_net: Make, tmp_path: Path) -> None:
    net = make_net(1)
    _nft(net, "sender", "table inet wall {\nchain in {\ntype filter hook input priority 0; policy accept;\nmeta l4proto udp drop\n}\n}\n")
    found = probe(net, tmp_path)["r0"]
    assert (found["reachable"], found["answers_arrive"], found["firewall"], found["recommended"]) == (True, False, "sender", "unicast"), found


def test_a_path_with_a_small_mtu(make_net: Make, tmp_path: Path) -> None:
    net = make_net(2)
    net.inside("bridge", "ip", "link", "set", "p-r1", "mtu", "1300")
    told = probe(net, tmp_path)
    assert told["r0"]["path_mtu"] == 1500
    found = told["r1"]
    assert (found["path_mtu"], found["reachable"], found["recommended"]) == (1260, True, "unicast"), found
    assert any(f"set fleetcast_symbol_size to {found['symbol_size']} or less" in problem for problem in found["problems"])
    # As it advises.
    assert probe(net, tmp_path, symbol_size=found["symbol_size"])["r1"]["recommended"] == "multicast"


def test_no_multicast_but_broadcast(make_net: Make, tmp_path: Path) -> None:
    net = make_net(1)
    _nft(net, "bridge", "table bridge nomc {\nchain forward {\ntype filter hook forward priority 0\nip daddr 224.0.0.0/4 drop\n}\n}\n")
    found = probe(net, tmp_path)["r0"]
    assert (found["reachable"], found["broadcast_reachable"], found["recommended"], found["firewall"]) == (False, True, "broadcast", "none"), found
    assert any("multicast does not reach this host" in problem for problem in found["problems"])


@pytest.mark.parametrize("querier", [True, False])
def test_snooping_with_and_without_a_querier(make_net: Make, tmp_path: Path, querier: bool) -> None:
    net = make_net(1)
    # As two commands, or the kernel takes the querier's interval from the time before.
    net.inside("bridge", "ip", "link", "set", "br0", "type", "bridge", "mcast_snooping", "1", "mcast_query_response_interval", "100")
    net.inside("bridge", "ip", "link", "set", "br0", "type", "bridge", "mcast_querier", str(int(querier)))
    if querier:
        time.sleep(1)
    found = probe(net, tmp_path)["r0"]
    assert found["recommended"] == "multicast"
    assert found["querier"] == ("seen" if querier else "not_seen"), found
    assert any("no IGMP or MLD querier was seen" in problem for problem in found["problems"]) is not querier


def test_no_route_for_multicast(make_net: Make, tmp_path: Path) -> None:
    net = make_net(1)
    for name in net.names:
        net.inside(name, "ip", "route", "del", "224.0.0.0/4")
    told = probe(net, tmp_path, interface=None)
    found = told["r0"]
    assert (found["reachable"], found["broadcast_reachable"], found["recommended"]) == (False, True, "broadcast"), found
    assert any("ip route add 224.0.0.0/4" in problem for problem in found["problems"])
    assert "ip route add" in told["sender"]["errors"]["multicast"]


def test_without_privileges_what_cannot_be_seen_is_unknown(make_net: Make, tmp_path: Path) -> None:
    net = make_net(1)
    unprivileged = ("setpriv", "--bounding-set=-net_raw,-net_admin", "--inh-caps=-net_raw,-net_admin", "--reset-env", "--")
    found = probe(net, tmp_path, *unprivileged)["r0"]
    assert (found["recommended"], found["querier"], found["queriers"]) == ("multicast", "unknown", [])
    _nft(net, "r0", "table inet wall {\nchain in {\ntype filter hook input priority 0; policy accept;\nmeta l4proto udp drop\n}\n}\n")
    found = probe(net, tmp_path, *unprivileged)["r0"]
    assert (found["recommended"], found["firewall"]) == ("unicast", "unknown")


def test_ipv6(make_net: Make, tmp_path: Path) -> None:
    found = probe(make_net(1), tmp_path, address="ff15::4242:1")["r0"]
    # The longest that is tried and fits an MTU of 1500 with the larger header is that of a session.
    assert (found["reachable"], found["broadcast_reachable"], found["path_mtu"], found["recommended"]) == (True, False, 1472, "multicast"), found
