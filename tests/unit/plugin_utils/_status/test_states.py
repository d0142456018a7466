# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The diagram of docs/architecture.md, read by the test itself, against the table that the code has."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from ansible_collections.fleetcast.core.plugins.plugin_utils._status import states

pytestmark = pytest.mark.push

_ARCHITECTURE = Path(__file__).resolve().parents[4] / "docs/architecture.md"


def _diagram() -> set[tuple[str, str]]:
    """The steps (from, to) that the document draws for an attempt."""
    block = re.search(r"^attempt +(pending .*?)^```", _ARCHITECTURE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert block
    active = ("dispatched", "transferring", "installing", "verifying")
    steps: set[tuple[str, str]] = set()
    for chain in re.split(r"\n| {4,}", block.group(1)):
        groups = [[word.strip(" *") for word in part.split("|")] for part in chain.strip().split("->")]
        for (*_, before), after in pairwise(groups):
            origins = {"any active": active, "lease expired": ("pending", *active)}.get(before, (before,))
            steps |= {(origin, state) for origin in origins for state in after}
    return steps


def test_the_code_has_the_steps_of_the_document() -> None:
    drawn = _diagram()
    assert len(drawn) == 26
    coded = {(before, after) for after, befores in states.PREDECESSORS.items() for before in befores}
    assert coded == drawn


def test_no_step_leaves_a_terminal_state() -> None:
    assert not {before for befores in states.PREDECESSORS.values() for before in befores} & set(states.TERMINAL)
    assert all(states.path(terminal, state) is None for terminal in states.TERMINAL for state in states.ATTEMPT_STATES)


def test_a_way_is_made_of_steps_of_the_document() -> None:
    drawn = _diagram()
    for current in states.OPEN:
        for wanted in states.ATTEMPT_STATES:
            way = states.path(current, wanted)
            if way is not None:
                assert way[-1] == wanted
                assert all(step in drawn for step in zip((current, *way), way, strict=False)), (current, wanted)


@pytest.mark.parametrize(
    ("current", "wanted"),
    [("pending", "succeeded"), ("dispatched", "already_installed"), ("transferring", "unreachable"), ("verifying", "installing"), ("dispatched", "suppressed")],
)
def test_ways_that_there_are_not(current: str, wanted: str) -> None:
    assert states.path(current, wanted) is None
