# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Projects that distribute in two tiers: three distribution servers, and recipients behind them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.fleetcast.core.tests.integration.distribute.depots import Depots
from ansible_collections.fleetcast.core.tests.lab import Labs, Topology


@pytest.fixture
def depots(tmp_path: Path, labs: Labs, request: pytest.FixtureRequest) -> Iterator[Depots]:
    """A project with a lab of its shape, and nothing on the servers: each has two recipients, or as many as an indirect parameter says."""
    project = Depots(tmp_path, labs.get(Topology(3, getattr(request, "param", 2))))
    yield project
    project.close()
