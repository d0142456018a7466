# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts in groups by their rows in the status table, as an inventory has groups."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import queries, schema, states
from .libraries import AVAILABLE

if AVAILABLE:
    import sqlalchemy as sa

#: What an inventory may call a group (Ansible warns of other characters).
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_]")


@dataclass
class Grouped:
    """`groups`: name -> hosts. `rows`: host -> name of a distribution -> the host's row in the newest one of that name."""

    groups: dict[str, set[str]] = field(default_factory=dict)
    rows: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)


def newest_rows(connection: sa.Connection) -> list[dict[str, Any]]:
    """Of every host, for each name of a distribution, its row in the newest one of that name; `last` where that is the newest of all."""
    distribution, device, target, attempt = schema.distribution, schema.device, schema.target, schema.attempt
    newest = connection.execute(sa.select(sa.func.max(distribution.c.seq))).scalar()
    rows = connection.execute(
        sa.select(
            device.c.name.label("host"),
            distribution.c.name,
            distribution.c.id.label("distribution"),
            target.c.status,
            attempt.c.attempt_no.label("attempt"),
            attempt.c.code,
            attempt.c.detail,
            (distribution.c.seq == newest).label("last"),
        )
        .select_from(
            target.join(device, device.c.id == target.c.device_id)
            .join(distribution, distribution.c.id == target.c.distribution_id)
            .join(attempt, attempt.c.id == target.c.current_attempt_id)
        )
        .where(~queries.newer_exists())
        .order_by(distribution.c.seq, device.c.name)
    )
    return [dict(row) for row in rows.mappings()]


def grouped(rows: Iterable[Mapping[str, Any]], prefix: str) -> Grouped:
    """The groups `PREFIX_STATE`, `PREFIX_completed` and `PREFIX_not_completed` of the newest distribution, which are always there; the same,
    where they have hosts, as `PREFIX_of_NAME_...` for every name; and `PREFIX_catch_up`, for whom a catch-up would do something.
    """
    found = Grouped({_group(prefix, ending): set() for ending in (*states.ATTEMPT_STATES, "completed", "not_completed", "catch_up")})
    for row in rows:
        host, state = row["host"], row["status"]
        found.rows.setdefault(host, {})[row["name"]] = {key: value for key, value in row.items() if key not in ("host", "name", "last")}
        endings = [state]
        if state in states.COMPLETED:
            endings.append("completed")
        elif state in states.NOT_COMPLETED:
            endings.append("not_completed")
            found.groups[_group(prefix, "catch_up")].add(host)
        for ending in endings:
            found.groups.setdefault(_group(prefix, "of", row["name"], ending), set()).add(host)
            if row["last"]:
                found.groups[_group(prefix, ending)].add(host)
    return found


def _group(*words: str) -> str:
    return _NOT_IN_A_NAME.sub("_", "_".join(word for word in words if word))
