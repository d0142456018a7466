# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes in alerts from outside a play: as options, or as what another program wrote, by a mapping."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from ansible_collections.fleetcast.core.plugins.plugin_utils._job_ticket import TicketAction
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets import alert as alerts
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets import mapping
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets.errors import AlertError
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets.mapping import Reading

_TEXTS = ("text", "location", "distribution", "server", "failure_type")
_SOURCES = ["device", "content", "src", "event"]


class ActionModule(TicketAction):
    ARGUMENT_SPEC: ClassVar[dict[str, Any]] = {
        "device": {"type": "str"},
        **{name: {"type": "str", "default": ""} for name in _TEXTS},
        "key": {"type": "str", "default": "", "no_log": False},
        "occurred_at": {"type": "str"},
        "content": {"type": "raw"},
        "src": {"type": "path"},
        "event": {"type": "str"},
        "format": {"type": "str", "default": "json", "choices": list(mapping.FORMATS)},
        "mapping": {"type": "dict", "default": {}},
    }
    REQUIRED: ClassVar[dict[str, Any]] = {"mutually_exclusive": [_SOURCES], "required_one_of": [_SOURCES]}

    def perform(self, arguments: dict[str, Any]) -> dict[str, Any]:
        reading = _read(arguments)
        found = [replace(alert, groups=self._groups(alert.device)) for alert in reading.alerts]
        result: dict[str, Any] = {"alerts": len(found), "skipped": reading.skipped, "unreadable": reading.unreadable}
        if reading.unreadable:
            # After the others are recorded: nobody's mistake is to cost somebody else's alert.
            result.update(failed=True, msg=f"{len(reading.unreadable)} event(s) are no alerts: " + "; ".join(reading.unreadable[:10]))
        if self._task.check_mode:
            self.options.load_rules()
            return {**result, "changed": bool(found), "recorded": 0, "replayed": 0, "opened": []}
        intake = self.desk().take_in(found)
        return {
            **result,
            "changed": intake.recorded > 0,
            "recorded": intake.recorded,
            "replayed": intake.replayed,
            "failure_types": intake.failure_types,
            "opened": intake.opened,
        }

    def _groups(self, device: str) -> tuple[str, ...]:
        """Groups of the inventory that the device is in, if the inventory knows it: thresholds and outages go by them."""
        return tuple(str(group) for group, hosts in self.variables.get("groups", {}).items() if device in hosts)


def _read(arguments: dict[str, Any]) -> Reading:
    """What the options report."""
    reading, form, user_mapping = Reading(), arguments["format"], mapping.checked_mapping(arguments["mapping"])
    if arguments["device"] is not None:
        at = mapping.time_of(arguments["occurred_at"]) if arguments["occurred_at"] else None
        values = {name: arguments[name] for name in _TEXTS if name != "text"}
        key = f"module:{arguments['key']}" if arguments["key"] else ""
        reading.alerts.append(alerts.make(arguments["device"], arguments["text"], key=key, occurred_at=at, source="module", **values))
    elif arguments["event"] is not None:
        reading.read(*_decoded(arguments["event"]), user_mapping)
    elif arguments["src"] is not None:
        for source, content in _files(Path(arguments["src"]).expanduser()):
            reading.read(form, content, user_mapping, source)
    elif isinstance(arguments["content"], str):
        reading.read(form, arguments["content"].encode(), user_mapping)
    else:
        content = arguments["content"]
        if form == "alertmanager" and isinstance(content, dict) and "alerts" in content:
            content = content["alerts"]
        for event in content if isinstance(content, list) else [content]:
            reading.take(form, event, user_mapping)
    return reading


def _decoded(event: str) -> tuple[str, bytes]:
    """Format and content of what an event source of this collection has put into its event."""
    form, _colon, encoded = event.partition(":")
    try:
        content = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        content = b""
    if form not in mapping.FORMATS or not content:
        raise AlertError("event: must be what an event source of this collection has put into its event: {{ ansible_eda.event.fleetcast_alert }}")
    return form, content


def _files(path: Path) -> Iterator[tuple[str, bytes]]:
    """The file, or those of the directory, or of the folders new and cur of a maildir, each with its name."""
    try:
        if path.is_dir():
            folders = [folder for folder in (path / "new", path / "cur") if folder.is_dir()] or [path]
            for file in (file for folder in folders for file in sorted(folder.iterdir()) if file.is_file()):
                yield str(file), file.read_bytes()
        else:
            yield str(path), path.read_bytes()
    except OSError as error:
        raise AlertError(f"src: {path} cannot be read: {error}") from error
