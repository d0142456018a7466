# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What unit tests share."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A directory to which the way is open for other users. That to `tmp_path` is not: each run of pytest closes it for all."""
    with tempfile.TemporaryDirectory(prefix="fleetcast-") as folder:
        path = Path(folder)
        path.chmod(0o755)
        yield path
