# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Event source: alerts that Alertmanager posts to a webhook."""

from __future__ import annotations

import asyncio
import hmac
import json
import runpy
from pathlib import Path
from typing import Any

DOCUMENTATION = r"""
short_description: Alerts that Alertmanager posts to a webhook
description:
  - Listens for Alertmanager's webhook (version 4). Each of its alerts is an event with the alert's values, and with C(fleetcast_alert), the alert
    as it is, for the option O(fleetcast.core.error_alert#module:event) of M(fleetcast.core.error_alert).
  - In the values, C({{) and the like become C({ {). Ansible evaluates templates in events; what comes from outside must not be one.
options:
  host:
    description: The address to listen at.
    type: str
    default: localhost
  port:
    description: The port to listen at.
    type: int
    required: true
  token:
    description: What Alertmanager must send as C(Authorization) with the type C(Bearer). Without it, everybody who reaches the port is heard.
    type: str
"""

EXAMPLES = r"""
- fleetcast.core.alertmanager:
    host: 0.0.0.0
    port: 5001
    token: "{{ alertmanager_token }}"
"""

#: Bytes of a request; Alertmanager's groups of some hundred alerts are far below.
_LIMIT = 4 * 1024 * 1024

_shared = runpy.run_path(str(Path(__file__).with_name("_event.py")))


async def main(queue: asyncio.Queue[Any], args: dict[str, Any]) -> None:
    """Put an event into the queue for each alert, until the task is canceled."""
    from aiohttp import web  # comes with ansible-rulebook

    if not args.get("port"):
        raise ValueError("alertmanager: the option port is missing: where to listen")
    token = str(args.get("token") or "")

    async def receive(request: web.Request) -> web.Response:
        given = request.headers.get("Authorization", "")
        if token and not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            return web.Response(status=401, text="the token is missing or another one\n")
        try:
            body = await request.json()
        except ValueError:
            return web.Response(status=400, text="the body is not JSON\n")
        alerts = body.get("alerts") if isinstance(body, dict) else None
        if not isinstance(alerts, list):
            return web.Response(status=400, text="the body has no list 'alerts'\n")
        for alert in alerts:
            if isinstance(alert, dict):
                await queue.put(_shared["event"]("alertmanager", json.dumps({"alerts": [alert]}).encode(), alert))
        return web.Response(text="taken\n")

    application = web.Application(client_max_size=_LIMIT)
    application.router.add_post("/{path:.*}", receive)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, str(args.get("host", "localhost")), int(args["port"])).start()
    try:
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()
