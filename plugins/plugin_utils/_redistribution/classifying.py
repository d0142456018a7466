# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which failure type a failed attempt is. Loads no database library: a callback reaches in here before Ansible forks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .._tickets.alert import make
from .._tickets.classification import FailurePattern, classify


def _built_in() -> Sequence[FailurePattern]:
    from .._tickets.loading import load_patterns

    return load_patterns(None)


#: Where the failure types come from. Who knows the user's rules, which Ansible configures, puts them here.
patterns: Callable[[], Sequence[FailurePattern]] = _built_in


def failure_types(failed: Sequence[tuple[str, str, bool]]) -> list[str]:
    """The types of these failures, each (host, what was said, whether the host could not be reached)."""
    known = patterns()
    return [classify(make(host, text, key="attempt", kind="unreachable" if unreachable else "failed"), known) for host, text, unreachable in failed]
