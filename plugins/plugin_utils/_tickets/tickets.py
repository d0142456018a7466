# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Job tickets: made when a threshold is exceeded, carried on by further alerts, closed. Parts of a caller's transaction."""

from __future__ import annotations

import uuid
from collections import Counter as Tally
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from .._status import schema
from .._status.batches import chunks
from .._status.libraries import AVAILABLE
from .._status.states import COMPLETED
from . import records, tables
from .alert import Alert, clean_text, one_line
from .composing import compose, label
from .errors import RequestError, TicketError
from .locations import Found
from .records import Judged, Pair, Taken
from .rules import Grouping, Rules
from .states import CLOSED, DEAD, FOLLOW_UP, GIVEN_UP, OPEN, OPENED, RESOLVED, WAITING
from .views import ticket_view

if AVAILABLE:
    import sqlalchemy as sa

VERIFIED = "verified completion"


@dataclass(frozen=True)
class Exceeded:
    """A pair whose count is over its threshold and that has no open ticket."""

    device_id: int
    failure_type: str
    found: Found
    reported: str
    server: str
    count: int
    threshold: int
    first_at: datetime
    last_at: datetime
    epoch: int
    window: timedelta

    @property
    def pair(self) -> Pair:
        return self.device_id, self.failure_type


def carry_on(connection: sa.Connection, taken: Taken) -> None:
    """Add the alerts of pairs that have an open ticket to it. What came during an outage is counted, but is no reason to write."""
    ticket, device = tables.ticket, tables.ticket_device
    devices: list[dict[str, Any]] = []
    tickets: dict[int, dict[str, Any]] = {}
    for pair, judged in taken.by_pair().items():
        ticket_id = taken.tickets.get(pair)
        if ticket_id is None:
            continue
        last_at = max(one.alert.occurred_at for one in judged)
        devices.append({"in_ticket": ticket_id, "in_device": pair[0], "in_type": pair[1], "more": len(judged), "at": last_at})
        sums = tickets.setdefault(ticket_id, {"in_ticket": ticket_id, "more": 0, "news": 0, "at": last_at})
        sums["more"] += len(judged)
        sums["news"] += sum(one.outage is None for one in judged)
        sums["at"] = max(sums["at"], last_at)
    if not devices:
        return
    of_pair = (
        (device.c.ticket_id == sa.bindparam("in_ticket"))
        & (device.c.device_id == sa.bindparam("in_device"))
        & (device.c.failure_type == sa.bindparam("in_type"))
    )
    connection.execute(sa.update(device).where(of_pair).values(count=device.c.count + sa.bindparam("more"), last_at=_later(device.c.last_at)), devices)
    connection.execute(
        sa.update(ticket)
        .where(ticket.c.id == sa.bindparam("in_ticket"))
        .values(
            count=ticket.c.count + sa.bindparam("more"),
            unmailed=ticket.c.unmailed + sa.bindparam("news"),
            last_alert_at=_later(ticket.c.last_alert_at),
        ),
        list(tickets.values()),
    )


def _later(column: Any) -> Any:
    at = sa.bindparam("at", type_=schema.UtcDateTime())
    return sa.case((column > at, column), else_=at)


def exceeded(connection: sa.Connection, rules: Rules, taken: Taken, now: datetime) -> list[Exceeded]:
    """Pairs that are over their threshold now: by an alert of the batch, or because an outage has ended and they still fail."""
    found, changed = [], []
    for pair, judged in {**_after_outages(connection, taken), **taken.by_pair()}.items():
        last, counter = judged[-1], taken.counters[pair]
        in_outage = rules.outage(last.alert.device, last.alert.groups, last.found.name, now) is not None
        since = min(one.alert.occurred_at for one in judged)
        if in_outage and not counter.suppressed:
            # Also what failed just before the outage is judged at its end.
            counter.suppressed = 1
            changed.append(counter)
        elif counter.suppressed and not in_outage:
            counter.suppressed = 0
            since = counter.first_at or since
            changed.append(counter)
        if pair in taken.tickets or in_outage:
            continue
        still_fails = counter.passed_at is None or counter.last_at is None or counter.passed_at < counter.last_at
        threshold = rules.threshold(last.alert.device, last.alert.groups, pair[1])
        if not still_fails or counter.count <= threshold.limit or counter.last_at is None:
            continue
        count, first_at = records.most_in_window(connection, counter, threshold.window, since)
        if count > threshold.limit and first_at is not None:
            place = next((one for one in reversed(judged) if one.alert.location), last)
            found.append(
                Exceeded(
                    device_id=pair[0],
                    failure_type=pair[1],
                    found=place.found,
                    reported=place.alert.location,
                    server=last.alert.server,
                    count=count,
                    threshold=threshold.limit,
                    first_at=first_at,
                    last_at=counter.last_at,
                    epoch=counter.epoch,
                    window=threshold.window,
                )
            )
    records.store_counters(connection, changed)
    return found


def _after_outages(connection: sa.Connection, taken: Taken) -> dict[Pair, list[Judged]]:
    """Pairs that failed during an outage and have not been judged since, with the last record of each; their counters come into `taken`."""
    counter, record, device = tables.error_counter, tables.error_record, schema.device
    newest = sa.func.row_number().over(
        partition_by=(record.c.device_id, record.c.failure_type), order_by=(record.c.occurred_at.desc(), record.c.id.desc())
    )
    numbered = (
        sa.select(record, device.c.name.label("device"), newest.label("number"))
        .join(device, device.c.id == record.c.device_id)
        .join(counter, (counter.c.device_id == record.c.device_id) & (counter.c.failure_type == record.c.failure_type))
        .where(counter.c.suppressed > 0, record.c.epoch == counter.c.epoch)
        .subquery()
    )
    rows = connection.execute(sa.select(numbered).where(numbered.c.number == 1)).mappings().all()
    devices = {row["device_id"] for row in rows}
    found = {(row["device_id"], row["failure_type"]): [_judged_again(row)] for row in rows}
    for pair, stored in records.load_counters(connection, devices).items():
        if pair not in taken.counters:
            taken.counters[pair] = stored
        elif pair in found:
            # The run that brings the batch may have shown that what a killed one brought is over.
            taken.counters[pair].passed_at = stored.passed_at
    taken.tickets.update(records.open_pairs(connection, devices))
    return found


def _judged_again(row: Any) -> Judged:
    alert = Alert(
        device=row["device"],
        key=row["event_key"],
        text=row["text"],
        occurred_at=row["occurred_at"],
        groups=tuple(row["groups"]),
        location=row["reported_location"],
        server=row["server"] or "",
        origin=row["origin"],
    )
    return Judged(
        alert,
        row["device_id"],
        row["failure_type"],
        Found(row["location"], row["location_match"], row["location_score"]),
        row["outage"],
        row["distribution_id"] or "",
    )


def open_tickets(connection: sa.Connection, rules: Rules, pairs: Sequence[Exceeded], now: datetime) -> list[int]:
    """Make a ticket for each pair, or one for many behind one cause; returns the new tickets' identifiers."""
    opened = []
    grouped: dict[tuple[str, str], list[Exceeded]] = {}
    for one in pairs:
        grouping = rules.grouping(one.failure_type)
        grouped.setdefault((grouping.name, _cause(grouping, one)) if grouping else ("", str(one.pair)), []).append(one)
    for (name, cause), members in grouped.items():
        grouping = next((rule for rule in rules.groupings if rule.name == name and cause), None)
        if grouping is None:
            opened += [_open(connection, rules, [one], None, None, now) for one in members]
            continue
        key = f"{name}:{cause}"
        existing = connection.execute(sa.select(tables.ticket.c.id).where(tables.ticket.c.group_key == key, tables.ticket.c.status == OPEN)).scalar()
        devices = {one.device_id for one in members}
        if existing is not None:
            _join(connection, existing, members)
        elif len(devices) >= grouping.devices or len(devices | _ticketed_alone(connection, grouping, members[0], now)) >= grouping.devices:
            opened.append(_open(connection, rules, members, grouping, key, now))
        else:
            opened += [_open(connection, rules, [one], None, None, now) for one in members]
    return opened


def _cause(grouping: Grouping, one: Exceeded) -> str:
    if grouping.by == "server":
        return one.server
    # Devices whose location nobody knows are one group too: 2,000 of them must not be 2,000 mails.
    return one.found.name or one.reported or "?"


def _ticketed_alone(connection: sa.Connection, grouping: Grouping, one: Exceeded, now: datetime) -> set[int]:
    """Devices that failed lately by the same cause and have tickets of their own: alerts that come one by one are not to make a ticket each."""
    ticket, device, record = tables.ticket, tables.ticket_device, tables.error_record
    if grouping.by == "server":
        of_cause: Any = sa.exists().where(record.c.ticket_id == ticket.c.id, record.c.server == one.server)
    elif one.found.name is not None:
        of_cause = ticket.c.location == one.found.name
    else:
        of_cause = ticket.c.location.is_(None) & (ticket.c.reported_location == one.reported)
    rows = connection.execute(
        sa.select(device.c.device_id, device.c.failure_type)
        .join(ticket, ticket.c.id == device.c.ticket_id)
        .where(ticket.c.status == OPEN, ticket.c.grouping.is_(None), ticket.c.last_alert_at > now - one.window, of_cause)
    )
    return {device_id for device_id, failure_type in rows if grouping.fits(failure_type)}


def _open(connection: sa.Connection, rules: Rules, members: Sequence[Exceeded], grouping: Grouping | None, key: str | None, now: datetime) -> int:
    first = members[0]
    centre, reason = rules.centre(first.found.name)
    made = connection.execute(
        sa.insert(tables.ticket).values(
            grouping=grouping.name if grouping else None,
            group_key=key,
            failure_type=Tally(one.failure_type for one in members).most_common(1)[0][0],
            reported_location=first.reported,
            location=first.found.name,
            location_match=first.found.match,
            location_score=first.found.score,
            centre=centre.name,
            routing_reason=reason,
            language=centre.language,
            addresses=list(centre.addresses),
            status=OPEN,
            count=sum(one.count for one in members),
            threshold=max(one.threshold for one in members),
            unmailed=0,
            opened_at=now,
            last_alert_at=max(one.last_at for one in members),
            mailed_at=now,
            root_message_id=_message_id(rules),
            previous_id=_previous(connection, first) if key is None else _previous_of_group(connection, key),
        )
    )
    ticket_id = _new_id(made)
    _add_devices(connection, ticket_id, members)
    write_mail(connection, rules, ticket_id, OPENED, 0, now)
    return ticket_id


def _join(connection: sa.Connection, ticket_id: int, members: Sequence[Exceeded]) -> None:
    _add_devices(connection, ticket_id, members)
    table = tables.ticket
    more = sum(one.count for one in members)
    last_at = max(one.last_at for one in members)
    connection.execute(
        sa.update(table)
        .where(table.c.id == ticket_id)
        .values(count=table.c.count + more, unmailed=table.c.unmailed + more, last_alert_at=_later(table.c.last_alert_at)),
        {"at": last_at},
    )


def _add_devices(connection: sa.Connection, ticket_id: int, members: Sequence[Exceeded]) -> None:
    table, record = tables.ticket_device, tables.error_record
    connection.execute(
        sa.insert(table),
        [
            {
                "ticket_id": ticket_id,
                "device_id": one.device_id,
                "failure_type": one.failure_type,
                "count": one.count,
                "first_at": one.first_at,
                "last_at": one.last_at,
                "told": False,
            }
            for one in members
        ],
    )
    connection.execute(
        sa.update(record)
        .where(
            record.c.device_id == sa.bindparam("in_device"),
            record.c.failure_type == sa.bindparam("in_type"),
            record.c.epoch == sa.bindparam("in_epoch"),
            record.c.ticket_id.is_(None),
        )
        .values(ticket_id=ticket_id),
        [{"in_device": one.device_id, "in_type": one.failure_type, "in_epoch": one.epoch} for one in members],
    )


def _previous(connection: sa.Connection, one: Exceeded) -> int | None:
    table = tables.ticket_device
    found = connection.execute(sa.select(sa.func.max(table.c.ticket_id)).where(table.c.device_id == one.device_id, table.c.failure_type == one.failure_type))
    return found.scalar()


def _previous_of_group(connection: sa.Connection, key: str) -> int | None:
    return connection.execute(sa.select(sa.func.max(tables.ticket.c.id)).where(tables.ticket.c.group_key == key)).scalar()


def _new_id(result: sa.CursorResult[Any]) -> int:
    key = result.inserted_primary_key
    if key is None:
        raise TicketError("the database gave a new row no number")
    return int(key[0])


def _message_id(rules: Rules) -> str:
    return f"<fleetcast.{uuid.uuid4()}@{rules.mail.domain}>"


def write_mail(connection: sa.Connection, rules: Rules, ticket_id: int, kind: str, new_alerts: int, now: datetime) -> None:
    """Put a mail about the ticket as it is now into the outbox. It tells of all alerts that no mail has told of.

    :param new_alerts: how many these are at least.
    """
    row = connection.execute(sa.select(tables.ticket).where(tables.ticket.c.id == ticket_id)).mappings().one()
    new_alerts = max(new_alerts, int(row["unmailed"]))
    table = tables.mail
    seq = 1 + (connection.execute(sa.select(sa.func.max(table.c.seq)).where(table.c.ticket_id == ticket_id)).scalar() or 0)
    message_id = row["root_message_id"] if seq == 1 else _message_id(rules)
    view = ticket_view(connection, ticket_id, kind, new_alerts)
    mime = compose(rules.mail, kind, view, tuple(row["addresses"]), message_id, row["root_message_id"], now)
    made = connection.execute(
        sa.insert(table).values(
            ticket_id=ticket_id, seq=seq, kind=kind, message_id=message_id, mime=mime, status=WAITING, attempts=0, next_at=now, created_at=now
        )
    )
    mail_id = _new_id(made)
    recipients = [{"mail_id": mail_id, "address": address, "status": WAITING, "changed_at": now} for address in dict.fromkeys(row["addresses"])]
    connection.execute(sa.insert(tables.mail_recipient), recipients)
    connection.execute(sa.update(tables.ticket).where(tables.ticket.c.id == ticket_id).values(unmailed=0, mailed_at=now))
    device = tables.ticket_device
    connection.execute(sa.update(device).where(device.c.ticket_id == ticket_id, device.c.told.is_(False)).values(told=True))


def follow_up(connection: sa.Connection, rules: Rules, now: datetime) -> int:
    """Write the follow-ups that are due; returns how many."""
    table = tables.ticket
    due = connection.execute(
        sa.select(table.c.id, table.c.unmailed).where(table.c.status == OPEN, table.c.unmailed > 0, table.c.mailed_at <= now - rules.mail.follow_up_every)
    ).all()
    for ticket_id, unmailed in due:
        write_mail(connection, rules, ticket_id, FOLLOW_UP, unmailed, now)
    return len(due)


def settle_completed(connection: sa.Connection, rules: Rules, now: datetime) -> list[int]:
    """Resolve the tickets of which every device has, verified, what a distribution of the same name was to bring, since its last alert."""
    device, ticket = tables.ticket_device, tables.ticket
    distribution, attempt = schema.distribution, schema.attempt
    failed = distribution.alias("failed")
    last_record = (
        sa.select(tables.error_record.c.distribution_id)
        .where(
            tables.error_record.c.ticket_id == device.c.ticket_id,
            tables.error_record.c.device_id == device.c.device_id,
            tables.error_record.c.failure_type == device.c.failure_type,
        )
        .order_by(tables.error_record.c.occurred_at.desc(), tables.error_record.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    completed = sa.exists().where(
        failed.c.id == last_record,
        distribution.c.name == failed.c.name,
        attempt.c.distribution_id == distribution.c.id,
        attempt.c.device_id == device.c.device_id,
        attempt.c.status.in_(COMPLETED),
        attempt.c.finished_at > device.c.last_at,
    )
    unsettled = sa.exists().where(device.c.ticket_id == ticket.c.id, device.c.closed_at.is_(None), sa.not_(completed))
    done = connection.execute(sa.select(ticket.c.id).where(ticket.c.status == OPEN, sa.not_(unsettled))).scalars().all()
    for ticket_id in done:
        resolve(connection, rules, ticket_id, "fleetcast", "every device has, verified, what was to be distributed", now)
    return list(done)


def resolve(connection: sa.Connection, rules: Rules, ticket_id: int, by: str, resolution: str, now: datetime) -> None:
    """Close the ticket: its counts start again, its failure records are cleared, its centre is told, its dead mails are given up.

    :raises RequestError: when there is no such ticket, or it is closed already and has no dead mails.
    """
    table, device, record = tables.ticket, tables.ticket_device, tables.error_record
    row = connection.execute(sa.select(table).where(table.c.id == ticket_id)).mappings().first()
    if row is None:
        raise RequestError(f"there is no ticket {label(ticket_id)}")
    mail = tables.mail
    given_up = connection.execute(sa.update(mail).where(mail.c.ticket_id == ticket_id, mail.c.status == DEAD).values(status=GIVEN_UP)).rowcount
    if row["status"] == RESOLVED:
        if not given_up:
            raise RequestError(f"the ticket {label(ticket_id)} is resolved already, since {row['closed_at']:%Y-%m-%d %H:%M} UTC, by {row['closed_by']}")
        return
    pairs = [
        tuple(pair)
        for pair in connection.execute(
            sa.select(device.c.device_id, device.c.failure_type).where(device.c.ticket_id == ticket_id, device.c.closed_at.is_(None))
        )
    ]
    connection.execute(sa.update(device).where(device.c.ticket_id == ticket_id, device.c.closed_at.is_(None)).values(closed_at=now))
    connection.execute(sa.update(record).where(record.c.ticket_id == ticket_id, record.c.cleared_at.is_(None)).values(cleared_at=now))
    connection.execute(
        sa.update(table)
        .where(table.c.id == ticket_id)
        .values(status=RESOLVED, closed_at=now, closed_by=one_line(by, 255), resolution=clean_text(resolution) or "repaired")
    )
    _start_again(connection, pairs)
    write_mail(connection, rules, ticket_id, CLOSED, row["unmailed"], now)


def _start_again(connection: sa.Connection, pairs: Collection[Any]) -> None:
    table = tables.error_counter
    if pairs:
        connection.execute(
            sa.update(table)
            .where(table.c.device_id == sa.bindparam("in_device"), table.c.failure_type == sa.bindparam("in_type"))
            .values(epoch=table.c.epoch + 1, count=0, suppressed=0, first_at=None, last_at=None),
            [{"in_device": device_id, "in_type": failure_type} for device_id, failure_type in pairs],
        )


def set_plan(connection: sa.Connection, ticket_id: int, digest: str, command: str) -> bool:
    """Put a redistribution plan into an open ticket; False when it is there already."""
    table = tables.ticket
    plan = (one_line(digest, 200), one_line(command, 2000))
    row = connection.execute(sa.select(table.c.plan_digest, table.c.plan_command).where(table.c.id == ticket_id, table.c.status == OPEN)).first()
    if row is None:
        raise RequestError(f"there is no open ticket {label(ticket_id)}")
    if tuple(row) == plan:
        return False
    connection.execute(sa.update(table).where(table.c.id == ticket_id).values(plan_digest=plan[0], plan_command=plan[1]))
    return True


def known_ids(connection: sa.Connection, ids: Iterable[int]) -> set[int]:
    """Those of the identifiers that are tickets."""
    return {ticket_id for some in chunks(ids) for (ticket_id,) in connection.execute(sa.select(tables.ticket.c.id).where(tables.ticket.c.id.in_(some)))}
