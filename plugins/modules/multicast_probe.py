#!/usr/bin/python
# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the network carries between a sender and a host, before anything is sent."""

from __future__ import annotations

DOCUMENTATION = r"""
module: multicast_probe
short_description: Try what the network carries between a sender and its hosts
description:
  - Sends real packets of several lengths to the group, and to the broadcast address of the network, through the sockets that a session uses.
    Every host listens, answers, and says what it saw.
  - With O(end=send) it runs on the sender, in the background, as long as the file O(while_file) exists. With O(end=listen) it runs on the hosts.
    The role C(fleetcast.core.probe) does both.
  - It takes about 2 Mbit/s while it runs.
version_added: 0.1.0
author: The fleetcast authors (@fleetcast)
attributes:
  check_mode:
    description: Can run in check_mode and return changed status prediction without modifying target.
    support: full
    details: It changes nothing, so it runs in check mode too.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
options:
  end:
    description:
      - Which end of the probe this is.
    type: str
    choices: [send, listen]
    required: true
  key:
    description:
      - The secret of this probe, 64 hexadecimal digits, the same at both ends. Packets without it are ignored.
    type: str
    required: true
  address:
    description:
      - The group's multicast address, IPv4 or IPv6, or a broadcast address, as for M(fleetcast.core.multicast_send).
    type: str
    default: 239.192.77.77
  port:
    description:
      - The group's UDP port.
    type: int
    default: 7777
  interface:
    description:
      - The name of the interface that multicast goes through on this host.
      - Without it, the one that this host's routes name.
    type: str
  source:
    description:
      - The sender's address, for a source-specific group (RFC 4607).
    type: str
  feedback_port:
    description:
      - With O(end=send), the UDP port that answers come to. V(0) lets the system choose.
    type: int
    default: 0
  ttl:
    description:
      - With O(end=send), how many routers the packets may pass, plus one.
    type: int
    default: 8
  symbol_size:
    description:
      - Bytes of the artifact in one packet of the session that is planned.
    type: int
    default: 1400
  hosts:
    description:
      - With O(end=send), the number of hosts.
    type: int
    default: 1
  number:
    description:
      - With O(end=listen), the number of this host, from 0.
    type: int
    default: 0
  while_file:
    description:
      - With O(end=send), the path of a file. The module ends when it is removed.
    type: path
  timeout:
    description:
      - With O(end=send), the longest that it sends, in seconds.
    type: float
    default: 600
  listen_time:
    description:
      - With O(end=listen), how long it listens, in seconds. With privileges it also waits for a querier in that time, which answers within a second or two.
    type: float
    default: 4
seealso:
  - module: fleetcast.core.multicast_send
  - module: fleetcast.core.multicast_receive
"""

EXAMPLES = r"""
# The playbook fleetcast.core.probe and the role probe do all of it. On every host, a task that listens:
- name: Listen to the probe
  fleetcast.core.multicast_probe:
    end: listen
    key: "{{ probe_key }}"
    interface: eth1
    number: "{{ ansible_play_batch.index(inventory_hostname) }}"
  register: probed
"""

RETURN = r"""
reachable:
  description: Whether packets to the group arrive.
  returned: O(end=listen)
  type: bool
broadcast_reachable:
  description: Whether packets to the broadcast address arrive.
  returned: O(end=listen)
  type: bool
answers_arrive:
  description: Whether the sender hears this host's answers.
  returned: O(end=listen)
  type: bool
path_mtu:
  description: The longest IP packet that arrived, of those that were tried (576, 1052, 1260, 1380, 1500, 9000 and that of the session); null when none did.
  returned: O(end=listen)
  type: int
  sample: 1500
symbol_size:
  description: The largest symbol size that surely gets through.
  returned: O(end=listen)
  type: int
  sample: 1448
buffer_bytes:
  description: The receive buffer that was granted, as the kernel counts.
  returned: O(end=listen)
  type: int
  sample: 33554432
gso:
  description: Whether the sender hands over batches of packets that the kernel or the network card cuts. Null when nothing arrived.
  returned: O(end=listen)
  type: bool
gro:
  description: Whether packets arrive here in batches. Null when nothing arrived.
  returned: O(end=listen)
  type: bool
querier:
  description:
    - V(seen), V(not_seen), or V(unknown). Only who has privileges can listen to queries; others know only what the kernel says of old queriers, and of bridges
      of the host.
    - V(not_seen) means that none asked within O(listen_time) although a member left a group. A querier that does without that question is not seen.
  returned: O(end=listen)
  type: str
queriers:
  description: The addresses of queriers that asked.
  returned: O(end=listen)
  type: list
  elements: str
firewall:
  description:
    - V(none) when nothing points to a firewall. V(host) when packets reach the interface but not the program. V(sender) when the answers do not
      reach the sender.
      V(unknown) when nothing arrived and, without privileges, nobody can tell where it was lost.
  returned: O(end=listen)
  type: str
problems:
  description: What is wrong, and what can be done.
  returned: O(end=listen)
  type: list
  elements: str
usable:
  description: The ways by which a session with O(symbol_size) can be held with this host, of V(multicast) and V(broadcast).
  returned: O(end=listen)
  type: list
  elements: str
recommended:
  description: V(multicast), V(broadcast) or V(unicast), what works for this host with O(symbol_size).
  returned: O(end=listen)
  type: str
heard:
  description: The numbers of the hosts that answered.
  returned: O(end=send)
  type: list
  elements: int
errors:
  description: By way, why it cannot be used on the sender.
  returned: O(end=send)
  type: dict
"""

import signal
from pathlib import Path
from typing import Any, Mapping

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fleetcast.core.plugins.module_utils._manifest_module import reporting_errors
from ansible_collections.fleetcast.core.plugins.module_utils._multicast.advice import judge
from ansible_collections.fleetcast.core.plugins.module_utils._multicast.errors import BadSession, NoInterface
from ansible_collections.fleetcast.core.plugins.module_utils._multicast.interfaces import broadcast_address, destination
from ansible_collections.fleetcast.core.plugins.module_utils._multicast.probe import ProbeSender, listen
from ansible_collections.fleetcast.core.plugins.module_utils._multicast.session import Network
from ansible_collections.fleetcast.core.plugins.module_utils._multicast.tap import Tap, querier_known


def ways_of(params: Mapping[str, Any]) -> tuple[dict[str, Network], dict[str, str]]:
    """The ways that may serve, and why others cannot."""
    group, broadcast = destination(params["address"], "multicast", params["interface"])
    common = {"port": params["port"], "interface": params["interface"], "ttl": params["ttl"], "feedback_port": params["feedback_port"]}
    if broadcast:
        return {"broadcast": Network(group, broadcast=True, **common)}, {}
    ways = {"multicast": Network(group, source=params["source"], **common)}
    if ways["multicast"].is_ipv6:
        return ways, {}
    try:
        ways["broadcast"] = Network(broadcast_address(params["interface"]), broadcast=True, **common)
    except NoInterface as error:
        return ways, {"broadcast": str(error)}
    return ways, {}


def send(params: Mapping[str, Any], key: bytes, ways: dict[str, Network]) -> dict[str, Any]:
    """Send until nobody wants it any more; the module's result."""
    sender = ProbeSender(key, ways, params["hosts"], params["symbol_size"])
    signal.signal(signal.SIGTERM, lambda _number, _frame: sender.stop())
    path = params["while_file"]
    report = sender.run(lambda: path is None or Path(path).exists(), params["timeout"])
    return {"heard": report.heard, "errors": report.errors, "payload": report.payload, "segmentation_offload": report.segmentation_offload}


def hear(params: Mapping[str, Any], key: bytes, ways: dict[str, Network], errors: dict[str, str]) -> dict[str, Any]:
    """Listen, and judge what came; the module's result."""
    tap = None
    try:
        tap = Tap(params["interface"], params["port"], {way: network.group for way, network in ways.items()})
    except PermissionError:
        # Not root: the judgement says what cannot be told then.
        tap = None
    try:
        seen = listen(key, params["number"], ways, tap, params["listen_time"], params["symbol_size"])
    finally:
        if tap is not None:
            tap.close()
    seen.errors.update(errors)
    is_ipv6 = any(network.is_ipv6 for network in ways.values())
    return judge(seen, params["symbol_size"], 48 if is_ipv6 else 28, querier_known(params["interface"]))


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "end": {"type": "str", "choices": ["send", "listen"], "required": True},
            "key": {"type": "str", "required": True, "no_log": True},
            "address": {"type": "str", "default": "239.192.77.77"},
            "port": {"type": "int", "default": 7777},
            "interface": {"type": "str"},
            "source": {"type": "str"},
            "feedback_port": {"type": "int", "default": 0},
            "ttl": {"type": "int", "default": 8},
            "symbol_size": {"type": "int", "default": 1400},
            "hosts": {"type": "int", "default": 1},
            "number": {"type": "int", "default": 0},
            "while_file": {"type": "path"},
            "timeout": {"type": "float", "default": 600},
            "listen_time": {"type": "float", "default": 4},
        },
        supports_check_mode=True,
    )
    with reporting_errors(module):
        try:
            key = bytes.fromhex(module.params["key"])
        except ValueError as error:
            raise BadSession(f"key: {error}") from error
        ways, errors = ways_of(module.params)
        result = send(module.params, key, ways) if module.params["end"] == "send" else hear(module.params, key, ways, errors)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
