# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a YAML file so that every mistake is reported with file, line and key."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import yaml

from .errors import RulesError

_Value = TypeVar("_Value")
_DURATION = re.compile(r"(\d+)\s*([smhdw])")
#: Longer is a slip of the pen, and would lead to before the calendar's beginning.
_LONGEST = timedelta(days=3660)
_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


class Entry:
    """A node of the file that knows where it stands.

    :param path: the keys that lead to it, as `thresholds.devices.web1`.
    """

    def __init__(self, node: yaml.Node, file: str, path: str = "") -> None:
        self._node = node
        self._file = file
        self.path = path

    @property
    def place(self) -> str:
        """File, line and key."""
        where = f"{self._file}, line {self._node.start_mark.line + 1}"
        return f"{where}: {self.path}" if self.path else where

    def error(self, message: str) -> RulesError:
        """An error that says where: to be raised by the caller."""
        return RulesError(f"{self.place}: {message}")

    def _checked(self) -> None:
        if not self._node.tag.startswith("tag:yaml.org,2002:"):
            raise self.error(f"the tag {self._node.tag} is not understood here (a secret can come from password_file or password_env)")

    @property
    def is_text(self) -> bool:
        return isinstance(self._node, yaml.ScalarNode)

    def is_null(self) -> bool:
        return isinstance(self._node, yaml.ScalarNode) and self._node.tag == "tag:yaml.org,2002:null"

    def keys(self, *known: str, required: tuple[str, ...] = ()) -> dict[str, Entry]:
        """The entries of a mapping of which the keys are known.

        :raises RulesError: for a key that is not known (a misspelt one must not be silently without effect), or missing.
        """
        entries = dict(self.items())
        for key, entry in entries.items():
            if key not in known:
                raise entry.error(f"unknown key; known here: {', '.join(sorted(known))}")
        for key in required:
            if key not in entries:
                raise self.error(f"the key '{key}' is missing")
        return entries

    def items(self) -> Iterator[tuple[str, Entry]]:
        """Keys and entries of a mapping."""
        self._checked()
        if self.is_null():
            return
        if not isinstance(self._node, yaml.MappingNode):
            raise self.error("must be a mapping of keys and values")
        seen = set()
        for key_node, value_node in self._node.value:
            here = Entry(key_node, self._file, self.path)
            key = here.text()
            if key in seen:
                raise here.error(f"the key '{key}' is there twice")
            seen.add(key)
            yield key, Entry(value_node, self._file, f"{self.path}.{key}" if self.path else key)

    def entries(self) -> list[Entry]:
        """The entries of a list."""
        self._checked()
        if self.is_null():
            return []
        if not isinstance(self._node, yaml.SequenceNode):
            raise self.error("must be a list")
        return [Entry(node, self._file, f"{self.path}[{number}]") for number, node in enumerate(self._node.value)]

    def some(self) -> list[Entry]:
        """The entries of a list that has one at least; a single text is one, too."""
        found = [self] if self.is_text and not self.is_null() else self.entries()
        if not found:
            raise self.error("is empty: leave the key out, or name something")
        return found

    def text(self) -> str:
        self._checked()
        if not isinstance(self._node, yaml.ScalarNode) or self.is_null():
            raise self.error("must be a text")
        text = str(self._node.value)
        if not text.strip() or not text.replace("\n", "").replace("\t", "").isprintable():
            raise self.error("must not be empty, nor have characters that cannot be printed")
        return text

    def texts(self) -> tuple[str, ...]:
        """A list of texts, or a single one."""
        return (self.text(),) if self.is_text and not self.is_null() else tuple(entry.text() for entry in self.entries())

    def number(self, lowest: int, highest: int) -> int:
        try:
            value = int(self.text())
        except ValueError:
            raise self.error(f"must be a whole number, not '{self.text()}'") from None
        if not lowest <= value <= highest:
            raise self.error(f"must be from {lowest} to {highest}, not {value}")
        return value

    def boolean(self) -> bool:
        words = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
        try:
            return words[self.text().lower()]
        except KeyError:
            raise self.error(f"must be true or false, not '{self.text()}'") from None

    def one_of(self, *words: str) -> str:
        if self.text() not in words:
            raise self.error(f"must be one of {', '.join(words)}, not '{self.text()}'")
        return self.text()

    def duration(self) -> timedelta:
        """A length of time such as `90s`, `15m`, `24h`, `7d`, `2w` or `1h 30m`."""
        text = self.text().strip()
        parts = _DURATION.findall(text)
        if not parts or _DURATION.sub("", text).strip():
            raise self.error(f"must be a length of time such as 90s, 15m, 24h, 7d or '1h 30m', not '{text}'")
        seconds = sum(int(count) * _UNIT_SECONDS[unit] for count, unit in parts)
        if not seconds:
            raise self.error("must be longer than nothing")
        if seconds > _LONGEST.total_seconds():
            raise self.error(f"must not be longer than {_LONGEST.days}d")
        return timedelta(seconds=seconds)

    def patterns(self) -> tuple[re.Pattern[str], ...]:
        """A regular expression, which ignores upper and lower case, and in which `.` takes line ends; or a list of which one has to fit."""
        return tuple(entry._pattern() for entry in self.some())

    def _pattern(self) -> re.Pattern[str]:
        try:
            return re.compile(self.text(), re.IGNORECASE | re.DOTALL)
        except (re.error, RecursionError, OverflowError) as error:
            raise self.error(f"is no regular expression: {error}") from None

    def path_value(self) -> Path:
        """A path to something that is there; a relative one is relative to the file."""
        try:
            path = Path(self._file).parent / Path(self.text()).expanduser()
            path.stat()
        except (OSError, RuntimeError) as error:
            raise self.error(f"is no path to anything: {error}") from None
        return path

    def converted(self, convert: Callable[[str], _Value], what: str) -> _Value:
        """The text through `convert`, whose ValueError becomes one with file, line and key."""
        try:
            return convert(self.text())
        except ValueError as error:
            raise self.error(f"is no {what}: {error}") from None


def read(path: Path) -> Entry:
    """The top of a YAML file.

    :raises RulesError: when the file cannot be read or is not YAML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RulesError(f"{path}: cannot be read: {error}") from error
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise RulesError(f"{path}, line {line}: is not YAML: {error.context or ''} {error.problem or ''}") from error
    except yaml.YAMLError as error:
        raise RulesError(f"{path}: is not YAML: {' '.join(str(error).split())}") from error
    if node is None:
        node = yaml.MappingNode("tag:yaml.org,2002:map", [], yaml.Mark(str(path), 0, 0, 0, None, 0), None)
    return Entry(node, str(path))
