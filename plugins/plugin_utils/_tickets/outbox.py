# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sending what waits: each mail under a lease, so that two processes never send the same one, and with the verdict on every recipient kept."""

from __future__ import annotations

import socket
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from .._status.database import Database
from .._status.libraries import AVAILABLE
from . import smtp, tables
from .rules import Mail
from .states import ACCEPTED, DEAD, DELIVERED, REJECTED, WAITING

if AVAILABLE:
    import sqlalchemy as sa

#: What a lease adds to the longest that the servers may take, in seconds: for the database.
_LEASE_SLACK = 60.0

Sender = Callable[..., Mapping[str, smtp.Verdict]]


@dataclass
class Delivery:
    """What sending came to, in mails. `unsent`: still waiting, for their time or for the next run."""

    delivered: int = 0
    deferred: int = 0
    dead: int = 0
    unsent: int = 0


@dataclass(frozen=True)
class _Claim:
    mail_id: int
    token: str
    mime: str
    attempts: int
    recipients: tuple[str, ...]


def lease_seconds(mail: Mail) -> float:
    """How long a mail that is being sent is left to whoever sends it: longer than all servers together may take."""
    return sum(server.timeout for server in mail.servers) * 2 + _LEASE_SLACK


def deliver(database: Database, mail: Mail, limit_seconds: float, send: Sender = smtp.send) -> Delivery:
    """Send what is due, the oldest first, until nothing is due or the time is over.

    A mail waits while an earlier one of its ticket does: a thread arrives in its order.
    """
    outcome = Delivery()
    ends = time.monotonic() + limit_seconds
    while time.monotonic() < ends:
        claim = _claim(database, mail)
        if claim is None:
            break
        verdicts = send(mail.servers, mail.sender, claim.recipients, claim.mime.encode("ascii"), hello=_hello())
        status = _record(database, mail, claim, verdicts)
        outcome.delivered += status == DELIVERED
        outcome.dead += status == DEAD
        outcome.deferred += status == WAITING
    outcome.unsent = count(database, WAITING)
    return outcome


def _hello() -> str:
    # smtplib's own choice asks a name server, which may take its time.
    return socket.gethostname() or "localhost"


def _claim(database: Database, mail: Mail) -> _Claim | None:
    """Take the lease of the next mail that is due."""
    table, recipient = tables.mail, tables.mail_recipient
    earlier = table.alias("earlier")
    lease = timedelta(seconds=lease_seconds(mail))
    with database.write() as connection:
        now = datetime.now(UTC)
        row = connection.execute(
            sa.select(table.c.id, table.c.mime, table.c.attempts)
            .where(
                table.c.status == WAITING,
                table.c.next_at <= now,
                sa.or_(table.c.lease_expires_at.is_(None), table.c.lease_expires_at <= now),
                sa.not_(sa.exists().where(earlier.c.ticket_id == table.c.ticket_id, earlier.c.seq < table.c.seq, earlier.c.status == WAITING)),
            )
            .order_by(table.c.id)
            .limit(1)
        ).first()
        if row is None:
            return None
        token = str(uuid.uuid4())
        connection.execute(sa.update(table).where(table.c.id == row.id).values(lease_token=token, lease_expires_at=now + lease, attempts=row.attempts + 1))
        addresses = connection.execute(
            sa.select(recipient.c.address).where(recipient.c.mail_id == row.id, recipient.c.status.not_in((ACCEPTED, REJECTED))).order_by(recipient.c.address)
        ).scalars()
        return _Claim(row.id, token, row.mime, row.attempts + 1, tuple(addresses))


def _record(database: Database, mail: Mail, claim: _Claim, verdicts: Mapping[str, smtp.Verdict]) -> str:
    """Write the verdicts and what follows from them for the mail; returns the mail's state."""
    table, recipient = tables.mail, tables.mail_recipient
    with database.write() as connection:
        now = datetime.now(UTC)
        for address, verdict in verdicts.items():
            connection.execute(
                sa.update(recipient)
                # What a server has accepted stays accepted, also when our lease ran out and another process tried meanwhile.
                .where(recipient.c.mail_id == claim.mail_id, recipient.c.address == address, recipient.c.status != ACCEPTED)
                .values(status=verdict.status, code=verdict.code, enhanced=verdict.enhanced or None, reply=verdict.reply, server=verdict.server, changed_at=now)
            )
        left = connection.execute(sa.select(recipient.c.status).where(recipient.c.mail_id == claim.mail_id, recipient.c.status != ACCEPTED)).scalars().all()
        pending = [status for status in left if status != REJECTED]
        if not left:
            status = DELIVERED
        elif pending and claim.attempts < mail.attempts:
            status = WAITING
        else:
            status = DEAD
        connection.execute(
            sa.update(table)
            .where(table.c.id == claim.mail_id, table.c.lease_token == claim.token)
            .values(
                status=status,
                lease_token=None,
                lease_expires_at=None,
                next_at=now + mail.retry_after(claim.attempts),
                finished_at=None if status == WAITING else now,
            )
        )
    return status


def resend(database: Database, ticket_id: int | None, now: datetime, dry_run: bool = False) -> int:
    """Let the ticket's mails (None: those of all tickets) that wait or are dead be tried again at once and from the first attempt on, only for
    those who did not get them, with the same Message-IDs. Returns how many."""
    table, recipient = tables.mail, tables.mail_recipient
    of_ticket = sa.true() if ticket_id is None else table.c.ticket_id == ticket_id
    unsent = sa.and_(table.c.status.in_((WAITING, DEAD)), of_ticket)
    with database.write(dry_run) as connection:
        of_unsent = recipient.c.mail_id.in_(sa.select(table.c.id).where(unsent))
        connection.execute(sa.update(recipient).where(of_unsent, recipient.c.status == REJECTED).values(status=WAITING, changed_at=now))
        return connection.execute(sa.update(table).where(unsent).values(status=WAITING, attempts=0, next_at=now, finished_at=None)).rowcount


def count(database: Database, status: str) -> int:
    """How many mails are in this state."""
    with database.read() as connection:
        return connection.execute(sa.select(sa.func.count()).where(tables.mail.c.status == status)).scalar() or 0


def dead_letters(database: Database) -> list[dict[str, str | int]]:
    """The dead mails: their tickets, and who did not get them for which reason."""
    table, recipient = tables.mail, tables.mail_recipient
    with database.read() as connection:
        rows = connection.execute(
            sa.select(table.c.ticket_id, table.c.kind, recipient.c.address, recipient.c.code, recipient.c.reply)
            .join(recipient, recipient.c.mail_id == table.c.id)
            .where(table.c.status == DEAD, recipient.c.status != ACCEPTED)
            .order_by(table.c.id, recipient.c.address)
        ).mappings()
        return [dict(row) for row in rows]
