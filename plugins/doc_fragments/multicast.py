# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that both ends of a multicast session share."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  manifest:
    description:
      - What is sent, as returned by M(fleetcast.core.artifact_info).
    type: str
    required: true
  address:
    description:
      - The group's multicast address, IPv4 or IPv6.
      - Inside one organisation choose from C(239.192.0.0/14) (RFC 2365) or C(ff08::/16) (RFC 4291);
        with O(source) from C(232.0.0.0/8) or C(ff3x::/32) (RFC 4607).
      - It may also be the broadcast address of the network that sender and receivers are in, such as V(192.168.7.255), or V(255.255.255.255).
    type: str
    default: 239.192.77.77
  transport:
    description:
      - V(broadcast) sends to all hosts of the sender's own network, where a switch or an access point does not carry multicast.
        Every host there gets all packets, whether it takes part or not, and no router forwards them.
      - With V(broadcast) and an O(address) that is none, each end takes the broadcast address of its O(interface).
      - Broadcast exists in IPv4 only.
    type: str
    default: multicast
    choices: [multicast, broadcast]
  port:
    description:
      - The group's UDP port.
    type: int
    default: 7777
  interface:
    description:
      - The name of the interface that multicast or broadcast goes through on this host.
      - Without it, the one that this host's routes name for O(address).
    type: str
  source:
    description:
      - The sender's address. With it the group is source-specific (RFC 4607), receivers join it for this sender only.
    type: str
  timeout:
    description:
      - The longest that a session may take, in seconds, from its beginning.
    type: float
    default: 3600
"""
