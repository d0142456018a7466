# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table as text: complete, within the width, and safe to print."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from ansible_collections.fleetcast.core.plugins.plugin_utils._status import rendering
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.push


def _row(host: str, status: str = "succeeded", **values: Any) -> dict[str, Any]:
    row = {"host": host, "status": status, "phase": "transferring", "attempt": 1, "code": None, "detail": None, "version": None}
    return {**row, "bytes_multicast": 0, "bytes_unicast": 0, "started_at": None, "changed_at": None, "finished_at": None, **values}


def _distribution(rows: list[dict[str, Any]], **values: Any) -> dict[str, Any]:
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["status"]] = counts.get(row["status"], 0) + 1
    return {
        "distribution": "3f2a9c1e-0000-4000-8000-000000000000",
        "name": "hello",
        "kind": "deb",
        "digest": "d" * 64,
        "status": "finished",
        "total_hosts": len(rows),
        "created_by": "root@controller",
        "created_at": "2026-11-22T19:25:00Z",
        "finished_at": "2026-11-22T19:27:00Z",
        "counts": counts,
        "completed": counts.get("succeeded", 0),
        "not_completed": len(rows) - counts.get("succeeded", 0),
        "bytes_multicast": 0,
        "bytes_unicast": 0,
        "hosts": rows,
        **values,
    }


def _columns(line: str) -> int:
    return sum(0 if unicodedata.combining(one) else 2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in line)


def test_servers_in_between_are_named_in_the_heading() -> None:
    parent = {"distribution": "1a2b3c4d-0000-4000-8000-000000000000", "total_hosts": 3, "completed": 2}
    lines = rendering.table([_distribution([_row("web1")], parent=parent)], 80).splitlines()
    assert "  through distribution servers: 2 of 3 have it (distribution 1a2b3c4d)" in lines
    assert not any("servers" in line for line in rendering.table([_distribution([_row("web1")], parent=None)], 80).splitlines())


def test_a_small_fleet_is_shown_whole() -> None:
    rows = [_row(f"web{number}", version="1.2", bytes_multicast=52_000_000) for number in range(6)]
    rows.append(_row("web6", "unreachable", code="unreachable", detail="No route to host"))
    rows.append(_row("web7", "failed", code="disk_full", detail="No space left", attempt=2))
    lines = rendering.table([_distribution(rows)], 80).splitlines()
    assert lines[0] == "Distribution 3f2a9c1e  hello  (deb, finished)"
    assert "  succeeded               6   75.0 %  ######################" in lines
    assert lines.index("Needs attention (2)") < lines.index("Every host (8)")
    assert "  web7  failed       while transferring, disk_full, attempt 2" in lines and "      No space left" in lines
    assert "  web0  succeeded    version 1.2, 52.0 MB multicast" in lines


def test_a_large_fleet_is_summed_up() -> None:
    rows = [_row(f"web{number:04d}") for number in range(1900)]
    rows += [_row(f"web{number:04d}", "failed", code="disk_full", detail="x") for number in range(1900, 1990)]
    rows += [_row(f"web{number:04d}", "unknown", code="run_died") for number in range(1990, 2000)]
    text = rendering.table([_distribution(rows)], 80)
    assert "  succeeded            1900   95.0 %" in text
    assert "     90  failed, disk_full: web1900, web1901, web1902, web1903 and 86 more\n           x\n" in text
    assert "     10  unknown, run_died: web1990, web1991, web1992, web1993 and 6 more\n" in text
    assert "web1904" not in text
    assert "Every host" not in text
    assert len(text.splitlines()) < 60


def test_a_few_hosts_with_a_reason_of_their_own_are_seen_among_many() -> None:
    rows = [_row(f"web{number:04d}", "unreachable", code="unreachable", detail="No route to host") for number in range(300)]
    rows += [_row("db1", "failed", code="disk", detail="no room for /srv/a"), _row("db2", "failed", code="disk", detail="no room for /srv/b")]
    for text in (rendering.table([_distribution(rows)], 80), rendering.compact(_distribution(rows), 80)):
        assert "      2  failed, disk: db1, db2\n           no room for /srv/a\n" in text
        assert text.index("300  unreachable: web0000") < text.index("2  failed, disk")


def test_one_failed_host_of_thousands_has_a_bar() -> None:
    rows = [_row(f"web{number}") for number in range(3000)] + [_row("last", "failed")]
    assert "  failed                  1    0.0 %  #" in rendering.table([_distribution(rows)], 80).splitlines()


def test_several_distributions_have_a_line_each() -> None:
    lines = rendering.table([_distribution([_row("a")]), _distribution([_row("a", "failed"), _row("b")], name="other")], 80, overview=True).splitlines()
    assert len(lines) == 3
    assert lines[0].split() == ["ID", "BEGUN", "(UTC)", "NAME", "STATUS", "HOSTS", "DONE", "TO", "DO"]
    assert lines[2].split() == ["3f2a9c1e", "2026-11-22", "19:25", "other", "finished", "2", "1", "1"]


def test_nothing_recorded() -> None:
    assert rendering.table([], 80) == "No distribution is recorded."


def test_text_from_a_host_cannot_steer_the_terminal() -> None:
    row = _row("web\x1b[2J", "failed", code="\x9b31m", detail="\x1b]0;title\x07first\r\nsecond\u202etxt.exe")
    text = rendering.table([_distribution([row])], 80)
    assert not [character for character in text if unicodedata.category(character) in ("Cc", "Cf") and character != "\n"]
    assert "first second" in text


@settings(max_examples=150, deadline=None)
@given(
    width=st.integers(60, 200),
    names=st.lists(st.text(min_size=1, max_size=90), min_size=1, max_size=45, unique=True),
    detail=st.text(max_size=300),
)
def test_no_line_is_wider_than_the_terminal(width: int, names: list[str], detail: str) -> None:
    rows = [_row(name, "failed" if number % 2 else "succeeded", code="x", detail=detail, bytes_multicast=10**12) for number, name in enumerate(names)]
    distribution = _distribution(rows, name=detail or "-", kind=names[0], created_by=names[-1])
    for text in (rendering.table([distribution], width), rendering.table([distribution], width, overview=True), rendering.compact(distribution, width)):
        assert max(_columns(line) for line in text.split("\n")) <= width
