# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words for states, as they stand in the database."""

from __future__ import annotations

#: How a location was found.
EXACT = "exact"
ALIAS = "alias"
CORRECTED = "corrected"
UNMATCHED = "unmatched"
NOT_REPORTED = "none"
MATCHES = (EXACT, ALIAS, CORRECTED, UNMATCHED, NOT_REPORTED)

OPEN = "open"
RESOLVED = "resolved"
TICKET_STATES = (OPEN, RESOLVED)

WAITING = "waiting"
DELIVERED = "delivered"
DEAD = "dead"
GIVEN_UP = "given_up"
#: `dead`: somebody did not get it and will not; `given_up`: the same, and a person has taken note.
MAIL_STATES = (WAITING, DELIVERED, DEAD, GIVEN_UP)

OPENED = "opened"
FOLLOW_UP = "follow_up"
CLOSED = "closed"
MAIL_KINDS = (OPENED, FOLLOW_UP, CLOSED)

ACCEPTED = "accepted"
DEFERRED = "deferred"
REJECTED = "rejected"
RECIPIENT_STATES = (WAITING, ACCEPTED, DEFERRED, REJECTED)

#: The header by which our own mails are known.
TICKET_HEADER = "X-Fleetcast-Ticket"
