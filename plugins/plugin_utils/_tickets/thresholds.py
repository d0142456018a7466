# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many alerts of a failure type on a device are borne before there is a ticket."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase


@dataclass(frozen=True)
class Threshold:
    """A limit, and for whom it is. Empty selectors fit everything; They may hold wildcards.

    :param limit: the number of alerts within `window` that is still no ticket.
    """

    limit: int
    window: timedelta
    device: str = ""
    group: str = ""
    failure_type: str = ""

    @property
    def selector(self) -> tuple[str, str, str]:
        return self.device, self.group, self.failure_type

    def fits(self, device: str, groups: Collection[str], failure_type: str) -> bool:
        return (
            (not self.device or fnmatchcase(device, self.device))
            and (not self.group or any(fnmatchcase(group, self.group) for group in groups))
            and (not self.failure_type or fnmatchcase(failure_type, self.failure_type))
        )

    @property
    def rank(self) -> tuple[int, int, int]:
        """How specific it is: the device counts most, then the group, then the failure type; a name beats wildcards."""
        return _exactness(self.device), _exactness(self.group), _exactness(self.failure_type)


def _exactness(selector: str) -> int:
    if not selector:
        return 0
    return 1 if any(character in selector for character in "*?[") else 2


def threshold_for(thresholds: Sequence[Threshold], device: str, groups: Collection[str], failure_type: str) -> Threshold:
    """The most specific threshold; of several equally specific ones the lowest, as a ticket too many is better than one too few.

    `thresholds` must hold one without selectors.
    """
    fitting = [threshold for threshold in thresholds if threshold.fits(device, groups, failure_type)]
    best = max(threshold.rank for threshold in fitting)
    return min((threshold for threshold in fitting if threshold.rank == best), key=lambda threshold: threshold.limit)
