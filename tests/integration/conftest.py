# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts for the integration tests. A lab is built once per session and shape; every test finds it as new but for the disks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ansible_collections.fleetcast.core.tests.lab import Lab, Labs, remove_labs_of_dead_runs


@pytest.fixture(scope="session")
def _labs_of_session() -> Iterator[Labs]:
    remove_labs_of_dead_runs()
    labs = Labs()
    try:
        yield labs
    finally:
        labs.down()


@pytest.fixture
def labs(_labs_of_session: Labs) -> Iterator[Labs]:
    """Labs by shape: `labs.get(8)`, `labs.get(2, systemd=True)`, `labs.get(3, fresh=True)`."""
    yield _labs_of_session
    _labs_of_session.reset()


@pytest.fixture
def lab(labs: Labs) -> Lab:
    """A lab of three hosts."""
    return labs.get(3)
