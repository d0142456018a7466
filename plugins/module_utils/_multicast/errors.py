# Copyright (c) 2026 The fleetcast authors
# SPDX-License-Identifier: BSD-2-Clause
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
"""What can go wrong in a session, as classes with the fact in the message."""

from __future__ import annotations


class EngineError(Exception):
    """The session cannot be held, or ended without its purpose."""


class BadSession(EngineError):
    """A parameter of the session makes no sense; the message names it."""


class NotMulticast(BadSession):
    """The group's address is not a multicast address of the family."""


class NoInterface(EngineError):
    """The network interface named does not exist, or has no address of the family."""


class PortInUse(EngineError):
    """Another program holds the UDP port."""


class NoRoute(EngineError):
    """The machine does not know where to send packets of the group."""


class MembershipLimit(EngineError):
    """The kernel refuses one more group membership (ENOBUFS on join)."""


class MtuTooSmall(EngineError):
    """A packet with one symbol does not fit the interface's MTU."""


class NetworkDown(EngineError):
    """The interface or the firewall refuses to send, and kept refusing."""


class Canceled(EngineError):
    """Somebody asked the session to stop."""


class NoReceiverReady(EngineError):
    """Nobody answered the announcement within the ready limit."""


class AllReceiversLost(EngineError):
    """Every receiver that took part failed or fell silent before it was complete."""
