# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text that came from a host, made fit to be kept in any database and shown in any terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence

#: Characters of a `detail` that are kept: enough for the end of an apt or dpkg message, small against 2,000 of them.
DETAIL_CHARACTERS = 2000
_ELLIPSIS = " [...] "


def storable(value: object) -> str:
    """The value as a plain `str` without what PostgreSQL refuses in text: NUL characters and lone surrogates."""
    text = str(value).replace("\x00", "\N{REPLACEMENT CHARACTER}")
    return text.encode("utf-8", "replace").decode("utf-8")


def bounded(value: object, limit: int = DETAIL_CHARACTERS) -> str:
    """The value as storable text of at most `limit` characters: its beginning and its end, for errors stand at either."""
    text = storable(value).strip()
    if len(text) <= limit:
        return text
    kept = limit - len(_ELLIPSIS)
    head = kept // 2
    return text[:head] + _ELLIPSIS + text[len(text) - (kept - head):]


def plain(value: object) -> object:
    """The value without Ansible's tags and lazy containers: dict, list, str, int, float, bool and None only.

    ansible-core 2.19 and later tag strings and numbers with their origin; databases and comparisons by type want them bare.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, Mapping):
        return {storable(key): plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return [plain(item) for item in value]
    return storable(value)


def one_line(value: object) -> str:
    """The value on one line without control characters, so that text from a host cannot move the cursor or change colours."""
    printable = "".join(" " if unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp") else character for character in str(value))
    return " ".join(printable.split())


def display_width(text: str) -> int:
    """Columns that the text takes in a terminal (Unicode Standard Annex 11: wide and full-width characters take two)."""
    return sum(0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def fitted(text: str, columns: int) -> str:
    """The text cut or padded to exactly this many columns."""
    if display_width(text) > columns:
        kept = ""
        for character in text:
            if display_width(kept + character) > columns - 1:
                break
            kept += character
        text = kept + "…"
    return text + " " * (columns - display_width(text))
