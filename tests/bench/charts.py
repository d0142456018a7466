# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bar charts as SVG, with axis, unit, legend, and the command that made them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

WIDTH = 860
_LEFT, _RIGHT, _TOP, _BOTTOM, _PLOT = 64, 16, 92, 74, 300
_FAMILY = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
_INK, _PALE, _GRID = "#1f2328", "#59636e", "#d1d9e0"
#: By tool, the same in every picture; they differ in lightness too.
COLOURS = {
    "engine": "#0a5fd1", "push": "#0a5fd1", "udpcast": "#e07b00", "uftp": "#2f9e6e", "rsync": "#a35bd6", "copy": "#c0392b", "iperf3": "#8a929b",
}  # fmt: skip


@dataclass(frozen=True)
class Chart:
    """Groups of bars: `values[group][series]`, or a word (why there is no value), or nothing.

    :param better: which way is better, for the axis; :param limit: a line across, with its label.
    """

    title: str
    subtitle: str
    unit: str
    better: str
    values: Mapping[str, Mapping[str, float | str]]
    command: str
    names: Mapping[str, str] = field(default_factory=dict)
    limit: tuple[float, str] | None = None

    @property
    def series(self) -> list[str]:
        return list(dict.fromkeys(name for bars in self.values.values() for name in bars))


def svg(chart: Chart) -> str:
    """The chart as a document. :raises ValueError: there is nothing to draw."""
    numbers = [value for bars in chart.values.values() for value in bars.values() if isinstance(value, (int, float))]
    if not numbers:
        raise ValueError(f"no value for the picture {chart.title!r}")
    top, step = scale(max([*numbers, *([chart.limit[0]] if chart.limit else [])]))
    height = _TOP + _PLOT + _BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(chart.title)}</title>",
        f'<rect width="100%" height="100%" fill="#ffffff"/><g font-family="{_FAMILY}" font-size="13" fill="{_INK}">',
        _text(16, 26, chart.title, size=17, weight="bold"),
        _text(16, 46, chart.subtitle, colour=_PALE),
        *_legend(chart),
        *_axis(chart, top, step),
        *_bars(chart, top),
        _text(16, height - 12, f"$ {chart.command}", colour=_PALE, size=11, family="ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace"),
    ]
    return "\n".join([*parts, "</g></svg>", ""])


def scale(largest: float) -> tuple[float, float]:
    """End of an axis and the distance of its lines: at most seven lines at round numbers, and some room for a label."""
    wanted = largest * 1.08
    magnitude = 10.0 ** math.floor(math.log10(wanted / 7))
    step = next(factor * magnitude for factor in (1, 2, 2.5, 5, 10) if wanted <= 7 * factor * magnitude)
    return math.ceil(wanted / step) * step, step


def _y(value: float, top: float) -> float:
    return _TOP + _PLOT * (1 - value / top)


def _axis(chart: Chart, top: float, step: float) -> list[str]:
    parts = []
    for number in range(round(top / step) + 1):
        y = _y(number * step, top)
        parts.append(f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="{_INK if number == 0 else _GRID}"/>')
        parts.append(_text(_LEFT - 8, y + 4, f"{number * step:g}", anchor="end", colour=_PALE))
    middle = _TOP + _PLOT / 2
    axis = f"{chart.unit} ({chart.better})"
    parts.append(f'<text transform="translate(16 {middle}) rotate(-90)" text-anchor="middle" fill="{_PALE}">{escape(axis)}</text>')
    if chart.limit:
        value, label = chart.limit
        y = _y(value, top)
        parts.append(f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="{_INK}" stroke-dasharray="5 4"/>')
        parts.append(_text(WIDTH - _RIGHT, y - 5, label, anchor="end", size=12))
    return parts


def _legend(chart: Chart) -> list[str]:
    parts, x = [], 16.0
    for name in chart.series:
        label = chart.names.get(name, name)
        parts.append(f'<rect x="{x:.0f}" y="60" width="12" height="12" rx="2" fill="{COLOURS.get(name, _PALE)}"/>')
        parts.append(_text(x + 18, 71, label))
        x += 18 + 7.2 * len(label) + 22
    return parts


def _bars(chart: Chart, top: float) -> list[str]:
    parts = []
    room = (WIDTH - _LEFT - _RIGHT) / len(chart.values)
    for number, (group, bars) in enumerate(chart.values.items()):
        width = min(46.0, room * 0.84 / max(1, len(bars)))
        left = _LEFT + number * room + (room - width * len(bars)) / 2
        parts.append(_text(_LEFT + (number + 0.5) * room, _TOP + _PLOT + 22, group, anchor="middle"))
        for place, (name, value) in enumerate(bars.items()):
            x = left + place * width
            if isinstance(value, str):
                turned = f"translate({x + width / 2 + 4:.1f} {_TOP + _PLOT - 6}) rotate(-90)"
                parts.append(f'<text transform="{turned}" fill="{COLOURS.get(name, _PALE)}">{escape(value)}</text>')
                continue
            y = _y(value, top)
            parts.append(f'<rect x="{x + 1:.1f}" y="{y:.1f}" width="{width - 2:.1f}" height="{_TOP + _PLOT - y:.1f}" fill="{COLOURS.get(name, _PALE)}"/>')
            parts.append(_text(x + width / 2, y - 4, label(value), anchor="middle", size=11, halo=True))
    return parts


def label(value: float) -> str:
    """Three digits, as far as they say something."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _text(x: float, y: float, text: str, anchor: str = "", colour: str = "", size: int = 0, weight: str = "", family: str = "", halo: bool = False) -> str:
    """`halo`: readable also where it stands on a line."""
    named = (("text-anchor", anchor), ("fill", colour), ("font-size", str(size or "")), ("font-weight", weight), ("font-family", family))
    attributes = "".join(f' {name}="{value}"' for name, value in named if value)
    if halo:
        attributes += ' stroke="#ffffff" stroke-width="3" paint-order="stroke"'
    return f'<text x="{x:.1f}" y="{y:.1f}"{attributes}>{escape(text)}</text>'


def words(why: Sequence[str]) -> str:
    """Several reasons in one word of a picture."""
    return "did not finish" if any("timeout" in reason for reason in why) else "failed"
