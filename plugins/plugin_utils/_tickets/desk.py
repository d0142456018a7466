# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ticket desk: everything that callbacks, modules and playbooks do with alerts and tickets, over an open database."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from .._redistribution import failures
from .._status.database import Database
from .._status.libraries import AVAILABLE
from . import outbox, records, tables, tickets, views
from .alert import Alert
from .composing import label
from .errors import RequestError
from .journal import Passed
from .outbox import Delivery
from .retention import Pruned, prune
from .rules import Rules
from .states import FOLLOW_UP, WAITING

if AVAILABLE:
    import sqlalchemy as sa


@dataclass
class Intake:
    """What taking in alerts came to. Tickets by their labels."""

    recorded: int = 0
    replayed: int = 0
    opened: list[str] = field(default_factory=list)
    resolved: list[str] = field(default_factory=list)
    follow_ups: int = 0
    #: What was taken in, by failure type.
    failure_types: dict[str, int] = field(default_factory=dict)

    def add(self, other: Intake) -> None:
        """Take over what another transaction came to."""
        self.recorded += other.recorded
        self.replayed += other.replayed
        self.opened += other.opened
        self.resolved += other.resolved
        self.follow_ups += other.follow_ups
        for name, count in other.failure_types.items():
            self.failure_types[name] = self.failure_types.get(name, 0) + count


def ticket_id(text: str) -> int:
    """The identifier of a ticket's label (`FC-12`) or number (`12`).

    :raises RequestError: when it is neither.
    """
    found = re.fullmatch(r"(?:FC-)?(\d{1,9})", text.strip(), re.IGNORECASE)
    if found is None:
        raise RequestError(f"'{text}' is no ticket: give its label, as FC-12")
    return int(found.group(1))


class Desk:
    """One user's rules over one database."""

    def __init__(self, database: Database, rules: Rules) -> None:
        self._database = database
        self._rules = rules

    def take_in(self, alerts: Iterable[Alert], passed: Iterable[Passed] = (), now: datetime | None = None) -> Intake:
        """Record and count alerts, judge outages that have ended, make tickets, resolve what is completed, write the mails: one transaction."""
        at = now or datetime.now(UTC)
        intake = Intake()
        with self._database.write() as connection:
            taken = records.take(connection, self._rules, alerts, at)
            records.note_passed(connection, passed)
            tickets.carry_on(connection, taken)
            opened = tickets.open_tickets(connection, self._rules, tickets.exceeded(connection, self._rules, taken, at), at)
            resolved = tickets.settle_completed(connection, self._rules, at)
            intake.follow_ups = tickets.follow_up(connection, self._rules, at)
            failures.link_tickets(connection, at)
        everything = [*taken.judged, *taken.settled]
        intake.recorded, intake.replayed = len(everything), taken.replayed
        intake.opened, intake.resolved = [label(number) for number in opened], [label(number) for number in resolved]
        for one in everything:
            intake.failure_types[one.failure_type] = intake.failure_types.get(one.failure_type, 0) + 1
        return intake

    def deliver(self, limit_seconds: float) -> Delivery:
        """Send the mails that are due, within a time limit in seconds."""
        return outbox.deliver(self._database, self._rules.mail, limit_seconds)

    def tickets(self, status: str = "open", device: str = "") -> list[dict[str, Any]]:
        """Tickets as data, with their mails; `status` is open, resolved or all."""
        with self._database.read() as connection:
            return [self._full(connection, number) for number in views.ticket_ids(connection, status, device)]

    def ticket(self, number: int) -> dict[str, Any]:
        """One ticket as data, with its mails.

        :raises RequestError: when there is none.
        """
        with self._database.read() as connection:
            self._must_know(connection, number)
            return self._full(connection, number)

    def resolve(self, number: int, by: str, resolution: str, dry_run: bool = False, now: datetime | None = None) -> bool:
        """Close a ticket; False when it is closed already, in which case its dead mails are given up."""
        with self._database.write(dry_run) as connection:
            self._must_know(connection, number)
            was_open = connection.execute(sa.select(tables.ticket.c.closed_at).where(tables.ticket.c.id == number)).scalar() is None
            tickets.resolve(connection, self._rules, number, by, resolution, now or datetime.now(UTC))
        return was_open

    def resend(self, number: int | None, dry_run: bool = False) -> int:
        """Try the unsent and dead mails of a ticket (None: of all) again, with the same Message-IDs; returns how many."""
        if number is not None:
            with self._database.read() as connection:
                self._must_know(connection, number)
        return outbox.resend(self._database, number, datetime.now(UTC), dry_run)

    def prune(self, max_age: timedelta, dry_run: bool = False, now: datetime | None = None) -> Pruned:
        """Remove what ended longer ago than that.

        :raises RequestError: younger alerts may still count.
        """
        with self._database.write(dry_run) as connection:
            return prune(connection, self._rules, max_age, now or datetime.now(UTC))

    def set_plan(self, number: int, digest: str, command: str, now: datetime | None = None) -> bool:
        """Put the digest and the command of a redistribution plan into an open ticket, and tell its centre; False when it has this plan already.

        :raises RequestError: when there is no such ticket, or it is closed.
        """
        with self._database.write() as connection:
            changed = tickets.set_plan(connection, number, digest, command)
            if changed:
                tickets.write_mail(connection, self._rules, number, FOLLOW_UP, 0, now or datetime.now(UTC))
        return changed

    def dead_letters(self) -> list[dict[str, Any]]:
        """Mails that somebody did not get and will not, with the reasons."""
        return outbox.dead_letters(self._database)

    def unsent(self) -> int:
        """Mails that still wait."""
        return outbox.count(self._database, WAITING)

    @staticmethod
    def _full(connection: sa.Connection, number: int) -> dict[str, Any]:
        return {**views.ticket_view(connection, number), "mails": views.mails(connection, number)}

    @staticmethod
    def _must_know(connection: sa.Connection, number: int) -> None:
        if not tickets.known_ids(connection, [number]):
            raise RequestError(f"there is no ticket {label(number)}: playbooks/tickets.yml lists those there are")
