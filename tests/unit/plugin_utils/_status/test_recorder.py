# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of a failed result is what tells the cause."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.fleetcast.core.plugins.plugin_utils._status.recorder import problem

pytestmark = pytest.mark.push


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ({"msg": "no such host"}, "no such host"),
        ({"msg": "dpkg -i a.deb failed", "stderr": "licence server says no\n", "stdout": "Unpacking"}, "dpkg -i a.deb failed: licence server says no"),
        ({"msg": "non-zero return code", "stderr": "", "stdout": "out of luck\n"}, "non-zero return code: out of luck"),
        ({"msg": "it said: no", "stderr": "no"}, "it said: no"),
        ({"stderr": "words"}, "words"),
        ({"censored": "hidden", "msg": "secret"}, "the output is hidden by no_log"),
        ({"results": [{"msg": "fine"}, {"failed": True, "msg": "one"}, {"unreachable": True, "msg": "two"}]}, "one (and 1 more items)"),
        ({}, "the task gave no message"),
    ],
)
def test_problem(result: dict[str, Any], text: str) -> None:
    assert problem(result) == text
