# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts for tests and for the demo, made of network namespaces: see docs/lab.md."""

from __future__ import annotations

from .host import Host
from .lab import Lab
from .labs import Labs, remove_labs_of_dead_runs
from .system import LabError
from .topology import Topology

__all__ = ["Host", "Lab", "LabError", "Labs", "Topology", "remove_labs_of_dead_runs"]
