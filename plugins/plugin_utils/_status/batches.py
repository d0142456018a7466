# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many values in statements of bounded size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

_T = TypeVar("_T")
#: Values in one IN list: well below SQLite's 32,766 and PostgreSQL's 65,535 parameters of a statement.
_CHUNK = 1000


def chunks(values: Iterable[_T]) -> Iterator[Sequence[_T]]:
    """The values in pieces that fit into one statement."""
    rest = list(values)
    for start in range(0, len(rest), _CHUNK):
        yield rest[start : start + _CHUNK]
