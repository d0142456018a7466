# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Handing mail over: against a real server, and against every way in which servers misbehave."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets import smtp
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets.smtp import Server, Verdict
from ansible_collections.fleetcast.core.tests import mailservers
from ansible_collections.fleetcast.core.tests.mailservers import Mailbox, misbehave, reserved_port, serve

pytestmark = pytest.mark.tickets

_MAIL = b"From: desk@example.org\r\nMessage-ID: <one@example.org>\r\nSubject: test\r\n\r\nText.\r\n.dot at the start\r\n"
_TO = ("centre@example.org",)


def _server(port: int, **values: object) -> Server:
    return Server(**{"host": "127.0.0.1", "port": port, "security": "none", "timeout": 60.0, **values})  # type: ignore[arg-type]


def _send(*servers: Server, to: tuple[str, ...] = _TO) -> dict[str, Verdict]:
    return smtp.send(servers, "desk@example.org", to, _MAIL, hello="test.example.org")


def test_a_mail_arrives_as_it_is() -> None:
    with serve(Mailbox()) as mailbox:
        verdicts = _send(_server(mailbox.port))
    assert verdicts[_TO[0]].status == "accepted"
    assert (verdicts[_TO[0]].code, verdicts[_TO[0]].enhanced, verdicts[_TO[0]].reply) == (250, "2.0.0", "2.0.0 taken")
    (mail,) = mailbox.received
    assert (mail.sender, mail.recipients) == ("desk@example.org", list(_TO))
    assert mail.content == _MAIL


@pytest.mark.parametrize(
    ("case", "changes", "words"),
    [
        ("silent from the start", {"greeting": mailservers.silence}, "no end within"),
        ("silent after the sender", {"mail": mailservers.silence}, "no end within"),
        ("tarpit", {"greeting": mailservers.dribble}, "no end within"),
        ("tarpit at the recipient", {"rcpt": mailservers.dribble}, "no end within"),
        ("421 at once", {"greeting": "421 4.3.2 too busy"}, "421 4.3.2 too busy"),
        ("421 at the sender", {"mail": "421 4.3.2 going down"}, "421 4.3.2 going down"),
        ("421 at the recipient", {"rcpt": "421 4.3.2 going down"}, "4.3.2 going down"),
        ("sender refused", {"mail": "550 5.7.1 not you"}, "550 5.7.1 not you"),
        ("recipient deferred", {"rcpt": "450 4.2.0 greylisted"}, "4.2.0 greylisted"),
        ("mail deferred", {"dot": "451 4.3.0 try again"}, "4.3.0 try again"),
        ("DATA deferred", {"data": "452 4.3.1 no space"}, "4.3.1 no space"),
        ("dropped at the greeting", {"greeting": mailservers.hang_up}, "closed"),
        ("dropped before the mail", {"data": mailservers.hang_up}, "connection ended"),
        ("tarpit at the reply to the mail", {"dot": mailservers.dribble}, "no end within"),
        ("dropped within the reply to the mail", {"dot": mailservers.begin_then_hang_up}, "connection ended"),
        ("dropped before the reply to the mail", {"dot": mailservers.hang_up}, "connection ended"),
    ],
)
def test_a_server_that_does_not_take_it_leaves_it_to_be_tried_again(case: str, changes: dict[str, object], words: str) -> None:
    with misbehave(**changes) as server:  # type: ignore[arg-type]
        began = time.monotonic()
        (verdict,) = _send(_server(server.port, timeout=1.0 if words == "no end within" else 60.0)).values()
        took = time.monotonic() - began
    assert verdict.status == "deferred", case
    assert words in verdict.reply
    assert took < 10, "the time limit of a session holds whatever the server does"


def test_a_connection_dropped_after_the_reply_does_not_take_the_acceptance_back() -> None:
    with misbehave(dot=mailservers.say_then_hang_up("250 2.0.0 taken")) as server:
        (verdict,) = _send(_server(server.port)).values()
    assert (verdict.status, verdict.code) == ("accepted", 250)


@pytest.mark.parametrize("command", ["rcpt", "dot"])
def test_a_permanent_refusal_is_final(command: str) -> None:
    with misbehave(**{command: "554 5.7.1 never"}) as server:
        (verdict,) = _send(_server(server.port)).values()
    assert (verdict.status, verdict.code, verdict.enhanced, verdict.reply) == ("rejected", 554, "5.7.1", "5.7.1 never")


def test_one_of_two_recipients_refused_does_not_hold_up_the_other() -> None:
    mailbox = Mailbox(refuse=lambda address: "550 5.1.1 no such user" if address.startswith("gone") else None)
    with serve(mailbox):
        verdicts = _send(_server(mailbox.port), to=("here@example.org", "gone@example.org"))
    assert {address: verdict.status for address, verdict in verdicts.items()} == {"here@example.org": "accepted", "gone@example.org": "rejected"}
    assert [mail.recipients for mail in mailbox.received] == [["here@example.org"]]


def test_a_refusal_stays_when_the_connection_then_ends() -> None:
    replies = iter(["550 5.1.1 no such user", "250 ok"])

    class Changing(str):
        def encode(self, *_: object) -> bytes:
            return next(replies).encode()

    with misbehave(rcpt=Changing(), dot=mailservers.hang_up) as server:
        verdicts = _send(_server(server.port), to=("gone@example.org", "here@example.org"))
    assert [verdict.status for verdict in verdicts.values()] == ["rejected", "deferred"]


def test_the_next_server_takes_what_the_first_does_not() -> None:
    with misbehave(greeting="554 5.3.2 no service") as first, serve(Mailbox()) as second:
        (verdict,) = _send(_server(first.port), _server(second.port)).values()
        assert verdict.status == "accepted"
        assert str(second.port) in verdict.server
    assert len(second.received) == 1


def test_the_words_of_all_servers_are_kept_when_none_takes_it() -> None:
    with misbehave(greeting="554 5.3.2 first") as first, misbehave(mail="451 4.3.0 second") as second:
        (verdict,) = _send(_server(first.port), _server(second.port)).values()
    assert verdict.status == "deferred"
    assert "5.3.2 first" in verdict.reply and "4.3.0 second" in verdict.reply


def test_nobody_listening_is_a_reason_to_try_again() -> None:
    with reserved_port() as port:
        (verdict,) = _send(_server(port)).values()
    assert verdict.status == "deferred"
    assert "refused" in verdict.reply


def test_a_trusted_certificate_is_taken_by_starttls_and_by_tls(tmp_path: Path) -> None:
    cert = mailservers.certificate(tmp_path)
    for security, options in (("starttls", {"tls_context": cert.context, "require_starttls": True}), ("tls", {"ssl_context": cert.context})):
        with serve(Mailbox(), **options, server_hostname="localhost") as mailbox:
            (verdict,) = _send(_server(mailbox.port, host="localhost", security=security, ca_file=cert.file)).values()
            assert verdict.status == "accepted", verdict


@pytest.mark.parametrize(
    ("case", "days", "trusted", "host", "words"),
    [
        ("expired", -1, True, "localhost", "expired"),
        ("signed by nobody we know", 1, False, "localhost", "self-signed"),
        ("of another name", 1, True, "127.0.0.1", "IP address mismatch"),
    ],
)
@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_bad_certificate_gets_no_mail(case: str, days: int, trusted: bool, host: str, words: str, security: str, tmp_path: Path) -> None:
    cert = mailservers.certificate(tmp_path, days)
    options: dict[str, Any] = {"ssl_context": cert.context} if security == "tls" else {"tls_context": cert.context}
    with serve(Mailbox(), **options, server_hostname="localhost") as mailbox:
        values = {"host": host, "security": security, "ca_file": cert.file if trusted else None}
        (verdict,) = _send(_server(mailbox.port, **values)).values()
    assert verdict.status == "deferred", case
    assert "certificate is not trusted" in verdict.reply and words in verdict.reply
    assert mailbox.received == []


def test_no_starttls_offered_is_never_plain_text() -> None:
    with misbehave() as server:
        (verdict,) = _send(_server(server.port, security="starttls")).values()
    assert verdict.status == "deferred"
    assert "STARTTLS" in verdict.reply
    assert server.mails == []


@pytest.mark.filterwarnings("ignore:Requiring AUTH")
def test_the_right_password_is_taken_and_a_wrong_one_is_told_without_being_shown(tmp_path: Path) -> None:
    cert = mailservers.certificate(tmp_path)
    options = {"ssl_context": cert.context, "server_hostname": "localhost", "auth_require_tls": False, **mailservers.only_with_password("desk", "right-secret")}
    with serve(Mailbox(), **options) as mailbox:
        common = {"host": "localhost", "security": "tls", "ca_file": cert.file, "user": "desk"}
        (good,) = _send(_server(mailbox.port, password="right-secret", **common)).values()  # noqa: S106 - no secret
        wrong_server = _server(mailbox.port, password="wrong-secret", **common)  # noqa: S106 - no secret
        (bad,) = _send(wrong_server).values()
    assert good.status == "accepted"
    assert bad.status == "deferred"
    assert "535" in bad.reply
    assert "secret" not in bad.reply + bad.server + repr(wrong_server)
    assert len(mailbox.received) == 1
