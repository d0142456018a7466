# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the event sources have in common: an event that Ansible cannot take for a template. Loaded by its path, as ansible-rulebook loads a source.

ansible-rulebook hands an event to a playbook as an extra variable, and Ansible evaluates templates in extra variables. An alert that says
`{{ lookup('pipe', ...) }}` would run a program on the controller. So what came is passed on in base64, for `error_alert`, and the plain values
beside it, for conditions, hold nothing that begins a template.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

#: The key with what came, for the option `event` of error_alert.
KEY = "fleetcast_alert"
_BEGINS_TEMPLATE = re.compile(r"\{(?=[{%#])")
#: Jinja's delimiters can be replaced by a first line that begins with this.
_OVERRIDE = "#jinja2:"


def event(form: str, content: bytes, plain: Mapping[str, Any]) -> dict[str, Any]:
    """An event with the plain values, and with what came, of a format of error_alert."""
    return {**harmless(plain), KEY: f"{form}:{base64.b64encode(content).decode('ascii')}"}


def harmless(value: Any) -> Any:
    """The value with a space in everything that Ansible would take for the beginning of a template."""
    if isinstance(value, str):
        text = _BEGINS_TEMPLATE.sub("{ ", value)
        return f" {text}" if text.startswith(_OVERRIDE) else text
    if isinstance(value, Mapping):
        return {harmless(key): harmless(item) for key, item in value.items()}
    return [harmless(item) for item in value] if isinstance(value, list) else value
