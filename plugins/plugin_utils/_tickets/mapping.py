# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alerts from outside: from lines of JSON, Alertmanager's webhook and mails to :class:`~.alert.Alert`, by a mapping that the user writes.

A mapping says, for each value of an alert, where it comes from: `device: labels.instance`. A path has keys and list positions joined
by dots. A text in quotes (`"'db1'"`) is meant as it is. Several paths as a list: the first that leads to something counts. A regular
expression cuts a part out: `{from: subject, match: 'host (\\S+)'}`, its first group if it has one.
"""

from __future__ import annotations

import email
import email.policy
import email.utils
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.headerregistry import HeaderRegistry
from email.message import EmailMessage
from typing import Any

from . import alert as alerts
from .alert import Alert
from .errors import AlertError
from .states import TICKET_HEADER

#: What an event can be read as.
FORMATS = ("json", "alertmanager", "mail")

#: All headers are read as text, but for those that say how a body is to be read: on addresses, dates and Message-IDs that are none, Python stumbles.
_HEADERS = HeaderRegistry()
_HEADERS.registry = {name: kind for name, kind in _HEADERS.registry.items() if name.startswith("content-")}
_POLICY = email.policy.default.clone(header_factory=_HEADERS)

_TARGETS = ("device", "text", "key", "occurred_at", "location", "distribution", "server", "failure_type", "module", "return_code", "skip_if")
#: Alertmanager's labels and annotations (https://prometheus.io/docs/alerting/latest/configuration/#webhook_config) as they mostly are.
DEFAULT_MAPPINGS: Mapping[str, Mapping[str, Any]] = {
    "json": {
        "device": ["device", "host", "hostname"],
        "text": ["text", "message", "msg"],
        "key": ["key", "id"],
        "occurred_at": ["occurred_at", "timestamp", "time"],
        "location": ["location", "site"],
        "distribution": "distribution",
        "server": "server",
        "failure_type": "failure_type",
        "return_code": ["return_code", "rc"],
    },
    "alertmanager": {
        "device": [{"from": "labels.instance", "match": r"^\[?(.+?)\]?(?::\d+)?$"}, "labels.host", "labels.node"],
        "text": ["annotations.description", "annotations.summary", "annotations.message", "labels.alertname"],
        "key": "fingerprint",
        "occurred_at": "startsAt",
        "location": ["labels.location", "labels.site", "labels.datacenter"],
        "failure_type": "labels.failure_type",
    },
    "mail": {
        "device": [{"from": "subject", "match": r"(?:host|device|server)[:= ]+([\w.-]+)"}, {"from": "body", "match": r"^(?:host|device)[:= ]+([\w.-]+)"}],
        "text": ["body", "subject"],
        "key": "message_id",
        "occurred_at": "date",
        "location": {"from": "body", "match": r"^(?:location|site)[:= ]+(.+?)\s*$"},
    },
}


def checked_mapping(mapping: Mapping[str, Any]) -> Mapping[str, Any]:
    """The mapping, if it is one.

    :raises AlertError: naming the key that is wrong.
    """
    for target, source in mapping.items():
        if target not in _TARGETS:
            raise AlertError(f"mapping: unknown key '{target}'; known: {', '.join(_TARGETS)}")
        for one in source if isinstance(source, list) else [source]:
            _check_source(target, one)
    return mapping


def _check_source(target: str, source: Any) -> None:
    if isinstance(source, str):
        return
    if not isinstance(source, Mapping) or not set(source) <= {"from", "match"} or not isinstance(source.get("from"), str):
        raise AlertError(f"mapping: {target}: must be a path, a list of paths, or 'from' (a path) with 'match' (a regular expression)")
    try:
        re.compile(str(source.get("match", "")))
    except re.error as error:
        raise AlertError(f"mapping: {target}: match is no regular expression: {error}") from error


@dataclass
class Reading:
    """What there was in a report: alerts, how many events that are none, and why the others cannot be read, with the place of each."""

    alerts: list[Alert] = field(default_factory=list)
    skipped: int = 0
    unreadable: list[str] = field(default_factory=list)

    def read(self, form: str, content: bytes, user_mapping: Mapping[str, Any], source: str = "") -> None:
        """Read what came. One event that is not what it should be does not keep the others from being read.

        :param source: the file that it is from. A line that stands there is the same report whenever it is read, also without a key and a time.
        """
        for where, piece in _pieces(form, content):
            place = ", ".join(part for part in (source, where) if part)
            identity = f"{piece.hex()}" if form == "mail" else f"{place}:{piece.hex()}" if source else ""
            try:
                for number, event in enumerate(events_of(form, piece)):
                    self.take(form, event, user_mapping, place, f"{identity}:{number}" if identity else "")
            except AlertError as error:
                self.unreadable.append(f"{place}: {error}" if place else str(error))

    def take(self, form: str, event: Any, user_mapping: Mapping[str, Any], place: str = "", identity: str = "") -> None:
        """Take one event that has been read already."""
        try:
            if not isinstance(event, Mapping):
                raise AlertError(f"an event must be a JSON object and not {alerts.one_line(event, 100)}")
            alert = alert_of(form, event, user_mapping, identity)
        except (AlertError, RecursionError) as error:
            self.unreadable.append(f"{place}: {error}" if place else str(error))
            return
        if alert is None:
            self.skipped += 1
        else:
            self.alerts.append(alert)


def _pieces(form: str, content: bytes) -> list[tuple[str, bytes]]:
    """What can be read by itself, and where it stands: of lines of JSON each line."""
    if form != "json":
        return [("", content)]
    return [(f"line {number}", line) for number, line in enumerate(content.split(b"\n"), start=1) if line.strip()]


def events_of(form: str, piece: bytes) -> list[dict[str, Any]]:
    """The events in what came: a line of JSON, the alerts of an Alertmanager, a mail.

    :raises AlertError: when it is not of this format.
    """
    if form == "mail":
        return [_mail_event(piece)]
    body = _json(piece.decode("utf-8", "replace"))
    if form == "alertmanager":
        return _alertmanager_events(body)
    if not isinstance(body, dict):
        raise AlertError("must be a JSON object")
    return [body]


def alert_of(form: str, event: Mapping[str, Any], mapping: Mapping[str, Any] | None = None, identity: str = "") -> Alert | None:
    """The alert that an event is, or None when the mapping's `skip_if` finds something, Alertmanager says that it is resolved, or it is one of
    our own tickets.

    :param mapping: goes before the format's own, value by value.
    :param identity: its key where the event has neither a key nor a time.
    :raises AlertError: without a device, or with a time that is none.
    """
    whole = {**DEFAULT_MAPPINGS[form], **checked_mapping(mapping or {})}
    values = {target: _first(event, source) for target, source in whole.items()}
    if values.pop("skip_if", "") or (form == "alertmanager" and event.get("status") == "resolved"):
        return None
    if form == "mail" and TICKET_HEADER.lower() in event.get("headers", {}):
        # A ticket that comes back, to a centre that is watched for alerts, would make the next one.
        return None
    if not values["device"]:
        raise AlertError(f"the event has no device where the mapping looks ({whole['device']}): {json.dumps(event, default=str)[:300]}")
    code = values.pop("return_code", "")
    key = values.pop("key", "")
    at = values.pop("occurred_at", "")
    if form == "alertmanager" and key:
        # A fingerprint is that of the labels: the same alert firing again later has it too.
        key = f"{key}:{event.get('startsAt', '')}"
    return alerts.make(
        values.pop("device"),
        values.pop("text", ""),
        key=f"{form}:{key}" if key else "" if at else identity,
        occurred_at=time_of(at) if at else None,
        return_code=int(code) if re.fullmatch(r"-?\d{1,19}", code) else None,
        source=form,
        fields={name: value for name, value in _flat(event).items() if name not in ("body",)},
        **values,
    )


def _alertmanager_events(body: Any) -> list[dict[str, Any]]:
    if not isinstance(body, dict) or not isinstance(body.get("alerts"), list):
        raise AlertError("the webhook's body has no list 'alerts': this is not what Alertmanager sends (version 4)")
    return list(body["alerts"])


def _mail_event(content: bytes) -> dict[str, Any]:
    try:
        message = email.message_from_bytes(content, policy=_POLICY)
        event = _mail_fields(message)
    except Exception as error:  # whatever Python's parser stumbles over in a header that is none
        raise AlertError(f"this mail cannot be read: {type(error).__name__}: {error}") from error
    if not event["headers"]:
        raise AlertError("this is no mail: it has no headers")
    return event


def _mail_fields(message: Any) -> dict[str, Any]:
    return {
        "subject": alerts.one_line(message.get("Subject", ""), 500),
        "from": email.utils.parseaddr(str(message.get("From", "")))[1],
        "to": alerts.one_line(message.get("To", ""), 500),
        "date": _mail_date(message),
        "message_id": alerts.one_line(message.get("Message-ID", ""), 500),
        "body": _mail_text(message),
        "headers": {name.lower(): alerts.one_line(value, 500) for name, value in message.items()},
    }


def _mail_date(message: Any) -> str:
    try:
        at = email.utils.parsedate_to_datetime(str(message.get("Date", "")))
    except (ValueError, OverflowError):
        return ""
    return at.isoformat() if at.tzinfo else ""


def _mail_text(message: Any) -> str:
    part = message.get_body(("plain", "html")) if isinstance(message, EmailMessage) else None
    if part is None:
        return ""
    try:
        text = str(part.get_content())
    except (LookupError, ValueError):
        payload = part.get_payload(decode=True)
        text = payload.decode("latin-1") if isinstance(payload, bytes) else ""
    return re.sub(r"<[^>]*>", " ", text) if part.get_content_type() == "text/html" else text


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise AlertError(f"is not JSON: {error}") from error


def _first(event: Mapping[str, Any], source: Any) -> str:
    for one in source if isinstance(source, list) else [source]:
        value = _value(event, one)
        if value:
            return value
    return ""


def _value(event: Mapping[str, Any], source: Any) -> str:
    path = source["from"] if isinstance(source, Mapping) else str(source)
    if len(path) >= 2 and path[0] == path[-1] == "'":
        return str(path[1:-1])
    value = _at(event, path.split("."))
    if value is None or isinstance(value, (dict, list)):
        return ""
    text = str(value)
    if isinstance(source, Mapping) and source.get("match"):
        found = re.search(str(source["match"]), text, re.MULTILINE | re.IGNORECASE)
        return "" if found is None else (found.group(1) or "" if found.groups() else found.group(0))
    return text


def _at(value: Any, path: Iterable[str]) -> Any:
    for key in path:
        if isinstance(value, Mapping):
            value = value.get(key)
        elif isinstance(value, list) and key.isdigit() and int(key) < len(value):
            value = value[int(key)]
        else:
            return None
    return value


def _flat(event: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    found = {}
    for key, value in event.items():
        if isinstance(value, Mapping):
            found.update(_flat(value, f"{prefix}{key}."))
        elif isinstance(value, (str, int, float)):
            found[f"{prefix}{key}"] = str(value)
    return found


def time_of(text: str) -> datetime:
    """An ISO 8601 time with an offset, or seconds or milliseconds since 1970."""
    try:
        if re.fullmatch(r"\d{9,11}(\.\d+)?", text):
            return datetime.fromtimestamp(float(text), UTC)
        if re.fullmatch(r"\d{12,14}", text):
            return datetime.fromtimestamp(int(text) / 1000, UTC)
        at = datetime.fromisoformat(text)
    except ValueError:
        raise AlertError(f"'{text}' is no time: write ISO 8601 with an offset, as 2026-11-22T18:00:00Z") from None
    if at.tzinfo is None:
        raise AlertError(f"the time '{text}' has no offset: write it as {text}Z when it is UTC")
    return at
