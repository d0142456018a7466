# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The status table as text for a terminal: the summary first, then what needs attention, then (a small fleet) every host.

Plain characters, no colours: it reads the same in a terminal, a log file and a job's output. Nothing from a host gets through that could
move the cursor.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from . import states
from .text import display_width, fitted, one_line

#: Hosts that need attention and are listed one by one, in the full table and in the summary at the end of a play. More are summed up by reason.
ATTENTION_LINES = 20
COMPACT_LINES = 8
#: Lines for what was last heard of a host.
DETAIL_LINES = 3
#: Fleets up to this size are listed in full.
EVERY_HOST = 40
_NARROWEST = 60
_NEEDS_ATTENTION = tuple(state for state in states.TERMINAL if state in states.NOT_COMPLETED)
_BAR = 30


def table(distributions: Sequence[Mapping[str, Any]], width: int, filtered: bool = False, overview: bool = False) -> str:
    """The distributions (as :func:`.queries.status` gives them), in at most `width` columns: in full, or with a line for each (`overview`).

    Where the rows are `filtered`, all that are left are shown.
    """
    width = max(width, _NARROWEST)
    if not distributions:
        return "No distribution is recorded."
    if overview and not filtered:
        return _overview(distributions, width)
    return "\n\n".join(_in_full(distribution, width, filtered) for distribution in distributions)


def compact(distribution: Mapping[str, Any], width: int) -> str:
    """The distribution in a few lines, for the end of a play."""
    width = max(width, _NARROWEST)
    counts = ", ".join(f"{count} {_words(state)}" for state, count in distribution["counts"].items())
    done = f"{distribution['completed']} of {_hosts(distribution['total_hosts'])} completed"
    heading = f"{one_line(distribution['name'])} ({distribution['distribution'][:8]}): {done}"
    return "\n".join([_cut(heading, width), _cut(f"  {counts}", width), *_attention(distribution["hosts"], width, COMPACT_LINES)])


def _in_full(distribution: Mapping[str, Any], width: int, filtered: bool) -> str:
    rows: Sequence[Mapping[str, Any]] = distribution["hosts"]
    lines = [_cut(line, width) for line in _heading(distribution)]
    lines += ["", *(_cut(line, width) for line in _summary(distribution))]
    if filtered:
        heading = f"Hosts asked for ({len(rows)})"
        return "\n".join([*lines, "", heading, *(_rows(rows, width) if rows else ["  none"])])
    attention = _attention(rows, width, ATTENTION_LINES)
    if attention:
        lines += ["", f"Needs attention ({sum(1 for row in rows if row['status'] in _NEEDS_ATTENTION)})", *attention]
    if rows and len(rows) <= EVERY_HOST:
        lines += ["", f"Every host ({len(rows)})", *_rows(rows, width)]
    return "\n".join(lines)


def _heading(distribution: Mapping[str, Any]) -> list[str]:
    ended = f", finished {_moment(distribution['finished_at'])}" if distribution["finished_at"] else ""
    parent = distribution.get("parent")
    servers = f"{parent['completed']} of {parent['total_hosts']} have it (distribution {parent['distribution'][:8]})" if parent else ""
    return [
        f"Distribution {distribution['distribution'][:8]}  {one_line(distribution['name'])}  ({one_line(distribution['kind'])}, {distribution['status']})",
        f"  begun {_moment(distribution['created_at'])} by {one_line(distribution['created_by'])}{ended}",
        f"  digest {one_line(distribution['digest'])}",
        *([f"  through distribution servers: {servers}"] if servers else []),
        f"  received, added up over hosts: {_received(distribution) or 'nothing'}",
    ]


def _summary(distribution: Mapping[str, Any]) -> list[str]:
    total = distribution["total_hosts"]
    lines = []
    for state, count in distribution["counts"].items():
        # A bar is never empty for a state that somebody is in: one failed host of 2,000 has to be seen.
        gauge = "#" * max(1, round(_BAR * count / total))
        lines.append(f"  {_words(state):<18}{count:>7}  {100 * count / total:5.1f} %  {gauge}")
    lines.append(f"  {'completed':<18}{distribution['completed']:>7}  of {_hosts(total)}")
    return lines


def _attention(rows: Sequence[Mapping[str, Any]], width: int, most: int) -> list[str]:
    """For each host that ended without success how, and what was last heard of it; where they are more than `most`, for each reason."""
    bad = sorted((row for row in rows if row["status"] in _NEEDS_ATTENTION), key=lambda row: (states.TERMINAL.index(row["status"]), row["host"]))
    if len(bad) > most:
        return _reasons(bad, width, most)
    lines = []
    for line, row in zip(_rows(bad, width), bad, strict=True):
        lines += [line, *_last_words(row, width, 6, DETAIL_LINES)]
    return lines


def _reasons(bad: Sequence[Mapping[str, Any]], width: int, most: int) -> list[str]:
    """For each reason how many hosts there are, some of their names, and what was last heard of the first of them; the most frequent first."""
    by_reason: dict[str, list[Mapping[str, Any]]] = {}
    for row in bad:
        code = one_line(row["code"] or "")
        by_reason.setdefault(_words(row["status"]) + (f", {code}" if code and code != row["status"] else ""), []).append(row)
    ordered = sorted(by_reason.items(), key=lambda item: -len(item[1]))
    lines = []
    for reason, rows in ordered[:most]:
        lines.append(_cut(_some_names(f"  {len(rows):>5}  {reason}: ", [one_line(row["host"]) for row in rows], width), width))
        lines += _last_words(rows[0], width, 11, DETAIL_LINES if most >= ATTENTION_LINES else 1)
    lines.append(_cut("  (the playbook `status` lists those of a state with -e status=failed)", width))
    return lines


def _some_names(begin: str, names: Sequence[str], width: int) -> str:
    """`begin` and as many of the names as fit into the width, but one at least; the rest as a number."""
    line = begin + names[0]
    for shown, name in enumerate(names[1:], 1):
        longer = f"{line}, {name}"
        rest = len(names) - shown - 1
        if display_width(longer) + (len(f" and {rest} more") if rest else 0) > width:
            return f"{line} and {len(names) - shown} more"
        line = longer
    return line


def _last_words(row: Mapping[str, Any], width: int, columns: int, most: int) -> list[str]:
    """What was last heard of a host, indented by `columns`, in at most so many lines."""
    indent = " " * columns
    said = textwrap.wrap(one_line(row["detail"] or ""), width, initial_indent=indent, subsequent_indent=indent, max_lines=most, placeholder=" …")
    return [_cut(line, width) for line in said]


def _rows(rows: Sequence[Mapping[str, Any]], width: int) -> list[str]:
    """A line per host, and as many columns for its name as the longest needs, up to a third of the width."""
    if not rows:
        return []
    names = [one_line(row["host"]) for row in rows]
    name_columns = min(max(display_width(name) for name in names), width // 3)
    state_columns = max(len(_words(row["status"])) for row in rows)
    return [
        _cut(f"  {fitted(name, name_columns)}  {_words(row['status']):<{state_columns}}  {_explanation(row)}".rstrip(), width)
        for name, row in zip(names, rows, strict=True)
    ]


def _explanation(row: Mapping[str, Any]) -> str:
    """What else is known of the host, in a few words."""
    ended_badly = row["status"] in _NEEDS_ATTENTION
    parts = [
        f"while {row['phase']}" if ended_badly and row["phase"] in states.ACTIVE[1:] else "",
        one_line(row["code"]) if row["code"] and row["code"] != row["status"] else "",
        f"version {one_line(row['version'])}" if row["version"] else "",
        _received(row),
        f"attempt {row['attempt']}" if row["attempt"] > 1 else "",
    ]
    return ", ".join(part for part in parts if part)


def _overview(distributions: Sequence[Mapping[str, Any]], width: int) -> str:
    longest = max(display_width(text) for text in ("NAME", *(one_line(distribution["name"]) for distribution in distributions)))
    name_columns = min(longest, max(16, width - 62))
    lines = [f"{'ID':<8}  {'BEGUN (UTC)':<16}  {fitted('NAME', name_columns)}  {'STATUS':<8}  {'HOSTS':>6}  {'DONE':>6}  {'TO DO':>6}"]
    for distribution in distributions:
        lines.append(
            f"{distribution['distribution'][:8]}  {_moment(distribution['created_at'])[:16]}  {fitted(one_line(distribution['name']), name_columns)}  "
            f"{distribution['status']:<8}  {distribution['total_hosts']:>6}  {distribution['completed']:>6}  {distribution['not_completed']:>6}"
        )
    return "\n".join(_cut(line, width) for line in lines)


def _words(state: str) -> str:
    return state.replace("_", " ")


def _hosts(count: int) -> str:
    return "1 host" if count == 1 else f"{count} hosts"


def _moment(iso: str) -> str:
    return f"{iso[:10]} {iso[11:16]} UTC"


def _received(counted: Mapping[str, Any]) -> str:
    """How many bytes came which way; empty where none did."""
    ways = (("multicast", counted["bytes_multicast"]), ("unicast", counted["bytes_unicast"]))
    return " + ".join(f"{_bytes(count)} {way}" for way, count in ways if count)


def _bytes(count: int) -> str:
    for unit, size in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} B"


def _cut(line: str, width: int) -> str:
    return line if display_width(line) <= width else fitted(line, width)
