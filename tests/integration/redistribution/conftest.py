# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A project with a distribution that failed, for each test its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.fleetcast.core.tests.integration.redistribution.depot import Depot
from ansible_collections.fleetcast.core.tests.lab import Lab


@pytest.fixture
def depot(tmp_path: Path, lab: Lab) -> Iterator[Depot]:
    project = Depot(tmp_path, lab)
    yield project
    project.close()
