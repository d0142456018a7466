# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""This collection's engine: its two ends as processes, without Ansible."""

from __future__ import annotations

import hashlib
import json
import secrets
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.fleetcast.core.plugins.module_utils._artifact.layout import Layout
from ansible_collections.fleetcast.core.plugins.module_utils._multicast import auth

from ...lab.network import HOST_INTERFACE
from .. import engine_ends
from ..cells import Cell
from ..ground import Source
from ..meter import SENDER
from ..results import OK
from .tool import Attempt, Outcome, Tool, run_ends

Job = dict[str, Any]


class Engine(Tool):
    """Modes: auto (it finds the rate), ceiling (the link's rate is given, as to the others)."""

    name = "engine"

    def __init__(self) -> None:
        self._digests: dict[str, list[str]] = {}

    def modes(self, cell: Cell) -> Sequence[str]:
        return ("auto", "ceiling") if cell.rate_mbit else ("auto",)

    def run(self, attempt: Attempt) -> Outcome:
        ground, cell = attempt.ground, attempt.cell
        names = list(ground.hosts)
        key = secrets.token_hex(auth.KEY_BYTES)
        keys = auth.SessionKeys.from_hex(key)
        common: Job = {
            "size": attempt.source.size,
            "layout": {},
            "names": names,
            "section_digests": self._section_digests(attempt.source),
            "limits": {"wait": 60, "ready": 10, "session": attempt.limit_s, "host": 15},
        }
        network = {"group": engine_ends.GROUP, "port": engine_ends.PORT, "gso": cell.offload in ("all", "wire", "gso"), "gro": cell.offload in ("all", "wire")}
        receivers = []
        for index, name in enumerate(names):
            # The process sees the machine's files, and reaches those of the host, on its own file system, through /proc.
            paths = {"part": str(ground.target(name)), "map": str(ground.target(name, "map"))}
            job = {**common, **paths, "end": "receiver", "index": index, "keys": keys.for_receiver(index).to_hex()}
            argv = _job(attempt, name, {**job, "network": {**network, "interface": HOST_INTERFACE}})
            receivers.append(ground.start_in_network(name, argv, attempt.logs / name))
        ground.wait_for_sockets(engine_ends.PORT)
        sender = _job(attempt, SENDER, {
            **common,
            "end": "sender",
            "network": {**network, "interface": ground.lab.interface},
            "files": [(str(attempt.source.path), attempt.source.size)],
            "key": key,
            "ceiling_bits": cell.rate_mbit * 1e6 if attempt.mode == "ceiling" else None,
        })
        outcome = run_ends(attempt, sender, receivers)
        return _judged(outcome, _report(attempt, SENDER), {name: _report(attempt, name) for name in names})

    def _section_digests(self, source: Source) -> list[str]:
        if source.sha256 not in self._digests:
            self._digests = {source.sha256: list(_digests(source, Layout(source.size).section_bytes))}
        return self._digests[source.sha256]


def _digests(source: Source, step: int) -> Iterator[str]:
    with source.path.open("rb") as file:
        while piece := file.read(step):
            yield hashlib.sha256(piece).hexdigest()


def _job(attempt: Attempt, name: str, job: Job) -> list[str]:
    path = attempt.logs / f"{name}.json"
    path.write_text(json.dumps(job), encoding="utf-8")
    return [sys.executable, engine_ends.__file__, str(path)]


def _report(attempt: Attempt, name: str) -> Job:
    text = attempt.log(f"{name}.json.out")
    return dict(json.loads(text)) if text else {}


def _judged(outcome: Outcome, sender: Job, receivers: dict[str, Job]) -> Outcome:
    """The outcome with what the ends report of themselves."""
    if outcome.outcome == OK:
        incomplete = [name for name, report in receivers.items() if not report.get("completed")]
        trouble = sender.get("message") or (f"not completed: {', '.join(incomplete)}" if incomplete else "")
        outcome = replace(outcome, outcome=trouble or OK)
    return replace(
        outcome,
        session_s=round(float(sender.get("seconds", 0)), 3),
        memory_sender_bytes=_bytes(sender),
        memory_receiver_bytes=max(_bytes(report) for report in receivers.values()),
        command="tests/bench/engine_ends.py, as multicast_send and multicast_receive run them",
    )


def _bytes(report: Job) -> int:
    return int(float(report.get("max_rss_mb", 0)) * (1 << 20))


