# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong between an alert and its ticket. Every message names the thing and the way out, and never holds a password."""

from __future__ import annotations


class TicketError(Exception):
    """The base of all errors of this package."""


class RulesError(TicketError):
    """The rules are wrong: the message names file, line and key."""


class AlertError(TicketError):
    """What came from outside is no alert, or lacks what an alert must have."""


class RequestError(TicketError):
    """The request makes no sense: an unknown ticket, a ticket that is closed already."""


class DeliveryError(TicketError):
    """A mail server did not take the session: connection, TLS, authentication, or a reply that concerns everybody."""
