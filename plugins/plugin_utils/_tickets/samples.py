# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tickets on which templates are tried before there is a real one: a small one in which little is known, and a large one with everything."""

from __future__ import annotations

from typing import Any

from .states import CLOSED, CORRECTED, NOT_REPORTED

_AT = "2026-03-02T12:00:00+00:00"


def sample_views(kind: str) -> list[dict[str, Any]]:
    """Tickets in the form of :func:`.views.ticket_view`."""
    return [_view(kind, ("web1",), full=False), _view(kind, ("web1", "web2"), full=True)]


def _view(kind: str, devices: tuple[str, ...], *, full: bool) -> dict[str, Any]:
    closed = kind == CLOSED
    return {
        "schema": "fleetcast.ticket/1",
        "mail": kind,
        "subject_device": devices[0] if len(devices) == 1 else f"{len(devices)} devices",
        "ticket": {
            "id": 2,
            "label": "FC-2",
            "status": "resolved" if closed else "open",
            "failure_type": "disk_full",
            "grouping": "place" if full else None,
            "count": len(devices),
            "threshold": 0,
            "new_alerts": 1,
            "opened_at": _AT,
            "first_alert_at": _AT,
            "last_alert_at": _AT,
            "closed_at": _AT if closed else None,
            "closed_by": "ann" if closed else None,
            "resolution": "repaired" if closed else None,
            "previous": {"label": "FC-1", "closed_at": _AT} if full else None,
        },
        "location": {
            "reported": "Hambrug" if full else "",
            "name": "Hamburg" if full else None,
            "match": CORRECTED if full else NOT_REPORTED,
            "score": 85.7 if full else 0.0,
        },
        "centre": {"name": "north", "reason": "serves the location" if full else "default: the location is not known", "language": "en"},
        "devices": [{"name": name, "failure_type": "disk_full", "count": 1, "first_at": _AT, "last_at": _AT, "new": full} for name in devices],
        "alerts": [_alert(name, full=full) for name in devices],
        "plan": {"digest": "0" * 64, "command": "ansible-playbook fleetcast.core.redistribute"} if full else None,
        "related": ["FC-1"] if full else [],
    }


def _alert(device: str, *, full: bool) -> dict[str, Any]:
    return {
        "device": device,
        "failure_type": "disk_full",
        "occurred_at": _AT,
        "source": "play" if full else "module",
        "module": "ansible.builtin.apt" if full else "",
        "return_code": 100 if full else None,
        "text": "No space left on device" if full else "",
        "reported_location": "Hambrug" if full else "",
        "distribution": "d1" if full else None,
        "server": "ds1" if full else None,
        "outage": None,
        "origin": {"play": "all", "task": "Install", "playbook": "site.yml"} if full else {},
        "event_key": "0" * 64,
    }
