# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables that were meant for us."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.fleetcast.core.plugins.plugin_utils._variables import known, misspelt

pytestmark = pytest.mark.push

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("fleetcast_instal", "fleetcast_install"), ("fleetcast_scr", "fleetcast_src"), ("fleetcast_intreface", "fleetcast_interface"),
        ("fleetcast_readytimeout", "fleetcast_ready_timeout"),
    ],
)  # fmt: skip
def test_a_slip_is_told(written: str, meant: str) -> None:
    assert misspelt([written, "fleetcast_src"]) == {written: meant}


def test_what_is_somebodys_own_is_not() -> None:
    assert misspelt(["fleetcast_building_of_this_host", "fleetcat_src", "src", "ansible_host"]) == {}


def test_what_the_docs_name_is_known() -> None:
    named = {name for page in (ROOT / "docs").glob("*.md") for name in re.findall(r"`(fleetcast_[a-z_]+)`", page.read_text())}
    assert len(named) > 30
    assert named <= known()
