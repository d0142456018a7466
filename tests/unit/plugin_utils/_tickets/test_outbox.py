# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sending what waits: verdicts kept, retries with the same Message-ID, nobody bothered twice, dead mails, leases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from ansible_collections.fleetcast.core.plugins.plugin_utils._status.database import Database
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets import alert, outbox, smtp
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets.desk import Desk
from ansible_collections.fleetcast.core.tests.mailservers import Mailbox, hang_up, misbehave, serve

pytestmark = pytest.mark.tickets

MakeDesk = Callable[[str], Desk]
_BOTH = "[here@example.org, gone@example.org]"
#: For one sending: it ends when nothing is due, long before.
_SECONDS = 60


def _rules(port: int, addresses: str = "here@example.org", **mail: Any) -> str:
    more = "".join(f", {key}: {value}" for key, value in mail.items())
    return f"centres: [{{name: c, addresses: {addresses}, default: true}}]\nmail: {{servers: [{{host: 127.0.0.1, port: {port}, timeout: 60s}}]{more}}}\n"


def _open(desk: Desk, device: str = "web1", key: str = "1") -> None:
    desk.take_in([alert.make(device, "No space left on device", key=key, occurred_at=datetime.now(UTC))])


def _due_now(database: Database) -> None:
    """Let the time of every waiting mail have come."""
    with database.write() as connection:
        connection.execute(sa.text("UPDATE mail SET next_at = :past"), {"past": "2000-01-01 00:00:00"})


def _recipients(desk: Desk, number: int = 1) -> dict[str, tuple[str, int | None]]:
    return {one["address"]: (one["status"], one["code"]) for mail in desk.ticket(number)["mails"] for one in mail["recipients"]}


def test_an_accepted_mail_is_delivered_and_not_sent_again(make_desk: MakeDesk, database: Database) -> None:
    with serve(Mailbox()) as mailbox:
        desk = make_desk(_rules(mailbox.port))
        _open(desk)
        assert desk.deliver(_SECONDS).delivered == 1
        _due_now(database)
        assert desk.deliver(_SECONDS).delivered == 0
    assert len(mailbox.received) == 1
    assert _recipients(desk) == {"here@example.org": ("accepted", 250)}
    assert desk.unsent() == 0


def test_a_deferred_mail_is_tried_again_after_its_wait_with_the_same_message_id(make_desk: MakeDesk, database: Database) -> None:
    replies = iter(["451 4.3.0 later", "452 4.3.1 full", "250 2.0.0 taken"])
    seen: list[str] = []
    mailbox = Mailbox(data_reply=lambda: next(replies))
    with serve(mailbox):
        desk = make_desk(_rules(mailbox.port, retry_first="1m", retry_factor=2))
        _open(desk)
        for wait in (60, 120):
            began = datetime.now(UTC).replace(microsecond=0)  # as precise as what is shown
            assert desk.deliver(_SECONDS).deferred == 1
            (mail,) = desk.ticket(1)["mails"]
            seen.append(mail["message_id"])
            assert mail["status"] == "waiting"
            assert began <= datetime.fromisoformat(mail["next_at"]) - timedelta(seconds=wait) <= datetime.now(UTC)
            assert desk.deliver(_SECONDS).deferred == 0, "not before its time"
            _due_now(database)
        assert desk.deliver(_SECONDS).delivered == 1
    assert {*seen, *mailbox.ids("here@example.org")} == {seen[0]}


def test_a_refused_recipient_is_told_loudly_and_the_other_is_not_bothered_again(make_desk: MakeDesk, database: Database) -> None:
    mailbox = Mailbox(refuse=lambda address: "550 5.1.1 no such user" if address.startswith("gone") else None)
    with serve(mailbox):
        desk = make_desk(_rules(mailbox.port, _BOTH))
        _open(desk)
        assert desk.deliver(_SECONDS).dead == 1
        assert _recipients(desk) == {"here@example.org": ("accepted", 250), "gone@example.org": ("rejected", 550)}
        (letter,) = desk.dead_letters()
        assert (letter["address"], letter["code"], letter["reply"]) == ("gone@example.org", 550, "5.1.1 no such user")
        _due_now(database)
        assert desk.deliver(_SECONDS).dead == 0
        mailbox.refuse = lambda address: None
        assert desk.resend(1) == 1
        assert desk.deliver(_SECONDS).delivered == 1
    assert [mail.recipients for mail in mailbox.received] == [["here@example.org"], ["gone@example.org"]]
    assert len({str(mail.message["Message-ID"]) for mail in mailbox.received}) == 1
    assert desk.dead_letters() == []


def test_a_deferred_recipient_is_tried_again_alone(make_desk: MakeDesk, database: Database) -> None:
    mailbox = Mailbox(refuse=lambda address: "450 4.2.0 greylisted" if address.startswith("gone") else None)
    with serve(mailbox):
        desk = make_desk(_rules(mailbox.port, _BOTH))
        _open(desk)
        assert desk.deliver(_SECONDS).deferred == 1
        mailbox.refuse = lambda address: None
        _due_now(database)
        assert desk.deliver(_SECONDS).delivered == 1
    assert [mail.recipients for mail in mailbox.received] == [["here@example.org"], ["gone@example.org"]]


def test_after_its_last_attempt_a_mail_is_dead_until_somebody_takes_note(make_desk: MakeDesk, database: Database) -> None:
    with misbehave(dot=hang_up) as server:
        desk = make_desk(_rules(server.port, attempts=3))
        _open(desk)
        for expected in ((1, 0), (1, 0), (0, 1)):
            outcome = desk.deliver(_SECONDS)
            assert (outcome.deferred, outcome.dead) == expected
            _due_now(database)
        assert desk.deliver(_SECONDS).dead == 0
        assert len({mail.split(b"Message-ID:")[1].split()[0] for mail in server.mails}) == 1
    assert "connection ended" in desk.dead_letters()[0]["reply"]
    desk.resolve(1, "ann", "seen")
    assert desk.dead_letters() == []
    assert [mail["status"] for mail in desk.ticket(1)["mails"]] == ["given_up", "waiting"]


def test_all_dead_mails_are_tried_again_at_once(make_desk: MakeDesk) -> None:
    mailbox = Mailbox(refuse=lambda address: "550 5.1.1 no such user")
    with serve(mailbox):
        desk = make_desk(_rules(mailbox.port))
        for number in range(3):
            _open(desk, f"web{number}", str(number))
        assert desk.deliver(_SECONDS).dead == 3
        mailbox.refuse = lambda address: None
        assert desk.resend(None, dry_run=True) == 3
        assert desk.deliver(_SECONDS).delivered == 0
        assert desk.resend(None) == 3
        assert desk.deliver(_SECONDS).delivered == 3
    assert desk.resend(None) == 0


def test_a_thread_arrives_in_its_order(make_desk: MakeDesk, database: Database) -> None:
    replies = iter(["451 4.3.0 later"])
    mailbox = Mailbox(data_reply=lambda: next(replies, "250 taken"))
    with serve(mailbox):
        desk = make_desk(_rules(mailbox.port))
        _open(desk)
        desk.resolve(1, "ann", "done")
        outcome = desk.deliver(_SECONDS)
        assert (outcome.deferred, outcome.delivered, outcome.unsent) == (1, 0, 2), "the closing mail waits for the opening one"
        _due_now(database)
        assert desk.deliver(_SECONDS).delivered == 2
    assert ["resolved" in mail.subject for mail in mailbox.received] == [False, True]


def test_the_time_limit_of_a_delivery_leaves_the_rest_for_later(make_desk: MakeDesk) -> None:
    with serve(Mailbox()) as mailbox:
        desk = make_desk(_rules(mailbox.port))
        for number in range(3):
            _open(desk, f"web{number}", str(number))
        outcome = desk.deliver(0)
        assert (outcome.delivered, outcome.unsent) == (0, 3)
        assert desk.deliver(_SECONDS).delivered == 3


def test_a_lease_keeps_others_off_until_it_is_over(make_desk: MakeDesk, database: Database, load_rules: Any) -> None:
    with serve(Mailbox()) as mailbox:
        text = _rules(mailbox.port)
        desk, mail = make_desk(text), load_rules(text).mail
        _open(desk)
        # A process takes the lease and dies.
        assert outbox._claim(database, mail) is not None
        assert desk.deliver(_SECONDS).delivered == 0
        assert desk.unsent() == 1
        with database.write() as connection:
            connection.execute(sa.text("UPDATE mail SET lease_expires_at = :past"), {"past": "2000-01-01 00:00:00"})
        assert desk.deliver(_SECONDS).delivered == 1
    assert len(mailbox.received) == 1


def test_a_verdict_that_comes_after_the_lease_is_over_changes_no_acceptance(make_desk: MakeDesk, database: Database, load_rules: Any) -> None:
    with serve(Mailbox()) as mailbox:
        text = _rules(mailbox.port)
        desk, mail = make_desk(text), load_rules(text).mail
        _open(desk)
        late = outbox._claim(database, mail)
        assert late is not None
        with database.write() as connection:
            connection.execute(sa.text("UPDATE mail SET lease_expires_at = :past"), {"past": "2000-01-01 00:00:00"})
        assert desk.deliver(_SECONDS).delivered == 1
        outbox._record(database, mail, late, {address: smtp.Verdict("deferred", 421, "", "late", "server") for address in late.recipients})
    assert _recipients(desk) == {"here@example.org": ("accepted", 250)}
    assert desk.ticket(1)["mails"][0]["status"] == "delivered"


def test_waits_grow_to_the_longest(load_rules: Any) -> None:
    mail = load_rules("mail: {retry_first: 1m, retry_factor: 3, retry_longest: 10m}").mail
    assert [mail.retry_after(attempts) for attempts in (1, 2, 3, 4, 2000)] == [timedelta(minutes=minutes) for minutes in (1, 3, 9, 10, 10)]
