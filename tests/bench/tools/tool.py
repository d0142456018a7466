# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the contest asks of a tool."""

from __future__ import annotations

import abc
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ..cells import Cell
from ..ground import Ground, Source
from ..meter import SENDER
from ..results import OK

TIMEOUT = "timeout"


@dataclass(frozen=True)
class Attempt:
    """One transfer that is to be made. `logs` is an empty directory; `limit_s` is from the sender's start."""

    ground: Ground
    cell: Cell
    source: Source
    mode: str
    logs: Path
    limit_s: float

    @property
    def artifact(self) -> str:
        """The path, on the host, at which the file is wanted."""
        return f"{self.ground.directory}/artifact"

    def log(self, name: str) -> str:
        """What was written to one log."""
        path = self.logs / name
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


@dataclass(frozen=True)
class Outcome:
    """What the tool says: times in seconds, `outcome` as in a record, its own last words, the sender's command line, its own measure of its memory."""

    wall_s: float
    outcome: str = OK
    session_s: float = 0
    said: str = ""
    command: str = ""
    memory_sender_bytes: int = 0
    memory_receiver_bytes: int = 0


class Tool(abc.ABC):
    """A way to get a file onto hosts."""

    name: ClassVar[str]

    @abc.abstractmethod
    def modes(self, cell: Cell) -> Sequence[str]:
        """The modes that make sense in a cell, the most promising first. The first repetition tries all, the others the best; a quick run has the first."""

    @abc.abstractmethod
    def run(self, attempt: Attempt) -> Outcome:
        """Make the transfer. Processes that still run afterwards are ended by the caller."""

    def limit_s(self, cell: Cell) -> float:
        """The most that one transfer may take. Without a limit of the link it is the cores, which all ends share, that a transfer takes its time from."""
        return 20 + cell.ideal_s * (6 if cell.rate_mbit else 6 + 3 * cell.receivers)


def run_ends(attempt: Attempt, sender: Sequence[str], receivers: Sequence[subprocess.Popen[bytes]], wait_for_receivers: bool = True) -> Outcome:
    """Start a sender whose receivers wait already, and wait for all ends, or for the sender's alone (receivers that are daemons)."""
    began = time.monotonic()
    process = attempt.ground.start(SENDER, sender, attempt.logs / SENDER)
    ends = [process, *(receivers if wait_for_receivers else ())]
    ended = attempt.ground.wait_for(ends, began + attempt.limit_s)
    wall_s = time.monotonic() - began
    statuses = [end.poll() for end in ends]
    command = " ".join([Path(sender[0]).name, *sender[1:]])
    said = last_words(attempt.log(SENDER))
    if not ended:
        return Outcome(wall_s, TIMEOUT, said=said, command=command)
    failed = [status for status in statuses if status]
    return Outcome(wall_s, f"{len(failed)} of {len(ends)} ends failed with {failed[0]}" if failed else OK, said=said, command=command)


def last_words(text: str) -> str:
    """The end of what a program wrote, on one line."""
    lines = [line.strip() for line in text.replace("\r", "\n").splitlines() if line.strip()]
    return " | ".join(lines[-2:])[-300:]
