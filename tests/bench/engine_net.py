# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The smallest network that the engine can be measured and tested in: one sender, n receivers, a bridge, each in a network namespace.

No hosts in the full sense: processes are put in with ``nsenter --net``. Needs root, ``ip``, ``tc``, ``nft`` and ``ethtool``.
"""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Sequence

_counter = itertools.count()


def run(*command: str, stdin: str | None = None) -> str:
    result = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=30, check=False)
    if result.returncode:
        raise RuntimeError(f"{' '.join(command)}: {result.stderr.strip()}")
    return result.stdout


class Net:
    """Namespaces ``sender``, ``r0``, ``r1``, ... with an interface ``eth0`` each (10.99.0.1, 10.99.0.2, ...; fd99::1, ...), joined by a bridge.

    :param rate_mbit: rate of the sender's link, by tbf with a queue of ``queue_kb``; :param loss_percent: independent loss before every receiver.
    """

    def __init__(self, receivers: int, rate_mbit: float | None = None, loss_percent: float = 0.0, queue_kb: int = 256, mtu: int = 1500) -> None:
        self._prefix = f"fce{os.getpid()}x{next(_counter)}"
        self.names = ["sender", *(f"r{index}" for index in range(receivers))]
        self._made: list[str] = []
        self._mtu = mtu
        try:
            self._build()
            if rate_mbit:
                self.set_rate(rate_mbit, queue_kb)
            if loss_percent:
                self.set_loss(loss_percent)
        except BaseException:
            self.close()
            raise

    def _build(self) -> None:
        self._add("bridge")
        bridge = self.namespace("bridge")
        run("ip", "-n", bridge, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
        run("ip", "-n", bridge, "link", "set", "br0", "up", "mtu", str(self._mtu))
        for number, name in enumerate(self.names, 1):
            self._add(name)
            space = self.namespace(name)
            run(
                "ip",
                "-n",
                bridge,
                "link",
                "add",
                f"p-{name}",
                "mtu",
                str(self._mtu),
                "type",
                "veth",
                "peer",
                "name",
                "eth0",
                "netns",
                space,
                "mtu",
                str(self._mtu),
            )
            run("ip", "-n", bridge, "link", "set", f"p-{name}", "master", "br0", "up")
            run("ip", "-n", space, "link", "set", "lo", "up")
            run("ip", "-n", space, "addr", "add", f"10.99.0.{number}/24", "dev", "eth0")
            run("ip", "-n", space, "addr", "add", f"fd99::{number:x}/64", "dev", "eth0", "nodad")
            run("ip", "-n", space, "link", "set", "eth0", "up")
            run("ip", "-n", space, "route", "add", "224.0.0.0/4", "dev", "eth0")

    def _add(self, name: str) -> None:
        run("ip", "netns", "add", self.namespace(name))
        self._made.append(name)

    def namespace(self, name: str) -> str:
        return f"{self._prefix}-{name}"

    def enter(self, name: str) -> list[str]:
        """Beginning of a command line that runs in this namespace's network."""
        return ["nsenter", f"--net=/run/netns/{self.namespace(name)}"]

    def inside(self, name: str, *command: str, stdin: str | None = None) -> str:
        return run(*self.enter(name), *command, stdin=stdin)

    def set_rate(self, rate_mbit: float, queue_kb: int = 256, name: str = "sender") -> None:
        run(
            "tc",
            "-n",
            self.namespace(name),
            "qdisc",
            "replace",
            "dev",
            "eth0",
            "root",
            "tbf",
            "rate",
            f"{rate_mbit}mbit",
            "burst",
            "32kb",
            "limit",
            f"{queue_kb}kb",
        )

    def set_bridge_rate(self, rate_mbit: float, port: str, queue_kb: int = 256) -> None:
        """Rate of what leaves the bridge towards one receiver: a bottleneck that the sender cannot feel."""
        run(
            "tc",
            "-n",
            self.namespace("bridge"),
            "qdisc",
            "replace",
            "dev",
            f"p-{port}",
            "root",
            "tbf",
            "rate",
            f"{rate_mbit}mbit",
            "burst",
            "32kb",
            "limit",
            f"{queue_kb}kb",
        )

    def set_loss(self, percent: float, names: Sequence[str] | None = None, burst: int = 1) -> None:
        """Loss on the way to these receivers (all of them when not named), 0 to lift it: of single packets independently of each other,
        or of ``burst`` packets in a row, at regular distances that differ between receivers."""
        lines = ["table bridge loss", "delete table bridge loss"]
        if percent:
            lines += ["table bridge loss {", "chain forward {", "type filter hook forward priority 0; policy accept;"]
            for number, name in enumerate(names or [name for name in self.names if name != "sender"]):
                drop = f"numgen random mod 10000 < {round(percent * 100)}"
                if burst > 1:
                    distance = round(burst * 100 / percent) + 37 * number
                    drop = f"numgen inc mod {distance} >= {distance - burst}"
                lines.append(f'oifname "p-{name}" {drop} drop')
            lines += ["}", "}"]
        self.inside("bridge", "nft", "-f", "-", stdin="\n".join(lines) + "\n")

    def segment_in_software(self) -> None:
        """Cut batches at the sender's device, so that single packets travel and are lost. Receivers may coalesce them again."""
        self.inside("sender", "ethtool", "-K", "eth0", "tx-udp-segmentation", "off")

    def coalesce(self) -> None:
        """Let the receivers' devices join packets again, as a network card with receive offload does."""
        for name in self.names[1:]:
            self.inside(name, "ethtool", "-K", "eth0", "gro", "on", "rx-udp-gro-forwarding", "on")

    def link_down(self, name: str) -> None:
        run("ip", "-n", self.namespace(name), "link", "set", "eth0", "down")

    def link_up(self, name: str) -> None:
        run("ip", "-n", self.namespace(name), "link", "set", "eth0", "up")
        run("ip", "-n", self.namespace(name), "route", "replace", "224.0.0.0/4", "dev", "eth0")

    def sent_bytes(self, name: str = "sender") -> int:
        """Bytes that left this namespace's interface so far, Ethernet headers included."""
        return int(self.inside(name, "cat", "/proc/net/dev").split("eth0:")[1].split()[8])

    def close(self) -> None:
        for name in reversed(self._made):
            subprocess.run(["ip", "netns", "del", self.namespace(name)], capture_output=True, timeout=30, check=False)
        self._made.clear()

    def __enter__(self) -> Net:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()
