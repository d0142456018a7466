# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mail as a mail program reads it: headers, text in two languages, the attachment by its schema; hostile text stays text."""

from __future__ import annotations

import email
import email.policy
import json
import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import sqlalchemy as sa
from ansible_collections.fleetcast.core.plugins.plugin_utils._status.database import Database
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets import alert
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets.desk import Desk
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets.samples import sample_views
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.tickets

_SCHEMA = json.loads((Path(__file__).resolve().parents[4] / "docs/ticket.schema.json").read_text(encoding="utf-8"))
_NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
_EVIL = "x\r\nBcc: evil@example.org\r\n\r\nbody {{ 7 * 7 }} {% raw %} \x1b[2J \u202e \ud800 \x00 äöü 漢字"


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """One kind of database is enough for what is not about databases."""
    return f"sqlite:///{tmp_path}/status.db"


def _mails(database: Database) -> list[EmailMessage]:
    with database.read() as connection:
        mimes = connection.execute(sa.text("SELECT mime FROM mail ORDER BY id")).scalars().all()
    found = [email.message_from_bytes(mime.encode("ascii"), policy=email.policy.default) for mime in mimes]
    return [mail for mail in found if isinstance(mail, EmailMessage)]


def _text(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")


def _data(mail: EmailMessage) -> dict[str, Any]:
    (attachment,) = mail.iter_attachments()
    assert attachment.get_content_type() == "application/json"
    loaded: dict[str, Any] = json.loads(attachment.get_content())
    jsonschema.validate(loaded, _SCHEMA, format_checker=jsonschema.FormatChecker())
    return loaded


def test_the_mail_says_what_where_and_what_to_do(make_desk: Callable[[str], Desk], database: Database) -> None:
    desk = make_desk(
        "locations: [Hamburg]\nmail: {from: desk@example.org, domain: tickets.example.org, subject_prefix: '[PROD]', reply_to: team@example.org}\n"
        "centres: [{name: north, addresses: [north@example.org, duty@example.org], locations: [Hamburg], default: true}]\n"
    )
    origin = {"task": "Install the package", "playbook": "site.yml"}
    seen = alert.make(
        "web1",
        "dpkg: error\nNo space left on device",
        key="1",
        module="ansible.builtin.apt",
        return_code=100,
        location="Hambrug",
        origin=origin,
        occurred_at=_NOW,
    )
    desk.take_in([seen], now=_NOW)
    desk.resolve(1, "ann", "disk replaced")
    opened, closed = _mails(database)
    assert opened["Subject"] == "[PROD] [FC-1] web1: disk full, Hamburg"
    assert (opened["From"], opened["To"], opened["Reply-To"]) == ("desk@example.org", "north@example.org, duty@example.org", "team@example.org")
    assert opened["Auto-Submitted"] == closed["Auto-Submitted"] == "auto-generated"
    assert opened["Precedence"] is None
    assert opened["Message-ID"].endswith("@tickets.example.org>")
    assert closed["References"] == closed["In-Reply-To"] == opened["Message-ID"] != closed["Message-ID"]
    text = _text(opened)
    for words in (
        "Device:    web1",
        'Location:  Hamburg (reported as "Hambrug", corrected with 85.7 of 100)',
        "Centre:    north (serves the location)",
        "web1 in Hamburg needs your help: disk full.\n\nWhat to do: make room; ",
        "Alerts:    1, 2026-03-02 12:00 UTC (limit: 0)",
        "module ansible.builtin.apt, return code 100",
        "  | dpkg: error\n  | No space left on device",
        'in the task "Install the package" of site.yml',
        "ansible-playbook fleetcast.core.tickets -e tickets_action=resolve -e tickets_ticket=FC-1",
    ):
        assert words in text
    assert "This ticket is resolved: disk replaced\nBy:        ann" in _text(closed)
    assert _data(opened)["devices"] == [
        {"name": "web1", "failure_type": "disk_full", "count": 1, "first_at": "2026-03-02T12:00:00+00:00", "last_at": "2026-03-02T12:00:00+00:00", "new": True}
    ]
    assert not _data(closed)["devices"][0]["new"]
    assert _data(closed)["ticket"]["resolution"] == "disk replaced"


@pytest.mark.parametrize("domain", ["example.org", "ip-10-0-0-12.eu-central-1.compute.internal", f"{'a' * 60}.{'b' * 60}.example.org"])
def test_a_thread_holds_also_where_a_message_id_is_longer_than_a_line(domain: str, make_desk: Callable[[str], Desk], database: Database) -> None:
    desk = make_desk(f"mail: {{domain: {domain}}}")
    desk.take_in([alert.make("web1", "No space left on device", key="1", occurred_at=_NOW)], now=_NOW)
    desk.resolve(1, "ann", "disk replaced")
    with database.read() as connection:
        opened, closed = connection.execute(sa.text("SELECT mime FROM mail ORDER BY id")).scalars()
    # As it is on the wire: Python's parser decodes what a mail program does not.
    (message_id,) = re.findall(r"^Message-ID:\s+(\S+)\r?$", opened, re.MULTILINE)
    assert message_id.endswith(f"@{domain}>")
    for header in ("In-Reply-To", "References"):
        assert re.findall(rf"^{header}:\s+(\S+)\r?$", closed, re.MULTILINE) == [message_id]


def test_a_centre_reads_its_own_language(make_desk: Callable[[str], Desk], database: Database) -> None:
    desk = make_desk("centres: [{name: nord, addresses: nord@example.org, language: de, default: true}]\nmail: {follow_up_every: 1s}")
    desk.take_in([alert.make("web1", "No space left on device", key="1", occurred_at=_NOW, location="Köln")], now=_NOW)
    desk.take_in([alert.make("web1", "No space left on device", key="2", occurred_at=_NOW)], now=datetime.now(UTC))
    desk.resolve(1, "Jörg", "Platte getauscht")
    opened, follow_up, closed = _mails(database)
    assert opened["Subject"] == "[FC-1] web1: Datenträger voll, Köln (nicht zugeordnet)"
    assert "web1 braucht Ihre Hilfe: Datenträger voll.\n\nWas zu tun ist: Platz schaffen" in _text(opened)
    assert "Noch offen: 1 weitere Meldung seit der letzten Mail, insgesamt 2." in _text(follow_up)
    assert "Dieses Ticket ist gelöst: Platte getauscht" in _text(closed)
    for mail in (opened, follow_up, closed):
        _data(mail)


@pytest.mark.parametrize(
    ("language", "summary", "line"),
    [
        ("en", "2 more alerts since the last mail, 5 in all, of 4 devices, 1 of them new.", "NEW since the last mail, 1 alert, the last 2026-"),
        ("de", "2 weitere Meldungen seit der letzten Mail, insgesamt 5, von 4 Geräten, davon 1 neu.", "NEU seit der letzten Mail, 1 Meldung, die letzte 2026-"),
    ],
)
def test_a_follow_up_marks_the_devices_that_no_mail_has_named(
    make_desk: Callable[[str], Desk], database: Database, language: str, summary: str, line: str
) -> None:
    desk = make_desk(
        "thresholds: [{limit: 0}, {failure_type: 'unreachable*', limit: 0}]\n"
        "groupings: [{name: place, failure_types: ['unreachable*'], by: location, devices: 3}]\nlocations: [Kiel]\n"
        f"centres: [{{name: c, addresses: c@example.org, language: {language}, default: true}}]\nmail: {{follow_up_every: 1s}}"
    )

    def gone(name: str, key: str) -> alert.Alert:
        return alert.make(name, "No route to host", key=key, kind="unreachable", location="Kiel", occurred_at=_NOW)

    desk.take_in([gone(name, name) for name in ("b1", "b2", "b3")], now=_NOW)
    desk.take_in([gone("a9", "4"), gone("b1", "5")], now=datetime.now(UTC))
    desk.take_in([gone("b1", "6")], now=datetime.now(UTC) + timedelta(seconds=5))
    opened, follow_up, later = _mails(database)
    assert " new" not in _text(opened).lower() and summary in _text(follow_up)
    listed = [text for text in _text(follow_up).splitlines() if text.startswith(("  a9:", "  b"))]
    assert listed[0].startswith(f"  a9: {line}") and [text[2:4] for text in listed] == ["a9", "b1", "b2", "b3"]
    assert sum(("NEW" in text or "NEU" in text) for text in listed) == 1
    assert {device["name"]: device["new"] for device in _data(follow_up)["devices"]} == {"a9": True, "b1": False, "b2": False, "b3": False}
    assert {device["new"] for device in _data(opened)["devices"]} == {True}
    assert not any(device["new"] for device in _data(later)["devices"]) and "NEW" not in _text(later)


def test_users_may_replace_templates(make_desk: Callable[[str], Desk], database: Database, tmp_path: Path) -> None:
    (tmp_path / "mine/en").mkdir(parents=True)
    (tmp_path / "mine/en/opened.txt.j2").write_text("Ours: {{ ticket.label }}\n\n{% include 'facts.j2' %}", encoding="utf-8")
    desk = make_desk(f"mail: {{templates: {tmp_path}/mine}}")
    desk.take_in([alert.make("web1", "No space left on device", key="1", occurred_at=_NOW)], now=_NOW)
    (mail,) = _mails(database)
    assert mail["Subject"] == "Ours: FC-1"
    assert "Problem:   disk full" in _text(mail)


def test_a_template_that_fails_with_a_real_ticket_is_replaced_by_ours(make_desk: Callable[[str], Desk], database: Database, tmp_path: Path) -> None:
    (tmp_path / "mine/fr").mkdir(parents=True)
    for kind in ("opened", "follow_up", "closed"):
        # It works with the samples.
        (tmp_path / f"mine/fr/{kind}.txt.j2").write_text("[{{ ticket.label }}] {{ 1 / (devices[0].name != 'web9') }}\n\nLe texte", encoding="utf-8")
    desk = make_desk("mail: {templates: mine}\ncentres: [{name: c, addresses: c@example.org, language: fr, default: true}]\n")
    desk.take_in([alert.make(name, "No space left on device", key=name, occurred_at=_NOW) for name in ("web1", "web9")], now=_NOW)
    good, bad = _mails(database)
    assert (good["Subject"], _text(good)) == ("[FC-1] 1.0", "Le texte\n")
    assert bad["Subject"] == "[FC-2] web9: disk full, location unknown"
    assert "(The template fr/opened.txt.j2 did not work: ZeroDivisionError: division by zero)" in _text(bad)


@pytest.mark.parametrize("kind", ["opened", "follow_up", "closed"])
def test_templates_are_tried_on_samples_that_are_like_tickets(kind: str) -> None:
    for view in sample_views(kind):
        jsonschema.validate(view, _SCHEMA, format_checker=jsonschema.FormatChecker())


def test_times_are_those_of_the_rules_time_zone(make_desk: Callable[[str], Desk], database: Database) -> None:
    make_desk("time_zone: Europe/Berlin").take_in([alert.make("web1", "No space left on device", key="1", occurred_at=_NOW)], now=_NOW)
    (mail,) = _mails(database)
    assert "Alerts:    1, 2026-03-02 13:00 CET (limit: 0)" in _text(mail)
    assert _data(mail)["ticket"]["opened_at"] == "2026-03-02T12:00:00+00:00"


@pytest.mark.parametrize(("language", "words"), [("en", "2 devices in Hamburg need your help"), ("de", "2 Geräte in Hamburg brauchen Ihre Hilfe")])
def test_a_ticket_of_many_devices_shows_each_text_once(language: str, words: str, make_desk: Callable[[str], Desk], database: Database) -> None:
    desk = make_desk(
        "thresholds: [{limit: 0}, {failure_type: 'unreachable*', limit: 0}]\nlocations: [Hamburg]\n"
        f"centres: [{{name: c, addresses: c@example.org, language: {language}, default: true}}]\n"
        "groupings: [{name: place, failure_types: ['unreachable*'], by: location, devices: 2}]\n"
    )
    seen = [alert.make(name, "gone", kind="unreachable", key=name, location="Hamburg", occurred_at=_NOW) for name in ("web1", "web2")]
    desk.take_in(seen, now=_NOW)
    desk.resolve(1, "ann", "cable", now=_NOW)
    opened, closed = _mails(database)
    assert _text(opened).startswith(words)
    assert _text(opened).count("  | gone") == 1
    assert all(name in _text(mail) for name in ("web1: 1 ", "web2: 1 ") for mail in (opened, closed))


def _evil(value: str, make_desk: Callable[[str], Desk], database: Database, key: str) -> EmailMessage:
    desk = make_desk("thresholds: [{limit: 0}, {failure_type: '*', limit: 0}]\ngroupings: []\n")
    seen = alert.make(
        "d" + value,
        value,
        key=key,
        location="l" + value,
        server=value,
        distribution=value,
        module=value,
        origin={"task": value, "playbook": value},
        occurred_at=_NOW,
    )
    assert len(desk.take_in([seen], now=_NOW).opened) == 1
    return _mails(database)[-1]


def _harmless(line: str) -> bool:
    """Without anything that moves a cursor, reverses a line, or is no character."""
    return not any(unicodedata.category(character) in ("Cc", "Cf", "Cs") for character in line)


def _unharmed(mail: EmailMessage) -> None:
    allowed = {"From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "X-Fleetcast-Ticket", "MIME-Version", "Content-Type"}
    assert set(mail.keys()) == allowed
    assert mail["To"] == "centre@example.org"
    assert mail.get_content_type() == "multipart/mixed"
    assert len(list(mail.iter_parts())) == 2
    assert _harmless(str(mail["Subject"]))
    assert all(_harmless(line) for line in _text(mail).split("\n"))
    _data(mail)


def test_text_from_outside_breaks_neither_headers_nor_templates(make_desk: Callable[[str], Desk], database: Database) -> None:
    mail = _evil(_EVIL, make_desk, database, "1")
    _unharmed(mail)
    assert "{{ 7 * 7 }}" in _text(mail) and "49" not in _text(mail)
    assert "  | Bcc: evil@example.org" in _text(mail)


@pytest.mark.parametrize("value", ["=?utf-8?q?x=0D=0ABcc:_evil@example.org?=", "=?us-ascii?q?x=0A=0Abody?=", "x =?utf-8?b?eApCY2M6IGV2aWxAZXhhbXBsZS5vcmc=?="])
def test_an_encoded_word_from_outside_is_not_decoded_into_headers(value: str, make_desk: Callable[[str], Desk], database: Database) -> None:
    mail = _evil(value, make_desk, database, "1")
    _unharmed(mail)
    assert value.replace("=?", "= ?") in str(mail["Subject"]).replace("\r\n", ""), "nor does a mail program decode it"
    assert _data(mail)["location"]["reported"] == f"l{value}"


@given(value=st.text(max_size=300))
@settings(max_examples=30, phases=[Phase.explicit, Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_no_text_at_all_breaks_a_mail(value: str, make_desk: Callable[[str], Desk], database: Database) -> None:
    with database.write() as connection:
        for table in ("mail_recipient", "mail", "error_record", "ticket_device", "ticket", "error_counter"):
            connection.execute(sa.text(f"DELETE FROM {table}"))  # noqa: S608 - names of our own
    _unharmed(_evil(value, make_desk, database, "1"))
