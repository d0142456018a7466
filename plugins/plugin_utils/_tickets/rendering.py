# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tickets for a terminal."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from .._status.text import fitted
from .alert import one_line
from .states import EXACT

#: Own failures that are shown with the list.
_PROBLEMS = 5


_COLUMNS = (("TICKET", 8), ("STATE", 9), ("DEVICE", 22), ("FAILURE", 27), ("LOCATION", 18), ("CENTRE", 12), ("ALERTS", 7), ("LAST", 17))


def table(tickets: Sequence[Mapping[str, Any]], unsent: int, problems: Sequence[str], dead: Sequence[str] = ()) -> str:
    """A line per ticket, then what else needs attention.

    :param dead: lines about mails that did not reach their centre.
    """
    lines = [_row(name for name, _width in _COLUMNS) + " MAILS", *map(_line, tickets)] if tickets else ["No tickets."]
    if unsent:
        lines.append(f"{unsent} mail(s) wait to be sent: ansible-playbook fleetcast.core.tickets")
    lines += dead
    if problems:
        lines.append("Failures of the callback itself, the newest last:")
        lines += [f"  {one_line(problem, 400)}" for problem in problems[-_PROBLEMS:]]
    return "\n".join(lines)


def _row(values: Iterable[str]) -> str:
    return " ".join(fitted(value, width) for value, (_name, width) in zip(values, _COLUMNS, strict=True)).rstrip()


def _line(ticket: Mapping[str, Any]) -> str:
    facts = ticket["ticket"]
    place = ticket["location"]["name"] or ticket["location"]["reported"] or "-"
    last = datetime.fromisoformat(facts["last_alert_at"]).strftime("%Y-%m-%d %H:%MZ")
    mails = Tally(mail["status"] for mail in ticket["mails"])
    values = (facts["label"], facts["status"], ticket["subject_device"], facts["failure_type"], place, ticket["centre"]["name"], str(facts["count"]), last)
    return f"{_row(values)} {', '.join(f'{count} {status}' for status, count in mails.items())}"


def details(ticket: Mapping[str, Any]) -> str:
    """Everything about one ticket."""
    facts, place, centre = ticket["ticket"], ticket["location"], ticket["centre"]
    lines = [
        f"{facts['label']}: {facts['failure_type']} on {ticket['subject_device']}, {facts['status']}",
        f"  opened {facts['opened_at']}, {facts['count']} alert(s) (limit: {facts['threshold']}), the last {facts['last_alert_at']}",
        f"  location: {_place(place)}",
        f"  centre: {centre['name']} ({centre['reason']})",
    ]
    if facts["closed_at"]:
        lines.append(f"  resolved {facts['closed_at']} by {facts['closed_by']}: {facts['resolution']}")
    if facts["previous"]:
        lines.append(f"  before: {facts['previous']['label']}, resolved {facts['previous']['closed_at']}")
    if ticket["related"]:
        lines.append(f"  see also: {', '.join(ticket['related'])}")
    if ticket["plan"]:
        lines.append(f"  plan {ticket['plan']['digest']}: {ticket['plan']['command']}")
    lines.append("  devices: " + ", ".join(f"{device['name']} ({device['count']}x)" for device in ticket["devices"]))
    for mail in ticket["mails"]:
        lines.append(f"  mail {mail['seq']} ({mail['kind']}): {mail['status']} after {mail['attempts']} attempt(s){_next(mail)}, {mail['message_id']}")
        lines += [f"    {one['address']}: {one['status']} {one['code'] or ''} {one['reply'] or ''}".rstrip() for one in mail["recipients"]]
    for alert in ticket["alerts"]:
        lines.append(f"  {alert['occurred_at']} {alert['device']}:")
        lines += [f"    | {line}" for line in alert["text"].split("\n")]
    return "\n".join(lines)


def _place(place: Mapping[str, Any]) -> str:
    if not place["reported"]:
        return "not reported"
    if place["match"] == EXACT:
        return str(place["name"])
    return f"{place['name'] or 'unknown'} (reported as '{place['reported']}', {place['match']}, {place['score']:g} of 100)"


def _next(mail: Mapping[str, Any]) -> str:
    return f", the next not before {mail['next_at']}" if mail["next_at"] else ""
