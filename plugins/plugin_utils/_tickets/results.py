# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the result of a module says about its failure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: What `no_log` leaves.
HIDDEN = "The output is hidden by no_log."

_TEXT_KEYS = ("msg", "failures", "stderr", "module_stderr", "stdout", "module_stdout")
#: Too long, said elsewhere, or not about the failure.
_NO_FIELDS = (*_TEXT_KEYS, "invocation", "results", "stdout_lines", "stderr_lines", "exception", "diff", "ansible_facts", "warnings", "deprecations", "rc")
#: Items of a loop whose texts are kept.
_ITEMS = 20


def text_of(result: Mapping[str, Any]) -> str:
    """Everything that the failing program said, the message first. Of a loop, what its failed items said."""
    if "censored" in result:
        return HIDDEN
    parts = [part for key in _TEXT_KEYS for part in _texts(result.get(key))]
    items = result.get("results")
    if isinstance(items, list):
        failed = [item for item in items if isinstance(item, Mapping) and (item.get("failed") or item.get("unreachable"))]
        for item in failed[:_ITEMS]:
            label = item.get("_ansible_item_label", item.get(str(item.get("ansible_loop_var", "item")), ""))
            parts.append(f"item {label}: {text_of(item)}" if label != "" and "censored" not in item else text_of(item))
        if len(failed) > _ITEMS:
            parts.append(f"... and {len(failed) - _ITEMS} more items")
    return "\n".join(dict.fromkeys(parts))


def return_code_of(result: Mapping[str, Any]) -> int | None:
    """The return code of the result, or of a loop's first failed item that has one."""
    code = result.get("rc")
    if isinstance(code, int):
        return code
    items = result.get("results")
    if isinstance(items, list):
        for item in items:
            if isinstance(item, Mapping) and item.get("failed") and isinstance(item.get("rc"), int):
                return int(item["rc"])
    return None


def fields_of(result: Mapping[str, Any]) -> dict[str, str]:
    """Further plain values of the result, for the patterns of failure types."""
    if "censored" in result:
        return {}
    return {
        str(key): str(value) for key, value in result.items() if key not in _NO_FIELDS and not str(key).startswith("_") and isinstance(value, (str, int, float))
    }


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value.strip()] if value.strip() else []
    if isinstance(value, (list, tuple)):
        return [text for entry in value for text in _texts(entry)]
    return [str(value)] if isinstance(value, (int, float)) and not isinstance(value, bool) else []
