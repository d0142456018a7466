# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of a playbook: what was kept goes into the database, mail is sent behind, and what there is to say is said."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .._status.database import Database, open_database
from .._status.errors import SchemaVersionError, StatusError
from . import journal, outbox
from .composing import label
from .courier import send_behind
from .desk import Desk, Intake
from .errors import TicketError
from .journal import Journal, Passed
from .outbox import Delivery
from .rules import Rules

#: Seconds that the end of a playbook waits for the database.
_DATABASE_WAIT = 10.0


@dataclass
class Said:
    """What the user is told: in ordinary lines, loudly, and about failures of our own."""

    lines: list[str] = field(default_factory=list)
    alarms: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class Closing:
    """Takes in the alerts of this run and of dead ones, and lets the mails be sent."""

    def __init__(self, directory: Path, own: Journal, passed: Passed) -> None:
        self._directory = directory
        self._own = own
        self._passed = passed

    def run(self, url: str, rules: Rules, wait_seconds: float, limit_seconds: float) -> Said:
        """Do all of it. Never raises for a database or a mail server; what cannot be done now waits in the journal or the outbox."""
        said = Said()
        try:
            desk = self._take_in(url, rules, said)
        except (StatusError, TicketError, OSError) as error:
            lost = f", but for {self._own.unwritten} that could not be written there and are lost" if self._own.unwritten else ""
            said.problems.append(f"alerts wait in {self._directory} for the next run{lost}: {error}")
            self._keep_passed(said)
            return said
        if desk is None:
            return said
        try:
            said.alarms += alarms(desk.dead_letters())
            if desk.unsent() and limit_seconds > 0:
                self._send(desk, said, wait_seconds, limit_seconds, outbox.lease_seconds(rules.mail))
        except (StatusError, OSError) as error:
            said.problems.append(f"mails could not be sent, and wait: {error}")
        return said

    def _take_in(self, url: str, rules: Rules, said: Said) -> Desk | None:
        """Take in everything; None when there is nothing, and no database yet."""
        intake, left_over, more = Intake(), 0, True
        while more:
            batch = self._own.read()
            with journal.left_over(self._directory) as rest:
                said.problems += [*rest.problems, *(unreadable(line) for line in batch.unreadable + rest.unreadable)]
                database = _opened(url, bool(batch.alerts or rest.alerts))
                if database.missing:
                    return None
                desk = Desk(database, rules)
                passed = [*rest.passed, *batch.passed, *([self._passed] if self._passed.devices else [])]
                intake.add(desk.take_in([*batch.alerts, *rest.alerts], passed))
            self._own.drop()
            left_over += len(rest.alerts)
            more = rest.more
        said.lines += told(intake, left_over)
        return desk

    def _keep_passed(self, said: Said) -> None:
        """Keep what the run showed to be over, too, or the end of an outage would make tickets of it."""
        if not self._passed.devices:
            return
        try:
            self._own.add_passed(self._passed)
        except TicketError as error:
            said.problems.append(f"that devices have passed is forgotten: {error}")

    @staticmethod
    def _send(desk: Desk, said: Said, wait_seconds: float, limit_seconds: float, grace_seconds: float) -> None:
        outcome = send_behind(lambda: desk.deliver(limit_seconds), limit_seconds, grace_seconds, wait_seconds)
        if outcome is None:
            said.lines.append("mails are being sent behind this; `ansible-playbook fleetcast.core.tickets` shows what became of them")
        elif isinstance(outcome, str):
            said.problems.append(f"mails could not be sent, and wait: {outcome}")
        else:
            said.lines += filter(None, [sent(outcome)])
            if outcome.dead:
                said.alarms = alarms(desk.dead_letters())


def _opened(url: str, create: bool) -> Database:
    """The database. With nothing to record and none there yet, none is made; one of an older schema is brought up to date all the same."""
    try:
        return open_database(url, _DATABASE_WAIT, create=create)
    except SchemaVersionError:
        # A newer schema is refused once more.
        return open_database(url, _DATABASE_WAIT)


def unreadable(line: str) -> str:
    """What is said of a line of the journal that is none."""
    return f"an alert that was kept cannot be read: {line[:300]}"


def sent(delivery: Delivery) -> str:
    """What became of the mails, in a line; empty when there were none."""
    numbers = ((delivery.delivered, "delivered"), (delivery.dead, "not taken by the server"), (delivery.unsent, "unsent, tried again later"))
    parts = [f"{number} {word}" for number, word in numbers if number]
    return "mails: " + ", ".join(parts) if parts else ""


def told(intake: Intake, left_over: int) -> list[str]:
    """What became of alerts, in lines."""
    lines = []
    if intake.recorded:
        types = ", ".join(f"{count} {name}" for name, count in sorted(intake.failure_types.items()))
        rest = f" ({left_over} kept by earlier plays)" if left_over else ""
        lines.append(f"alerts: {types}{rest}")
    for word, labels in (("opened", intake.opened), ("resolved, verified", intake.resolved)):
        if labels:
            lines.append(f"{word}: {', '.join(labels[:10])}" + (f" and {len(labels) - 10} more" if len(labels) > 10 else ""))
    if intake.follow_ups:
        lines.append(f"follow-ups: {intake.follow_ups}")
    return lines


def alarms(letters: list[dict[str, Any]]) -> list[str]:
    """What is said loudly about mails that somebody did not get and will not."""
    if not letters:
        return []
    shown = [f"  {label(one['ticket_id'])} ({one['kind']}) to {one['address']}: {one['code'] or ''} {one['reply'] or ''}".rstrip() for one in letters[:10]]
    more = [f"  ... and {len(letters) - 10} more"] if len(letters) > 10 else []
    return [
        "JOB TICKETS THAT DID NOT REACH THEIR CENTRE:",
        *shown,
        *more,
        "Correct the cause, then: ansible-playbook fleetcast.core.tickets -e tickets_action=resend -e tickets_ticket=all (or FC-...)",
    ]
