# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the callback `distribution_status`, resolved the same way for the callback and for the actions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.plugins.loader import callback_loader

from .text import plain

CALLBACK = "fleetcast.core.distribution_status"
_VARIABLE = "fleetcast_db_url"


def database_url(variables: Mapping[str, Any], template: Callable[[Any], Any]) -> str:
    """The URL of the status table for a host's variables: variable, environment, ansible.cfg, default, in this order.

    `template` resolves a value that is itself a template (a password from a vault). The result may hold a password.
    """
    # Loading the class makes Ansible read the option's definition, which is not there yet when the callback is not enabled. The name under
    # which Ansible keeps definitions differs from core to core.
    plugin = callback_loader.get(CALLBACK, class_only=True)
    known = {_VARIABLE: plain(template(variables[_VARIABLE]))} if variables.get(_VARIABLE) else {}
    configured = constants.config.get_config_value("db_url", plugin_type="callback", plugin_name=plugin._load_name, variables=known)
    return str(configured) if configured else f"sqlite:///{Path(constants.ANSIBLE_HOME).expanduser() / 'fleetcast' / 'status.db'}"


def how_to_enable() -> str:
    """What to write where, so that Ansible calls the callback: as exact as the settings in force allow."""
    enabled, origin = constants.config.get_config_value_and_origin("CALLBACKS_ENABLED")
    names = ",".join([*(str(name) for name in enabled or ()), CALLBACK])
    if str(origin).startswith("env"):
        return f"the environment variable ANSIBLE_CALLBACKS_ENABLED is set and wins over ansible.cfg: set it to\n  ANSIBLE_CALLBACKS_ENABLED={names}"
    file = constants.CONFIG_FILE or "ansible.cfg beside the playbook (there is none yet)"
    return f"put the line\n  callbacks_enabled = {names}\ninto the section [defaults] of {file},\nor set ANSIBLE_CALLBACKS_ENABLED={names} in the environment"
