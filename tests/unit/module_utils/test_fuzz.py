# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The targets of tests/fuzz with what hypothesis thinks of, and with every input that broke a promise once."""

from __future__ import annotations

import random

import pytest
from ansible_collections.fleetcast.core.tests.fuzz.targets import TARGETS, found_before, seeds
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.engine

#: Inputs for one target: a few seconds even for the slowest, which are whole sessions.
EXAMPLES = 120
# Sessions' inputs are numbers of which most choose between a few ways: small ones are the more telling.
inputs = st.one_of(st.binary(max_size=1500), st.lists(st.integers(0, 9), max_size=600).map(bytes))


@pytest.mark.parametrize("name", TARGETS)
def test_what_broke_once_does_not_break_again(name: str) -> None:
    for data in found_before(name):
        TARGETS[name](data)


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_breaks_a_promise(name: str) -> None:
    @settings(max_examples=EXAMPLES, deadline=None, database=None)
    @given(inputs)
    def check(data: bytes) -> None:
        TARGETS[name](data)

    check()


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_inputs_break_no_promise(name: str) -> None:
    """Right ones with a few bytes changed, doubled or left out: they come further than noise."""
    generator = random.Random(name)
    for seed in seeds(name) or [generator.randbytes(400)]:
        TARGETS[name](seed)
        for _damage in range(40):
            damaged = bytearray(seed)
            for _byte in range(generator.randint(1, 3)):
                at = generator.randrange(len(damaged) + 1)
                damaged[at : at + generator.randint(0, 2)] = generator.randbytes(generator.randint(0, 2))
            TARGETS[name](bytes(damaged))
