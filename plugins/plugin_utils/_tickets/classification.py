# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which failure type an alert is: the first pattern that fits decides."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from .alert import Alert

UNCLASSIFIED = "unclassified"
SERVER_FAILED = "distribution_server_failed"
#: How this collection's roles name the server that has failed.
_FAILED_SERVER = re.compile(r"distribution server (\S+) (?:failed|could|did|does|was|is)\b", re.IGNORECASE)


@dataclass(frozen=True)
class FailurePattern:
    """A failure type and what an alert of this type looks like; what is not given fits everything.

    :param modules: names with wildcards, as `ansible.builtin.apt` or `*.dnf*`.
    :param message: searched in the alert's text; one of them must be found.
    :param fields: searched in a field of the result or event; a field that is not there does not fit.
    :param kinds: `failed`, `unreachable`.
    """

    failure_type: str
    message: tuple[re.Pattern[str], ...] = ()
    modules: tuple[str, ...] = ()
    return_codes: tuple[int, ...] = ()
    fields: Mapping[str, tuple[re.Pattern[str], ...]] = field(default_factory=dict)
    kinds: tuple[str, ...] = ()

    def fits(self, alert: Alert) -> bool:
        """Whether the alert looks like this."""
        return (
            (not self.kinds or alert.kind in self.kinds)
            and (not self.return_codes or alert.return_code in self.return_codes)
            and (not self.modules or any(fnmatchcase(alert.module, module) for module in self.modules))
            and (not self.message or any(pattern.search(alert.text) for pattern in self.message))
            and all(name in alert.fields and any(pattern.search(alert.fields[name]) for pattern in patterns) for name, patterns in self.fields.items())
        )


def classify(alert: Alert, patterns: Sequence[FailurePattern]) -> str:
    """The failure type of the alert; always one."""
    if alert.failure_type:
        return alert.failure_type
    return next((pattern.failure_type for pattern in patterns if pattern.fits(alert)), UNCLASSIFIED)


def failed_server(alert: Alert, failure_type: str) -> str:
    """The distribution server that the alert is about: the one that its text names as failed, else the one that serves the device."""
    named = _FAILED_SERVER.search(alert.text) if failure_type == SERVER_FAILED else None
    return named.group(1) if named else alert.server
