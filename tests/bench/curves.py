# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Curves over the number of receivers as SVG, in the look of charts.py."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from ansible_collections.fleetcast.core.tests.bench.charts import WIDTH, scale

_LEFT, _RIGHT, _TOP, _PLOT, _BOTTOM = 64, 16, 92, 200, 46
_FAMILY = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
_INK, _PALE, _GRID = "#1f2328", "#59636e", "#d1d9e0"
_COLOURS = ("#0a5fd1", "#e07b00", "#2f9e6e", "#8a929b")

Curve = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Panel:
    """Curves by name over a logarithmic axis. ``base``: where the vertical axis begins. ``limit``: a line across, with its label."""

    title: str
    curves: Mapping[str, Curve]
    base: float = 0.0
    limit: tuple[float, str] | None = None


def svg(title: str, subtitle: str, panels: Sequence[Panel], command: str) -> str:
    """The panels below one another."""
    # A panel's title stands where the one above ends.
    room = _TOP + _PLOT + _BOTTOM - 50
    height = 90 + room * len(panels)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect width="100%" height="100%" fill="#ffffff"/><g font-family="{_FAMILY}" font-size="13" fill="{_INK}">',
        f'<text x="16" y="26" font-size="17" font-weight="bold">{escape(title)}</text>',
        f'<text x="16" y="46" fill="{_PALE}">{escape(subtitle)}</text>',
    ]
    for number, panel in enumerate(panels):
        parts.append(f'<g transform="translate(0 {20 + number * room})">')
        parts += _panel(panel)
        parts.append("</g>")
    mono = "ui-monospace, Menlo, Consolas, monospace"
    parts.append(f'<text x="16" y="{height - 10}" font-size="11" fill="{_PALE}" font-family="{mono}">$ {escape(command)}</text>')
    return "\n".join([*parts, "</g></svg>", ""])


def _panel(panel: Panel) -> list[str]:
    points = [point for curve in panel.curves.values() for point in curve]
    left, right = math.log10(min(x for x, _y in points)), math.log10(max(x for x, _y in points))
    most = max([y for _x, y in points] + ([panel.limit[0]] if panel.limit else []))
    top, step = scale(most - panel.base)

    def x_of(value: float) -> float:
        return _LEFT + (WIDTH - _LEFT - _RIGHT - 24) * (math.log10(value) - left) / max(right - left, 1e-9)

    def y_of(value: float) -> float:
        return _TOP + _PLOT * (1 - (value - panel.base) / top)

    parts = [f'<text x="16" y="62" font-weight="bold">{escape(panel.title)}</text>']
    for number in range(round(top / step) + 1):
        value = panel.base + number * step
        parts.append(f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y_of(value):.1f}" y2="{y_of(value):.1f}" stroke="{_GRID if number else _INK}"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y_of(value) + 4:.1f}" text-anchor="end" fill="{_PALE}">{value:g}</text>')
    for value in sorted({x for x, _y in points}):
        parts.append(f'<text x="{x_of(value):.1f}" y="{_TOP + _PLOT + 18}" text-anchor="middle" fill="{_PALE}">{value:,.0f}</text>')
    if panel.limit:
        y = y_of(panel.limit[0])
        parts.append(f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="{_INK}" stroke-dasharray="5 4"/>')
        parts.append(f'<text x="{_LEFT + 8}" y="{y - 5:.1f}" font-size="12">{escape(panel.limit[1])}</text>')
    x = 16.0
    for colour, (name, curve) in zip(_COLOURS, panel.curves.items(), strict=False):
        line = " ".join(f"{x_of(px):.1f},{y_of(py):.1f}" for px, py in curve)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x_of(px):.1f}" cy="{y_of(py):.1f}" r="3.5" fill="{colour}"/>' for px, py in curve]
        parts.append(f'<rect x="{x:.0f}" y="72" width="12" height="4" fill="{colour}"/><text x="{x + 18:.0f}" y="79">{escape(name)}</text>')
        x += 18 + 7.0 * len(name) + 24
    return parts
