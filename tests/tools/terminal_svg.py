#!/usr/bin/env python3
# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw what a terminal showed as an SVG, from a recording such as script(1) makes:

    script -qec "make -s demo" demo.typescript
    tests/tools/terminal_svg.py demo.typescript docs/images/table.svg --begin 'ansible-playbook fleetcast.core.status' --end 'Every host'

Colours and lines that were rewritten in place are understood; other control sequences of ECMA-48 are left out.
"""

from __future__ import annotations

import argparse
import re
import sys
from html import escape
from pathlib import Path

CELL_WIDTH, LINE_HEIGHT, MARGIN = 8.4, 18, 14
BACKGROUND, FOREGROUND = "#1b1f24", "#d8dee4"
#: Colours by the number of ECMA-48 (SGR), bright ones by that of xterm.
COLOURS = {
    30: "#6e7781", 31: "#ff7b72", 32: "#56d364", 33: "#e3b341", 34: "#79c0ff", 35: "#d2a8ff", 36: "#56d4dd", 37: "#d8dee4",
    90: "#8b949e", 91: "#ffa198", 92: "#7ee787", 93: "#f2cc60", 94: "#a5d6ff", 95: "#e2c5ff", 96: "#8be9f2", 97: "#ffffff",
}  # fmt: skip
_TOKEN = re.compile(r"\033\[([0-9;?]*)([A-Za-z])|\033\][^\a]*\a|\033[()].|([\r\n\b\t])|([^\033\r\n\b\t]+)")

#: SVG takes several blanks for one.
NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"

#: Style of a cell: attributes of an SVG tspan.
Style = str
Line = list[tuple[str, Style]]


class Terminal:
    """A terminal without a height: lines of cells, the last of which are being written."""

    def __init__(self) -> None:
        self.lines: list[Line] = [[]]
        self._column = 0
        self._numbers: set[int] = set()

    def write(self, text: str) -> None:
        for parameters, final, control, plain in _TOKEN.findall(text):
            if plain:
                self._put(plain)
            elif control == "\n":
                self.lines.append([])
                self._column = 0
            elif control == "\r":
                self._column = 0
            elif control == "\b":
                self._column = max(0, self._column - 1)
            elif control == "\t":
                self._put(" " * (8 - self._column % 8))
            elif final == "m":
                self._set_style(parameters)
            elif final == "K":
                del self.lines[-1][self._column :]

    def _put(self, text: str) -> None:
        line = self.lines[-1]
        line.extend([(" ", "")] * (self._column - len(line)))
        line[self._column : self._column + len(text)] = [(character, self._style()) for character in text]
        self._column += len(text)

    def _set_style(self, parameters: str) -> None:
        for number in (int(part or 0) for part in parameters.split(";")):
            if number == 0:
                self._numbers.clear()
            elif number in COLOURS or number == 39:
                self._numbers -= set(COLOURS)
                self._numbers.add(number)
            else:
                self._numbers.add(number)

    def _style(self) -> Style:
        colour = next((number for number in self._numbers if number in COLOURS), None)
        style = f' fill="{COLOURS[colour]}"' if colour is not None else ""
        if 1 in self._numbers:
            style += ' font-weight="bold"'
        if 2 in self._numbers:
            style += ' opacity="0.7"'
        return style


def text_of(line: Line) -> str:
    return "".join(character for character, _ in line).rstrip()


def part(lines: list[Line], begin: str, end: str | None) -> list[Line]:
    """The lines from the first that matches `begin` to the first from there on that matches `end`, or all. :raises ValueError: there are none."""
    first = next((number for number, line in enumerate(lines) if re.search(begin, text_of(line))), None)
    if first is None:
        raise ValueError(f"no line matches {begin!r}")
    if end is None:
        return lines[first:]
    last = next((number for number, line in enumerate(lines) if number >= first and re.search(end, text_of(line))), None)
    if last is None:
        raise ValueError(f"no line after that matches {end!r}")
    return lines[first : last + 1]


def svg(lines: list[Line], title: str) -> str:
    width = max(len(text_of(line)) for line in lines) * CELL_WIDTH + 2 * MARGIN
    height = len(lines) * LINE_HEIGHT + 2 * MARGIN
    family = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" viewBox="0 0 {width:.0f} {height}" role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect width="100%" height="100%" rx="6" fill="{BACKGROUND}"/>',
        f'<g font-family="{family}" font-size="14" fill="{FOREGROUND}">',
    ]
    for number, line in enumerate(lines):
        baseline = MARGIN + number * LINE_HEIGHT + 13
        drawn += [
            f'<text x="{MARGIN + column * CELL_WIDTH:.1f}" y="{baseline}" textLength="{len(text) * CELL_WIDTH:.1f}"{style}>{escape(text)}</text>'
            for column, text, style in runs(line)
        ]
    return "\n".join([*drawn, "</g>", "</svg>", ""])


def runs(line: Line) -> list[tuple[int, str, Style]]:
    """Neighbours of one style together: column, text, style. Blank ends are left out."""
    found: list[tuple[int, str, Style]] = []
    for column, (character, style) in enumerate(line[: len(text_of(line))]):
        if found and found[-1][2] == style:
            found[-1] = (found[-1][0], found[-1][1] + character, style)
        else:
            found.append((column, character, style))
    return [(column, text.replace(" ", NO_BREAK_SPACE), style) for column, text, style in found if text.strip()]


def main() -> int:
    parser = argparse.ArgumentParser(description="Draw what a terminal showed as an SVG.")
    parser.add_argument("recording", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--until", metavar="REGEX", help="stop the recording where this appears, in the middle of a line that moves")
    parser.add_argument("--begin", metavar="REGEX", default="", help="the first line that is shown")
    parser.add_argument("--end", metavar="REGEX", help="the last line that is shown")
    parser.add_argument("--title", default="Terminal", help="for those who do not see the picture")
    arguments = parser.parse_args()
    recorded = arguments.recording.read_bytes().decode("utf-8", "replace")  # read_text would take a carriage return for a new line
    if arguments.until:
        found = re.search(arguments.until, recorded)
        if found is None:
            print(f"nothing in {arguments.recording} matches {arguments.until!r}", file=sys.stderr)
            return 1
        recorded = recorded[: found.end()]
    terminal = Terminal()
    terminal.write(recorded)
    try:
        shown = part(terminal.lines, arguments.begin, arguments.end)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    arguments.picture.parent.mkdir(parents=True, exist_ok=True)
    arguments.picture.write_text(svg(shown, arguments.title), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
