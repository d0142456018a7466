# Copyright (c) 2026 The fleetcast authors
# SPDX-License-Identifier: BSD-2-Clause
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
"""From what a listener saw to what it means, and to what should be done."""

from __future__ import annotations

from typing import Any

from .probe import Observation, session_payload

#: Receive buffer, as the kernel counts, below which fast sessions lose packets: some 20 ms at a gigabit.
_SMALL_BUFFER = 2 * 1024 * 1024
MULTICAST, BROADCAST, UNICAST = "multicast", "broadcast", "unicast"


def judge(seen: Observation, symbol_size: int, ip_bytes: int, querier: str | None) -> dict[str, Any]:
    """What one host is told.

    :param ip_bytes: headers of IP and UDP: 28 for IPv4, 48 for IPv6.
    :param querier: what is known of one without a tap.
    """
    session = session_payload(symbol_size)
    problems: list[str] = []
    usable = [way for way in (MULTICAST, BROADCAST) if session in seen.payloads.get(way, []) and seen.answer_heard]
    heard = [way for way in (MULTICAST, BROADCAST) if seen.payloads.get(way)]
    longest = max((size for way in heard[:1] for size in seen.payloads[way]), default=0)
    path_mtu = longest + ip_bytes if longest else None
    for way, error in seen.errors.items():
        problems.append(f"{way}: {error}")
    if heard and session not in seen.payloads[heard[0]]:
        problems.append(
            f"packets of {session + ip_bytes} bytes do not get through, those of {path_mtu} do: "
            f"set fleetcast_symbol_size to {symbol_size - session + longest} or less, or see to the MTU on the way"
        )
    firewall = _firewall(seen, bool(heard), problems)
    found_querier = _querier(seen, querier, problems) if MULTICAST in seen.payloads else "unknown"
    if MULTICAST in seen.payloads and MULTICAST not in heard and not seen.errors.get(MULTICAST) and firewall != "host":
        problems.append("multicast does not reach this host: no packet of the group came" + _where(seen))
    if heard and seen.rcvbuf < _SMALL_BUFFER:
        problems.append(f"the receive buffer is only {seen.rcvbuf} bytes: raise net.core.rmem_max, or run the receiver with privileges")
    return {
        "reachable": MULTICAST in heard,
        "broadcast_reachable": BROADCAST in heard,
        "answers_arrive": seen.answer_heard,
        "path_mtu": path_mtu,
        "symbol_size": symbol_size - session + longest if longest else None,
        "buffer_bytes": seen.rcvbuf,
        "gso": seen.segments if heard else None,
        "gro": seen.coalesced if heard else None,
        "querier": found_querier,
        "queriers": seen.queriers or [],
        "firewall": firewall,
        "problems": problems,
        "usable": usable,
        "recommended": usable[0] if usable else UNICAST,
    }


def _firewall(seen: Observation, heard: bool, problems: list[str]) -> str:
    """``none``: nothing points to one. ``host``: this host's drops what arrives. ``sender``: answers are lost. ``unknown``: nothing came, nobody saw why."""
    if heard and not seen.answer_heard:
        problems.append("what the sender sends arrives, but it does not hear the answers: a firewall on the way back? See fleetcast_feedback_port")
        return "sender"
    if heard:
        return "none"
    arrived = sum((seen.tapped or {}).values())
    if arrived:
        problems.append(
            f"{arrived} packets of the probe arrived at the interface but not at the program: a firewall on this host (or rp_filter) drops them. "
            "Let in UDP to fleetcast_address and fleetcast_port"
        )
        return "host"
    if seen.tapped is None:
        problems.append("nothing of the probe arrived. Whether a firewall on this host dropped it can only be seen with privileges")
        return "unknown"
    return "none"


def _querier(seen: Observation, known: str | None, problems: list[str]) -> str:
    """``seen``, ``not_seen`` (we looked, and none asked although a member left) or ``unknown``."""
    if seen.queriers or known is not None:
        return "seen"
    if seen.queriers is None:
        return "unknown"
    problems.append(
        "no IGMP or MLD querier was seen. If switches here do snooping, multicast will stop some minutes after a host has joined: "
        "have a router or a switch of this network be the querier, or switch snooping off"
    )
    return "not_seen"


def _where(seen: Observation) -> str:
    return "" if seen.tapped is None else ", not even to its interface: the network does not carry it (snooping without a querier, a router without PIM)"
