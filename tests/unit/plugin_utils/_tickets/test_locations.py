# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the location as reported to the one that was meant."""

from __future__ import annotations

import pytest
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets.locations import Found, Location, find

pytestmark = pytest.mark.tickets

_KNOWN = (
    Location("Hamburg, Hall 2", ("HH2", "Hafen")),
    Location("Hamburg, Hall 3"),
    Location("Frankfurt am Main", ("FRA",)),
    Location("Frankfurt (Oder)", ("FFO",)),
    Location("Köln"),
)


@pytest.mark.parametrize(
    ("reported", "name", "match"),
    [
        ("Hamburg, Hall 2", "Hamburg, Hall 2", "exact"),
        ("  hamburg  HALL-2 ", "Hamburg, Hall 2", "exact"),
        ("koln", "Köln", "exact"),
        ("hh2", "Hamburg, Hall 2", "alias"),
        ("Hambrug, Hall 2", "Hamburg, Hall 2", "corrected"),
        ("Hall 3 Hamburg", "Hamburg, Hall 3", "corrected"),
        ("Hamburg Hall 03", "Hamburg, Hall 3", "corrected"),
        ("Frankfurt am Mainz", "Frankfurt am Main", "corrected"),
        ("Hamburg, Hall 4", None, "unmatched"),
        ("Frankfurt", None, "unmatched"),
        ("Reykjavik", None, "unmatched"),
        ("", None, "none"),
        (" -- ", None, "none"),
    ],
)
def test_a_location_is_found_as_it_was_meant(reported: str, name: str | None, match: str) -> None:
    found = find(reported, _KNOWN, 80)
    assert (found.name, found.match) == (name, match), found
    assert 0 <= found.score <= 100
    if match in ("exact", "alias"):
        assert found.score == 100


def test_the_score_decides_between_corrected_and_unmatched() -> None:
    score = find("Frankfort am Mein", _KNOWN, 1).score
    assert 80 < score < 95
    assert find("Frankfort am Mein", _KNOWN, score).match == "corrected"
    assert find("Frankfort am Mein", _KNOWN, score + 0.1) == Found(None, "unmatched", score)


def test_two_that_could_be_meant_are_none() -> None:
    known = (Location("Building A"), Location("Building B"))
    assert find("Building C", known, 80).match == "unmatched"
