# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of the inventory in the rules: one that the inventory does not have is a rule without effect, of which somebody should hear.

It is no mistake: plays have different inventories, and alerts from outside are about devices that are in none.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from .document import Entry
from .outages import parts_of, takes


@dataclass(frozen=True)
class Named:
    """A threshold's group, or a part of an outage's pattern, which takes hosts and groups.

    :param place: file, line and key.
    """

    place: str
    text: str
    is_group: bool

    def problem(self, hosts: Collection[str], groups: Collection[str]) -> str:
        """What is wrong with it in this inventory; empty when nothing is."""
        if self.is_group:
            return "" if any(fnmatchcase(group, self.text) for group in groups) else f"{self.place}: there is no group '{self.text}'"
        names = (*groups, *hosts)
        return "" if any(takes(self.text, name) for name in names) else f"{self.place}: there is neither a host nor a group '{self.text}'"


def names_in(thresholds: Entry | None, outages: Entry | None) -> tuple[Named, ...]:
    """The names in these parts of a file, which are known to be right in form."""
    found = []
    for threshold in thresholds.entries() if thresholds else ():
        group = dict(threshold.items()).get("group")
        if group:
            found.append(Named(group.place, group.text(), is_group=True))
    for outage in outages.entries() if outages else ():
        devices = dict(outage.items()).get("devices")
        if devices:
            found += [Named(devices.place, part, is_group=False) for part in parts_of(devices.text())]
    return tuple(found)


def without_effect(named: Sequence[Named], hosts: Collection[str], groups: Collection[str]) -> str:
    """One warning about all of the names that this inventory does not have; empty when there is nothing to say, or no inventory."""
    problems = [problem for one in named if (problem := one.problem(hosts, groups))] if hosts else []
    return f"job_ticket: rules that have no effect with this inventory: {'; '.join(problems)}" if problems else ""
