# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tools that are compared, by name."""

from __future__ import annotations

from .engine import Engine
from .plays import Copy, Push
from .tool import Tool
from .udpcast import Udpcast
from .uftp import Uftp
from .unicast import Iperf3, Rsync

TOOLS: dict[str, Tool] = {tool.name: tool for tool in (Engine(), Udpcast(), Uftp(), Rsync(), Copy(), Push(), Iperf3())}
