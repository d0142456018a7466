# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sender and receivers as processes on real sockets: on loopback, or in network namespaces that the test makes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fleetcast.core.tests.bench.engine_ends import Session
from ansible_collections.fleetcast.core.tests.bench.engine_net import Net

MakeNet = Callable[..., Net]
MakeSession = Callable[..., Session]


@pytest.fixture
def make_net() -> Iterator[MakeNet]:
    made: list[Net] = []

    def make(receivers: int, **options: Any) -> Net:
        made.append(Net(receivers, **options))
        return made[-1]

    yield make
    for net in made:
        net.close()


@pytest.fixture
def make_session(tmp_path: Path) -> Iterator[MakeSession]:
    made: list[Session] = []

    def make(size: int, receivers: int, net: Net | None = None, **options: Any) -> Session:
        made.append(Session(tmp_path, size, receivers, net, **options))
        return made[-1]

    yield make
    for session in made:
        session.close()
