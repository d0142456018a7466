# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts a lab has, and what each is plugged into: all in one network, or in two tiers."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from .system import LabError

MAX_HOSTS = 200
_MAX_SITES = 50
_FIRST_HOST_NUMBER = 11  # last part of the first host's address; the controller has 1
_BACKBONE = 0


@dataclass(frozen=True)
class Subnet:
    """The addresses of one lab: 10.203.`number`.0/24 and fd5f:1ab:0:`number`::/64.

    Its sites, counted from 1, have networks of their own, which no route of the machine leads to: 10.204.`number`.0/24 and
    fd5f:1ab:1:`number`::/64, 10.205. and so on.
    """

    number: int

    @property
    def ipv4(self) -> ipaddress.IPv4Network:
        return self._ipv4(_BACKBONE)

    def _ipv4(self, site: int) -> ipaddress.IPv4Network:
        return ipaddress.IPv4Network(f"10.{203 + site}.{self.number}.0/24")

    def addresses(self, number: int, site: int = _BACKBONE) -> tuple[str, str]:
        """IPv4 and IPv6 address of the machine that has `number` in this lab, or at one of its sites."""
        ipv6 = ipaddress.IPv6Network(f"fd5f:1ab:{site:x}:{self.number:x}::/64")
        return str(self._ipv4(site)[number]), str(ipv6[number])


@dataclass(frozen=True)
class Cable:
    """An interface of a host, with its addresses, and where it is plugged in: a bridge of the switch, and the port's name there."""

    host: str
    interface: str
    bridge: str
    port: str
    ipv4: str
    ipv6: str


@dataclass(frozen=True)
class Topology:
    """`servers` hosts on the backbone, where the controller is; at each of them, on a network of its own, `recipients` hosts more.

    Without recipients it is one network with that many hosts.
    """

    servers: int
    recipients: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.total <= MAX_HOSTS:
            raise LabError(f"a lab has 1 to {MAX_HOSTS} hosts, not {self.total}")
        if self.recipients and self.servers > _MAX_SITES:
            raise LabError(f"a lab has at most {_MAX_SITES} sites, not {self.servers}")

    @property
    def total(self) -> int:
        return self.servers * (1 + self.recipients)

    @property
    def hosts(self) -> list[str]:
        """host1, host2, ...: the servers come first, then the recipients of the first, and so on."""
        return [f"host{number}" for number in range(1, self.total + 1)]

    def site_of(self, host: str) -> int:
        """The number of the site to which a host belongs, a server by its second interface; 0 where there are none."""
        number = int(host.removeprefix("host"))
        if not self.recipients:
            return 0
        return number if number <= self.servers else (number - self.servers - 1) // self.recipients + 1

    def server_of(self, host: str) -> str | None:
        """The server through which the controller reaches a host; None where it does so itself."""
        server = f"host{self.site_of(host)}"
        return None if not self.recipients or host == server else server

    def cables(self, subnet: Subnet) -> list[Cable]:
        """What is plugged into what, every host's first interface first."""
        cables = []
        for host in self.hosts:
            number = _FIRST_HOST_NUMBER - 1 + int(host.removeprefix("host"))
            site = self.site_of(host)
            here = site if self.server_of(host) else _BACKBONE
            cables.append(Cable(host, "eth0", f"br{here}", host, *subnet.addresses(number, here)))
            if site != here:
                cables.append(Cable(host, "eth1", f"br{site}", f"{host}-site", *subnet.addresses(number, site)))
        return cables


def tiers(text: str) -> Topology:
    """The topology that `3x4` names: three servers with four recipients each."""
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if match is None or not all(map(int, match.groups())):
        raise LabError(f"tiers are servers x recipients of each, as in 3x4, not {text!r}")
    return Topology(int(match.group(1)), int(match.group(2)))
