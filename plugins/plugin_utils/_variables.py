# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables that users set for the roles and playbooks, and those that were meant for one of them.

Ansible says nothing of a variable that nobody reads, and a play whose ``fleetcast_instal`` is ignored does not install.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_COLLECTION = Path(__file__).resolve().parents[2]
_SOURCES = ("roles/**/*.yml", "playbooks/**/*.yml", "plugins/callback/*.py", "plugins/doc_fragments/*.py")
_PREFIX = "fleetcast_"
_NAME = re.compile(rf"\b{_PREFIX}[a-z_]+")
#: What difflib calls the ratio of similarity: one letter more, less, or two exchanged are above, other words below.
_SIMILAR = 0.9


def known() -> set[str]:
    """Every variable that the roles, the playbooks or the options of plugins name."""
    files = [file for pattern in _SOURCES for file in _COLLECTION.glob(pattern)]
    return {name for file in files for name in _NAME.findall(file.read_text(encoding="utf-8"))}


def misspelt(names: Iterable[str]) -> dict[str, str]:
    """By each of `names` that has our prefix and is no variable of ours: the one that it nearly is. Others are somebody's own."""
    ours = known()
    found = {}
    for name in sorted(set(names) - ours):
        near = get_close_matches(name, ours, n=1, cutoff=_SIMILAR) if name.startswith(_PREFIX) else []
        if near:
            found[name] = near[0]
    return found
