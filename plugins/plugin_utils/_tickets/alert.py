# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One failure as reported, by a play or from outside, before any rule has looked at it."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import MAXYEAR, UTC, datetime
from typing import Any

from .errors import AlertError

#: Characters of an alert's text that are kept: the beginning says what, the end says why.
_TEXT_HEAD = 3000
_TEXT_TAIL = 3000
#: Characters of a name (device, location, distribution, ...).
_NAME_LIMIT = 255
#: Result fields and other values beside the text.
_FIELD_LIMIT = 500
#: The databases' largest whole number and one more.
_CODE_LIMIT = 2**63
#: A time from before is none: of a device without a clock, or no time at all as Go writes it (0001-01-01T00:00:00Z).
_FIRST_YEAR = 1900


@dataclass(frozen=True)
class Alert:
    """One failure as reported.

    :param device: the name that the inventory, or the reporter, has for the device.
    :param key: the same for a replay of the same report, different for everything else.
    :param text: what the failing program said. Never what `no_log` hides.
    :param occurred_at: an aware time.
    :param source: `play`, `module` or the kind of event it came from (`json`, `alertmanager`, `mail`).
    :param fields: further fields of the result or event, as text, for the patterns of the failure types.
    :param groups: groups of the inventory that the device is in.
    :param server: the distribution server that serves the device, if there is one.
    :param distribution: identifier of the distribution that failed, if it was one.
    :param failure_type: what the reporter says it is; the patterns decide when it says nothing.
    :param origin: where in the play or event it came from: play, task, role, playbook, controller.
    """

    device: str
    key: str
    text: str
    occurred_at: datetime
    source: str = "play"
    kind: str = "failed"
    module: str = ""
    return_code: int | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    groups: tuple[str, ...] = ()
    location: str = ""
    server: str = ""
    distribution: str = ""
    failure_type: str = ""
    origin: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """One line of JSON."""
        data = asdict(self)
        data["occurred_at"] = self.occurred_at.isoformat()
        return json.dumps(data, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Alert:
        """The alert that :meth:`to_json` wrote.

        :raises AlertError: when the data is not what :meth:`to_json` writes.
        """
        try:
            values = dict(data)
            values["occurred_at"] = datetime.fromisoformat(values["occurred_at"])
            values["groups"] = tuple(values.get("groups", ()))
            return cls(**values)
        except (KeyError, TypeError, ValueError) as error:
            raise AlertError(f"a kept alert cannot be read: {error}") from error


def make(device: object, text: object, *, key: object = "", occurred_at: datetime | None = None, **others: Any) -> Alert:
    """An alert from values that may come from anywhere: cleaned, cut to size, with a time and a key.

    Without a `key` the alert's own content is its key, with the minute of its time.

    :raises AlertError: without a device, or with a time that cannot be right.
    """
    name = one_line(device, _NAME_LIMIT)
    if not name:
        raise AlertError("an alert needs the name of a device")
    at = occurred_at or datetime.now(UTC)
    if at.tzinfo is None:
        raise AlertError(f"the time {at.isoformat()} of the alert on '{name}' has no time zone")
    if not _FIRST_YEAR <= at.year < MAXYEAR:
        raise AlertError(f"the time {at.isoformat()} of the alert on '{name}' cannot be right")
    at = at.astimezone(UTC)
    code = others.get("return_code")
    # A module may return true, and a reporter anything: what the database does not take would keep all the other alerts out, too.
    others["return_code"] = int(code) if isinstance(code, int) and -_CODE_LIMIT <= code < _CODE_LIMIT else None
    for word in ("location", "server", "distribution", "failure_type", "source", "kind", "module"):
        if word in others:
            others[word] = one_line(others[word], _NAME_LIMIT)
    for word in ("fields", "origin"):
        others[word] = {one_line(name, _NAME_LIMIT): clean_text(value)[:_FIELD_LIMIT] for name, value in dict(others.get(word) or {}).items()}
    others["groups"] = tuple(one_line(group, _NAME_LIMIT) for group in others.get("groups") or ())
    alert = Alert(device=name, key="", text=clean_text(shortened(str(text))), occurred_at=at, **others)
    if key:
        return replace(alert, key=digest(str(key)))
    return replace(alert, key=digest(alert.source, name, alert.text, alert.location, alert.distribution, at.strftime("%Y-%m-%dT%H:%M")))


def digest(*parts: str) -> str:
    """A key of 64 characters for these parts in this order."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def one_line(value: object, limit: int) -> str:
    """Text from outside as one line of at most `limit` characters, without control characters: safe in a header, a path, a terminal."""
    if value is None:
        return ""
    text = str(value)
    if not text.isprintable():
        text = "".join(" " if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") else character for character in text)
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def clean_text(value: object) -> str:
    """Text from outside with its lines, but without other control characters (which could move a terminal's cursor)."""
    if value is None:
        return ""
    lines = str(value).replace("\r\n", "\n").replace("\r", "\n").expandtabs(4).split("\n")
    return "\n".join(_printable(line).rstrip() for line in lines).strip("\n")


def _printable(line: str) -> str:
    if line.isprintable():
        return line
    return "".join(character for character in line if unicodedata.category(character) not in ("Cc", "Cf", "Cs"))


def shortened(text: str) -> str:
    """The text without its middle, when it is too long to keep."""
    if len(text) <= _TEXT_HEAD + _TEXT_TAIL:
        return text
    left_out = len(text) - _TEXT_HEAD - _TEXT_TAIL
    return f"{text[:_TEXT_HEAD]}\n[... {left_out} characters left out ...]\n{text[-_TEXT_TAIL:]}"
