# Copyright (c) 2026 The fleetcast authors
# SPDX-License-Identifier: BSD-2-Clause
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
"""What the two ends of a multicast session share as modules: the options that say where it takes place."""

from __future__ import annotations

from typing import Any, Mapping

from ._multicast.interfaces import destination
from ._multicast.session import Network


def network_argument_spec() -> dict[str, dict[str, Any]]:
    """Options of both ends; documented in the fragment ``fleetcast.core.multicast``."""
    return {
        "address": {"type": "str", "default": "239.192.77.77"},
        "transport": {"type": "str", "default": "multicast", "choices": ["multicast", "broadcast"]},
        "port": {"type": "int", "default": 7777},
        "interface": {"type": "str"},
        "source": {"type": "str"},
        "timeout": {"type": "float", "default": 3600},
    }


def network_of(params: Mapping[str, Any]) -> Network:
    """Where the session takes place. :raises EngineError: an option makes no sense, or not on this host; the message names it."""
    group, broadcast = destination(params["address"], params["transport"], params["interface"])
    return Network(
        group=group,
        broadcast=broadcast,
        port=params["port"],
        interface=params["interface"],
        ttl=params.get("ttl", 1),
        source=params["source"],
        feedback_port=params.get("feedback_port", 0),
    )
