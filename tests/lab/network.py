# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's network: a switch in a namespace of its own, with a bridge per network; cables (veth) to each host and to the controller.

The controller is the machine's root namespace. Its end of the cable is the sender's link. Every end of a cable has a
`tbf` as its root queue, wide open unless a rate is asked: a queue counts the bytes of the packets as they are on the
wire, where the counters of the interface count the headers of a GSO batch once.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .system import LabError, in_network, network_namespaces, run
from .topology import Cable, Subnet

CONTROLLER = "controller"  # name of the controller's port at the switch
HOST_INTERFACE = "eth0"

_PREFIX = "fc-"  # of everything the lab names in the machine's root namespace
_OFFLOADS = ("tx-udp-segmentation", "tso", "gso")


def controller_interface(lab: str) -> str:
    """The sender's link in the root namespace; `lab` has at most 12 characters, an interface 15."""
    return f"{_PREFIX}{lab}"


def switch_namespace(lab: str) -> str:
    return f"{_PREFIX}{lab}"


def host_namespace(lab: str, host: str) -> str:
    return f"{_PREFIX}{lab}-{host}"


def namespaces(lab: str) -> list[str]:
    """The namespaces of a lab that exist, whatever made or left them."""
    return network_namespaces(rf"{_PREFIX}{lab}(-host\d+)?")


def owners() -> dict[Path, str]:
    """The labs of this machine: by state directory, the name of the sender's link, whose alias it is."""
    links = json.loads(run("ip", "-json", "link", "show"))
    return {Path(link["ifalias"]): link["ifname"] for link in links if link["ifname"].startswith(_PREFIX) and "ifalias" in link}


def free_subnet() -> Subnet:
    """A subnet that overlaps no route of the machine. The caller holds the machine's lock until the link is up."""
    taken = []
    for route in json.loads(run("ip", "-json", "-4", "route", "show", "table", "all")):
        if route["dst"] != "default":
            taken.append(ipaddress.ip_network(route["dst"], strict=False))
    for number in range(256):
        subnet = Subnet(number)
        if not any(subnet.ipv4.overlaps(network) for network in taken):
            return subnet
    raise LabError("all of 10.203.0.0/16 is routed on this machine: take a lab down, or remove the route")


def _settle(namespace: str) -> None:
    """No duplicate address detection: an address, and MLD's link-local sender, can be used at once."""
    script = "for scope in all default; do echo 0 > /proc/sys/net/ipv6/conf/$scope/accept_dad; done"
    run(*in_network(namespace, ["sh", "-c", script]))


def create(lab: str, controller: tuple[str, str], cables: Sequence[Cable], alias: str) -> None:
    """Make the switch, the cables and the namespaces, with all addresses; hosts' interfaces are still down."""
    switch = switch_namespace(lab)
    link = controller_interface(lab)
    spaces = {cable.host: host_namespace(lab, cable.host) for cable in cables}
    run("ip", "-batch", "-", stdin="".join(f"netns add {name}\n" for name in [switch, *spaces.values()]))
    _settle(switch)
    for bridge in dict.fromkeys(cable.bridge for cable in cables):
        _create_bridge(switch, bridge)
    backbone = cables[0].bridge
    run("ip", "link", "add", link, "type", "veth", "peer", "name", CONTROLLER, "netns", switch)
    run("ip", "link", "set", link, "alias", alias)
    plugs = [f"link add {cable.port} type veth peer name {cable.interface} netns {spaces[cable.host]}" for cable in cables]
    plugs += [f"link set {port} master {bridge} up" for port, bridge in [(CONTROLLER, backbone), *((cable.port, cable.bridge) for cable in cables)]]
    run("ip", "-netns", switch, "-batch", "-", stdin="\n".join(plugs) + "\n")
    ipv4, ipv6 = controller
    commands = (
        f"address add {ipv4}/24 dev {link}",
        f"address add {ipv6}/64 dev {link} nodad",
        f"link set {link} up",
    )
    run("ip", "-batch", "-", stdin="\n".join(commands) + "\n")
    for namespace, device in [(None, link), (switch, CONTROLLER), *((switch, cable.port) for cable in cables)]:
        set_rate(namespace, device, 0)
    for space in spaces.values():
        _settle(space)
    for cable in cables:
        set_rate(spaces[cable.host], cable.interface, 0)


def _create_bridge(switch: str, bridge: str) -> None:
    """A network with IGMP and MLD snooping and a querier. Nothing is forwarded between bridges."""
    # The querier comes last: after its first query the bridge floods for one response interval more, here 0.2 s.
    for line in (
        f"link add {bridge} type bridge mcast_snooping 1 mcast_igmp_version 3 mcast_mld_version 2",
        f"link set {bridge} type bridge mcast_query_response_interval 20 mcast_startup_query_interval 100",
        f"link set {bridge} up",
        f"link set {bridge} type bridge mcast_querier 1",
    ):
        run("ip", "-netns", switch, *line.split())


def connect_host(lab: str, cables: Sequence[Cable]) -> None:
    """Bring a host's interfaces up, with their addresses and routes. These go when an interface goes down."""
    commands = ["link set lo up"]
    for cable in cables:
        commands += [
            f"address replace {cable.ipv4}/24 dev {cable.interface}",
            f"link set {cable.interface} up",
            f"address replace {cable.ipv6}/64 dev {cable.interface} nodad",
        ]
    commands.append(f"route replace 224.0.0.0/4 dev {HOST_INTERFACE}")
    run("ip", "-netns", host_namespace(lab, cables[0].host), "-batch", "-", stdin="\n".join(commands) + "\n")


def set_link(namespace: str, device: str, up: bool) -> None:
    run("ip", "-netns", namespace, "link", "set", device, "up" if up else "down")


def set_rate(namespace: str | None, device: str, mbit_s: float) -> None:
    """Limit what leaves through `device` to `mbit_s` Mbit/s on the wire; 0: no limit. The counters go on."""
    if mbit_s:
        bytes_s = mbit_s * 125_000
        # 10 ms of burst, 100 ms of queue, but never less than a batch of 64 KiB fits into the queue.
        shape = f"rate {int(mbit_s * 1000)}kbit burst {max(16_000, int(bytes_s / 100))} limit {max(262_144, int(bytes_s / 10))}"
    else:
        shape = "rate 400gbit burst 64mb limit 64mb"
    where = ["-netns", namespace] if namespace else []
    run("tc", *where, "qdisc", "replace", "dev", device, "root", "handle", "1:", "tbf", *shape.split())


@dataclass(frozen=True)
class Loss:
    """Share of packets dropped at a host's port, in percent, on their way to the host and from it."""

    to_percent: float = 0
    from_percent: float = 0


def set_loss(lab: str, losses: dict[str, Loss], cables: Sequence[Cable]) -> None:
    """Drop packets at the switch, each on its own, on all cables of a host. Replaces all loss that was set before, at once.

    While anything is dropped, no sender of the lab may hand over batches (GSO): one drop would lose a whole one.
    """
    rules = []
    for cable in cables:
        loss = losses.get(cable.host, Loss())
        for match, percent in (("oifname", loss.to_percent), ("iifname", loss.from_percent)):
            if percent:
                rules.append(f'{match} "{cable.port}" numgen random mod 1000000 <= {max(1, round(percent * 10_000)) - 1} counter drop')
    body = "\n".join(rules)
    ruleset = f"table bridge loss\ndelete table bridge loss\ntable bridge loss {{\nchain forward {{\ntype filter hook forward priority 0\n{body}\n}}\n}}\n"
    state = "off" if rules else "on"
    features = [word for offload in _OFFLOADS for word in (offload, state)]
    run("ethtool", "-K", controller_interface(lab), *features)
    for cable in cables:
        run(*in_network(host_namespace(lab, cable.host), ["ethtool", "-K", cable.interface, *features]))
    run(*in_network(switch_namespace(lab), ["nft", "-f", "-"]), stdin=ruleset)


def _queue_bytes(namespace: str | None) -> dict[str, int]:
    """Bytes on the wire that left through each device of a namespace."""
    where = ["-netns", namespace] if namespace else []
    queues: list[dict[str, Any]] = json.loads(run("tc", "-json", "-statistics", *where, "qdisc", "show"))
    return {queue["dev"]: int(queue["bytes"]) for queue in queues if queue.get("root")}


def count_bytes(lab: str, cables: Sequence[Cable]) -> dict[str, dict[str, int]]:
    """For the switch's ports of the controller and of these cables, named as their hosts: `tx_bytes` the host sent and `rx_bytes` it was sent.

    Ethernet frames without preamble are counted. What was dropped by loss is in nobody's `rx_bytes`; what a rate holds back is in neither until it leaves.
    """
    switch = _queue_bytes(switch_namespace(lab))
    link = controller_interface(lab)
    counters = {CONTROLLER: {"tx_bytes": _queue_bytes(None)[link], "rx_bytes": switch[CONTROLLER]}}
    for cable in cables:
        counters[cable.port] = {"tx_bytes": _queue_bytes(host_namespace(lab, cable.host))[cable.interface], "rx_bytes": switch[cable.port]}
    return counters


def remove(lab: str) -> None:
    """Remove the lab's links and namespaces. Their processes are gone already."""
    if Path(f"/sys/class/net/{controller_interface(lab)}").exists():
        run("ip", "link", "delete", controller_interface(lab))
    for name in namespaces(lab):
        run("ip", "netns", "delete", name)


def state_directory_of(lab: str) -> Path | None:
    """Where the lab of this name on this machine keeps its state, as its link says; None when there is no link that says it."""
    return next((directory for directory, link in owners().items() if link == controller_interface(lab)), None)
