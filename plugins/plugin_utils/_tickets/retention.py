# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removing what is over and old: resolved tickets with their mails and alerts, resolved failure records, plans. A part of a caller's transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from .._redistribution import tables as redistribution
from .._redistribution.states import PLAN_PREDECESSORS, PLAN_STATES, RUNNING, UNRESOLVED
from .._redistribution.states import RESOLVED as FAILURE_RESOLVED
from .._status.batches import chunks
from .._status.libraries import AVAILABLE
from . import tables
from .errors import RequestError
from .rules import Rules
from .states import DEAD, RESOLVED, WAITING

if AVAILABLE:
    import sqlalchemy as sa

#: The source of alerts that the callback has seen itself. They are taken in from its journal, which nobody reads twice.
_PLAY = "play"
#: States of a plan from which no other is reached.
_PLAN_OVER = tuple(state for state in PLAN_STATES if not any(state in before for before in PLAN_PREDECESSORS.values()))


@dataclass
class Pruned:
    """How much was removed; tickets by their numbers."""

    tickets: list[int]
    mails: int = 0
    alerts: int = 0
    failure_records: int = 0
    plans: int = 0


def prune(connection: sa.Connection, rules: Rules, max_age: timedelta, now: datetime) -> Pruned:
    """Remove what ended longer ago than `max_age`. What is open, or not sent, or still counts, stays.

    :raises RequestError: alerts younger than that may still count.
    """
    longest = max(threshold.window for threshold in rules.thresholds)
    if max_age <= longest:
        raise RequestError(
            f"max_age must be longer than the longest window of the thresholds, which is {int(longest.total_seconds())} s: alerts in it still count"
        )
    before = now - max_age
    pruned = Pruned(_finished(connection, before))
    for some in chunks(pruned.tickets):
        _forget_alerts(connection, tables.error_record.c.ticket_id.in_(some), pruned)
        of_ticket = sa.select(tables.mail.c.id).where(tables.mail.c.ticket_id.in_(some))
        connection.execute(sa.delete(tables.mail_recipient).where(tables.mail_recipient.c.mail_id.in_(of_ticket)))
        pruned.mails += connection.execute(sa.delete(tables.mail).where(tables.mail.c.ticket_id.in_(some))).rowcount
        connection.execute(sa.delete(tables.ticket_device).where(tables.ticket_device.c.ticket_id.in_(some)))
        record = redistribution.failure_record
        connection.execute(sa.update(record).where(record.c.ticket_id.in_(some)).values(ticket_id=None))
        connection.execute(sa.update(tables.ticket).where(tables.ticket.c.previous_id.in_(some)).values(previous_id=None))
        connection.execute(sa.delete(tables.ticket).where(tables.ticket.c.id.in_(some)))
    _forget_alerts(connection, _uncounted(before), pruned)
    _prune_failure_records(connection, before, pruned)
    _prune_plans(connection, before, pruned)
    return pruned


def _finished(connection: sa.Connection, before: datetime) -> list[int]:
    """Tickets that were resolved before then, all of whose mails are sent or given up, and that nothing unresolved names."""
    ticket, mail, record = tables.ticket, tables.mail, redistribution.failure_record
    unsent = sa.exists().where(mail.c.ticket_id == ticket.c.id, mail.c.status.in_((WAITING, DEAD)))
    named = sa.exists().where(record.c.ticket_id == ticket.c.id, record.c.status.in_(UNRESOLVED))
    chosen = sa.select(ticket.c.id).where(ticket.c.status == RESOLVED, ticket.c.closed_at < before, ~unsent, ~named).order_by(ticket.c.id)
    return list(connection.execute(chosen).scalars())


def _uncounted(before: datetime) -> sa.ColumnElement[bool]:
    """Alerts from before then that led to no ticket, but for those of an outage that has not been judged yet."""
    record, counter = tables.error_record, tables.error_counter
    judged_later = sa.exists().where(
        counter.c.device_id == record.c.device_id, counter.c.failure_type == record.c.failure_type, counter.c.epoch == record.c.epoch, counter.c.suppressed > 0
    )
    return sa.and_(record.c.ticket_id.is_(None), record.c.occurred_at < before, record.c.received_at < before, ~judged_later)


def _forget_alerts(connection: sa.Connection, chosen: sa.ColumnElement[bool], pruned: Pruned) -> None:
    """Remove alerts. Of those from outside the key stays: their source may be read again, and they must not count again."""
    record = tables.error_record
    emptied: dict[str, Any] = {"ticket_id": None, "text": "", "origin": {}, "groups": []}
    rest = sa.and_(chosen, record.c.source != _PLAY, sa.or_(record.c.text != "", record.c.ticket_id.is_not(None)))
    pruned.alerts += connection.execute(sa.delete(record).where(chosen, record.c.source == _PLAY)).rowcount
    pruned.alerts += connection.execute(sa.update(record).where(rest).values(emptied)).rowcount


def _prune_failure_records(connection: sa.Connection, before: datetime, pruned: Pruned) -> None:
    record, event = redistribution.failure_record, redistribution.failure_event
    old = sa.and_(record.c.status == FAILURE_RESOLVED, record.c.resolved_at < before)
    connection.execute(sa.delete(event).where(event.c.failure_id.in_(sa.select(record.c.id).where(old))))
    pruned.failure_records = connection.execute(sa.delete(record).where(old)).rowcount


def _prune_plans(connection: sa.Connection, before: datetime, pruned: Pruned) -> None:
    """Plans that are over, and those that nobody can begin any more, unless their server still has to send something of the distribution."""
    plan, event, record = redistribution.redistribution_plan, redistribution.redistribution_event, redistribution.failure_record
    needed = sa.exists().where(record.c.distribution_id == plan.c.distribution_id, record.c.server == plan.c.server, record.c.status.in_(UNRESOLVED))
    over = sa.or_(plan.c.status.in_(_PLAN_OVER), sa.and_(plan.c.expires_at < before, plan.c.status != RUNNING))
    old = sa.and_(plan.c.created_at < before, over, ~needed)
    connection.execute(sa.delete(event).where(event.c.plan_digest.in_(sa.select(plan.c.digest).where(old))))
    pruned.plans = connection.execute(sa.delete(plan).where(old)).rowcount
