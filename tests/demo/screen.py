# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the demo says between the playbooks."""

from __future__ import annotations

import os
import sys
import textwrap
import time
from collections.abc import Sequence

_BOLD, _DIM, _GREEN, _RESET = "\033[1m", "\033[2m", "\033[32m", "\033[0m"
_WIDTH = 100


class DemoError(Exception):
    """Something is not as the demo says; the message names what."""


class Screen:
    """Lines for a person; with colours only on a terminal, and not when NO_COLOR is set (no-color.org)."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._step = 0
        self._began = time.monotonic()
        self._colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def step(self, text: str) -> None:
        """Say what is going to happen now, and why."""
        self._step += 1
        elapsed = time.monotonic() - self._began
        heading = textwrap.fill(f"[{self._step}/{self._steps}, {elapsed:.0f} s] {text}", _WIDTH)
        print(f"\n{self._in(_BOLD, heading)}", flush=True)

    def say(self, text: str) -> None:
        print(textwrap.fill(text, _WIDTH, initial_indent="  ", subsequent_indent="  "), flush=True)

    def command(self, text: str) -> None:
        """The command as a user would type it."""
        print(self._in(_DIM, f"$ {text}"), flush=True)

    def check(self, holds: bool, claim: str, instead: str = "") -> None:
        """Say that a claim holds. :raises DemoError: it does not; `instead` is what was found."""
        if not holds:
            raise DemoError(f"not as said: {claim}{f'; instead: {instead}' if instead else ''}")
        print(f"  {self._in(_GREEN, 'ok')}  {claim}", flush=True)

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        """The first row is the heading; all columns but the first are aligned to the right."""
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        for number, row in enumerate(rows):
            cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
            line = "  " + "   ".join(cells)
            print(self._in(_BOLD, line) if number == 0 else line, flush=True)

    def _in(self, style: str, text: str) -> str:
        return f"{style}{text}{_RESET}" if self._colours else text
