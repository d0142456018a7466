# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Handing mail over: against a real server, and against every way in which servers misbehave."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets import smtp
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets.smtp import Server, Verdict
from ansible_collections.fleetcast.core.tests import mailservers
from ansible_collections.fleetcast.core.tests.conftest import COLLECTION
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
@pytest.mark.parametrize("right", ["right-secret", "grünes-secret"])
def test_the_right_password_is_taken_and_a_wrong_one_is_told_without_being_shown(right: str, tmp_path: Path) -> None:
    cert = mailservers.certificate(tmp_path)
    options = {"ssl_context": cert.context, "server_hostname": "localhost", "auth_require_tls": False, **mailservers.only_with_password("desk", right)}
    with serve(Mailbox(), **options) as mailbox:
        common = {"host": "localhost", "security": "tls", "ca_file": cert.file, "user": "desk"}
        (good,) = _send(_server(mailbox.port, password=right, **common)).values()
        wrong_server = _server(mailbox.port, password="wrong-secret", **common)  # noqa: S106 - no secret
        (bad,) = _send(wrong_server).values()
    assert good.status == "accepted"
    assert bad.status == "deferred"
    assert "535" in bad.reply
    assert "secret" not in bad.reply + bad.server + repr(wrong_server)
    assert len(mailbox.received) == 1


@pytest.mark.parametrize("challenge", ["334 PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2U+", "334 a"], ids=["base64", "none"])
@pytest.mark.parametrize("mechanism", ["CRAM-MD5", "PLAIN", "LOGIN"])
def test_a_server_that_asks_for_the_password_in_a_strange_way_is_passed_over(mechanism: str, challenge: str) -> None:
    with misbehave(ehlo=f"250-hello\r\n250 AUTH {mechanism}", auth=challenge) as server, serve(Mailbox()) as mailbox:
        (verdict,) = _send(_server(server.port, user="desk", password="grünes-secret"), _server(mailbox.port)).values()  # noqa: S106 - no secret
    assert verdict.status == "accepted"


_IN_A_NETWORK_WITHOUT_ANSWERS = """
set -e
ip link set lo up
ip link add nowhere type veth peer name void && ip addr add 192.0.2.1/24 dev nowhere && ip link set nowhere up && ip link set void up
for last in 11 12 13 14 53; do ip neigh add 192.0.2.$last lladdr 02:00:00:00:00:01 dev nowhere; done
printf '192.0.2.%d silent.example.org\\n' 11 12 13 14 > "$1/hosts" && mount --bind "$1/hosts" /etc/hosts
echo 'nameserver 192.0.2.53' > "$1/resolv.conf" && mount --bind "$1/resolv.conf" /etc/resolv.conf
echo '192.0.2.11 half.example.org' >> "$1/hosts" && echo '127.0.0.1 half.example.org' >> "$1/hosts"
echo 'precedence ::ffff:192.0.2.0/120 100' > "$1/gai.conf" && mount --bind "$1/gai.conf" /etc/gai.conf
exec "$2" -c "$3"
"""
_TELL = """
import socket, threading, time
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets import smtp
server = socket.create_server(("127.0.0.1", 25))
threading.Thread(target=lambda: server.accept()[0].sendall(b"421 4.3.2 too busy\\r\\n"), daemon=True).start()
assert [found[4][0] for found in socket.getaddrinfo("half.example.org", 25, type=socket.SOCK_STREAM)] == ["192.0.2.11", "127.0.0.1"]
for host in ("silent.example.org", "half.example.org", "unknown.example.org"):
    begun = time.monotonic()
    verdict = smtp.send([smtp.Server(host, 25, "none", timeout=1.5)], "a@example.org", ["b@example.org"], b"", hello="me")["b@example.org"]
    print(round(time.monotonic() - begun, 1), verdict.status, verdict.reply)
"""


@pytest.mark.lab
def test_neither_silent_addresses_nor_silent_name_servers_take_longer_than_a_session_may(tmp_path: Path) -> None:
    script = ["unshare", "--net", "--mount", "sh", "-c", _IN_A_NETWORK_WITHOUT_ANSWERS, "sh", str(tmp_path), sys.executable, _TELL]
    collections = str(COLLECTION.parents[2])
    ended = subprocess.run(script, env={**os.environ, "PYTHONPATH": collections}, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    silent, half, unknown = ended.stdout.splitlines()
    assert "no end within 1.5 s" in silent
    assert "4.3.2 too busy" in half, "its second address is reached when the first does not answer"
    assert "no name server said within" in unknown
    for line in (silent, half, unknown):
        seconds, status, _words = line.split(maxsplit=2)
        # One second more than the session's, as smtplib's own limit is; not as much for each address.
        assert float(seconds) < 3.5 and status == "deferred", line
