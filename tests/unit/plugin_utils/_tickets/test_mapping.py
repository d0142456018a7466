# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alerts from other programs: lines of JSON, Alertmanager, mails; by the format's own mapping and by a user's."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets import mapping
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets.alert import Alert
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets.errors import AlertError

pytestmark = pytest.mark.tickets

#: As Alertmanager 0.27 posts it (webhook version 4), shortened to two alerts.
_ALERTMANAGER: dict[str, Any] = {
    "receiver": "fleetcast",
    "status": "firing",
    "version": "4",
    "groupKey": '{}:{alertname="DiskFull"}',
    "truncatedAlerts": 0,
    "groupLabels": {"alertname": "DiskFull"},
    "commonLabels": {"alertname": "DiskFull"},
    "commonAnnotations": {},
    "externalURL": "http://am:9093",
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "DiskFull", "instance": "web1.example.org:9100", "datacenter": "Hamburg", "severity": "critical"},
            "annotations": {"description": "No space left on device /srv", "summary": "disk"},
            "startsAt": "2026-03-02T12:00:00.123Z",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://p",
            "fingerprint": "c1a2b3",
        },
        {
            "status": "resolved",
            "labels": {"alertname": "DiskFull", "instance": "[2001:db8::1]:9100"},
            "annotations": {},
            "startsAt": "2026-03-02T11:00:00Z",
            "endsAt": "2026-03-02T11:30:00Z",
            "fingerprint": "d4",
        },
    ],
}
_MAIL = (
    b"From: Monitoring <mon@example.org>\r\nTo: alerts@example.org\r\nSubject: =?utf-8?q?ALERT_host_db1=3A_Platte_voll?=\r\n"
    b"Date: Mon, 02 Mar 2026 13:00:00 +0100\r\n"
    b"Message-ID: <77@mon>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    b"Location: M=FCnchen\r\nNo space left on device\r\n"
)


def _alerts(form: str, content: bytes, user: dict[str, Any] | None = None) -> list[Alert | None]:
    reading = _read(form, content, user)
    assert reading.unreadable == []
    return reading.alerts + [None] * reading.skipped


def _read(form: str, content: bytes, user: dict[str, Any] | None = None, source: str = "") -> mapping.Reading:
    reading = mapping.Reading()
    reading.read(form, content, mapping.checked_mapping(user or {}), source)
    return reading


def test_alertmanagers_webhook() -> None:
    firing, resolved = _alerts("alertmanager", json.dumps(_ALERTMANAGER).encode())
    assert resolved is None
    assert firing is not None
    assert (firing.device, firing.text, firing.location, firing.source) == ("web1.example.org", "No space left on device /srv", "Hamburg", "alertmanager")
    assert firing.occurred_at == datetime(2026, 3, 2, 12, 0, 0, 123000, tzinfo=UTC)
    assert firing.fields["labels.severity"] == "critical"


def test_an_alert_that_is_sent_again_has_the_same_key_and_one_that_fires_again_another() -> None:
    def key(**changes: Any) -> str:
        body = {**_ALERTMANAGER, "alerts": [{**_ALERTMANAGER["alerts"][0], **changes}]}
        (found,) = _alerts("alertmanager", json.dumps(body).encode())
        assert found is not None
        return found.key

    assert key() == key(endsAt="2026-03-02T13:00:00Z")
    assert key() != key(startsAt="2026-03-03T12:00:00Z")
    assert key() != key(fingerprint="other")


def test_an_ipv6_instance_is_the_address_without_brackets_and_port() -> None:
    event = {**_ALERTMANAGER["alerts"][1], "status": "firing"}
    found = mapping.alert_of("alertmanager", event)
    assert found is not None and found.device == "2001:db8::1"


def test_a_mail() -> None:
    (found,) = _alerts("mail", _MAIL)
    assert found is not None
    assert (found.device, found.location, found.source) == ("db1", "München", "mail")
    assert "No space left on device" in found.text
    assert found.occurred_at == datetime(2026, 3, 2, 12, tzinfo=UTC)
    assert found.fields["from"] == "mon@example.org"
    assert found.key == _alerts("mail", _MAIL)[0].key  # type: ignore[union-attr]  # there is one


@pytest.mark.parametrize(
    "header",
    [
        b"Message-ID: <",
        b"From: a.=0A:?=b@[",
        b"To: group:a\xff@",
        b"Reply-To: =?utf-8?q?=0A?=",
        b"Date: Mon, 1 Jan 99999999999999 10:00:00 +0000",
    ],
)
def test_a_mail_with_a_header_that_is_none(header: bytes) -> None:
    name = header.partition(b":")[0]
    rest = b"\r\n".join(line for line in _MAIL.split(b"\r\n") if not line.startswith(name + b":"))
    (found,) = _read("mail", header + b"\r\n" + rest).alerts
    assert (found.device, found.location) == ("db1", "München")


def test_what_is_nested_too_deeply_is_told() -> None:
    """Python 3.13 and later read JSON that is nested deeper than their functions may call each other."""
    event: dict[str, Any] = {"x": 1}
    for _ in range(5000):
        event = {"x": event}
    reading = mapping.Reading()
    for one in ({"device": "a", **event}, {"device": "b"}):
        reading.take("json", one, {})
    assert [alert.device for alert in reading.alerts] == ["b"]
    assert "recursion" in reading.unreadable[0]


def test_lines_of_json_by_a_users_mapping() -> None:
    content = (
        b'{"node": {"name": "sw1"}, "what": ["", "link down"], "when": "2026-03-02T12:00:00+01:00", "sev": 1, "rc": -9}\n\n'
        b'{"node": {"name": "sw2"}, "what": ["x"], "ok": true}\n'
    )
    user = {
        "device": "node.name",
        "text": ["what.0", "what.1"],
        "occurred_at": "when",
        "location": "'Hamburg'",
        "failure_type": {"from": "what.1", "match": r"^link (\w+)"},
        "skip_if": "ok",
    }
    first, second = _alerts("json", content, user)
    assert second is None
    assert first is not None
    assert (first.device, first.text, first.location, first.failure_type, first.return_code) == ("sw1", "link down", "Hamburg", "down", -9)
    assert first.occurred_at == datetime(2026, 3, 2, 11, tzinfo=UTC)


@pytest.mark.parametrize(
    ("form", "content", "user", "words"),
    [
        ("json", b"{broken", {}, "line 1: is not JSON"),
        ("json", b"\n[1]\n", {}, "line 2: must be a JSON object"),
        ("json", b'{"text": "x"}', {}, "the event has no device where the mapping looks"),
        ("json", b'{"device": "a", "time": "yesterday"}', {}, "'yesterday' is no time"),
        ("json", b'{"device": "a", "time": "2026-03-02T12:00:00"}', {}, "has no offset"),
        ("json", b'{"device": "a"}', {"devise": "a"}, "mapping: unknown key 'devise'"),
        ("json", b'{"device": "a"}', {"device": {"from": "a", "match": "("}}, "mapping: device: match is no regular expression"),
        ("json", b'{"device": "a"}', {"device": 5}, "mapping: device: must be a path"),
        ("alertmanager", b"{}", {}, "has no list 'alerts'"),
        ("mail", b"", {}, "this is no mail"),
        ("mail", b"Content-Type: ;x*\r\nSubject: host: db1\r\n\r\nText.\r\n", {}, "this mail cannot be read"),
    ],
)
def test_what_is_no_alert_is_told_and_does_not_keep_others_from_being_read(form: str, content: bytes, user: dict[str, Any], words: str) -> None:
    if words.startswith("mapping"):
        with pytest.raises(AlertError, match=words):
            _read(form, content, user)
        return
    if form == "json":
        content = b'{"device": "a"}\n'.join((b"", b"\n" + content + b"\n", b""))
        words = words.replace("line 1", "line 3").replace("line 2", "line 4")
    reading = _read(form, content, user, "the/file")
    (told,) = reading.unreadable
    assert words in told and told.startswith("the/file")
    assert [alert.device for alert in reading.alerts] == ["a", "a"] * (form == "json")


def test_a_line_of_a_file_is_one_report_however_often_it_is_read() -> None:
    content = b'{"device": "a", "text": "x"}\n{"device": "a", "text": "x"}\n'
    first, second = _read("json", content, source="f").alerts
    assert first.key != second.key
    assert [alert.key for alert in _read("json", content + content, source="f").alerts[:2]] == [first.key, second.key]
    assert _read("json", content, source="other").alerts[0].key != first.key
    mail = _MAIL.replace(b"Message-ID: <77@mon>\r\n", b"").replace(b"Date:", b"X-Date:")
    (new,), (seen,) = (_read("mail", mail, source=place).alerts for place in ("new/1", "cur/1:2,S"))
    assert new.key == seen.key


def test_our_own_tickets_are_no_alerts() -> None:
    reading = _read("mail", b"X-Fleetcast-Ticket: FC-1\r\n" + _MAIL)
    assert (reading.alerts, reading.skipped) == ([], 1)


@pytest.mark.parametrize("text", ["1772452800", "1772452800.0", "1772452800000", "2026-03-02T12:00:00Z", "2026-03-02T12:00:00.123456789Z"])
def test_times(text: str) -> None:
    assert mapping.time_of(text).replace(microsecond=0) == datetime(2026, 3, 2, 12, tzinfo=UTC)
