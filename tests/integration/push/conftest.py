# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Projects that push to the lab: each test has one of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.fleetcast.core.tests.integration.push.project import Project
from ansible_collections.fleetcast.core.tests.lab import Lab, Labs


@pytest.fixture
def project_for(tmp_path: Path) -> Iterator[Callable[[Lab], Project]]:
    """A project that pushes to the lab that is given."""
    projects: list[Project] = []

    def make(lab: Lab) -> Project:
        projects.append(Project(tmp_path, lab))
        return projects[-1]

    yield make
    for project in projects:
        project.close()


@pytest.fixture
def project(project_for: Callable[[Lab], Project], lab: Lab) -> Project:
    """A project with three hosts."""
    return project_for(lab)


@pytest.fixture
def project_of_eight(project_for: Callable[[Lab], Project], labs: Labs) -> Project:
    """A project with eight hosts."""
    return project_for(labs.get(8))
