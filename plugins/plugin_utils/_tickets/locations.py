# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a device is: the reported location matched with the known ones, corrected to the closest one where it does not match."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from .states import ALIAS, CORRECTED, EXACT, NOT_REPORTED, UNMATCHED

#: Two locations whose scores are closer than this could both be meant: neither is taken.
_AMBIGUOUS_WITHIN = 3.0


@dataclass(frozen=True)
class Location:
    """A known location and what else it is called."""

    name: str
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Found:
    """What became of a reported location.

    :param name: the known location; None when there is none.
    :param match: one of :data:`.states.MATCHES`; `none` when nothing was reported.
    :param score: from 0 to 100, how alike the reported location and the known one (or the closest one) are.
    """

    name: str | None
    match: str
    score: float


def normalised(text: str) -> str:
    """For comparing: without accents, case, punctuation and extra spaces."""
    plain = "".join(character for character in unicodedata.normalize("NFKD", text) if not unicodedata.combining(character))
    return " ".join(re.sub(r"[\W_]+", " ", plain.casefold()).split())


def find(reported: str, locations: Sequence[Location], least_score: float) -> Found:
    """The known location that was meant.

    A location is never corrected to one with other numbers in its name: `Building 3` is no misspelt `Building 2`.
    """
    wanted = normalised(reported)
    if not wanted:
        return Found(None, NOT_REPORTED, 0.0)
    for location in locations:
        if normalised(location.name) == wanted:
            return Found(location.name, EXACT, 100.0)
    for location in locations:
        if wanted in (normalised(alias) for alias in location.aliases):
            return Found(location.name, ALIAS, 100.0)
    scores = sorted(((_score(wanted, location), location.name) for location in locations), reverse=True)
    if not scores:
        return Found(None, UNMATCHED, 0.0)
    best, name = scores[0]
    ambiguous = len(scores) > 1 and best - scores[1][0] < _AMBIGUOUS_WITHIN
    if best < least_score or ambiguous:
        return Found(None, UNMATCHED, round(best, 1))
    return Found(name, CORRECTED, round(best, 1))


def _score(wanted: str, location: Location) -> float:
    from rapidfuzz import fuzz

    numbers = _numbers(wanted)
    candidates = [text for text in map(normalised, (location.name, *location.aliases)) if _numbers(text) == numbers]
    return max((max(fuzz.ratio(wanted, text), fuzz.token_sort_ratio(wanted, text)) for text in candidates), default=0.0)


def _numbers(text: str) -> list[str]:
    return sorted(number.lstrip("0") for number in re.findall(r"\d+", text))
