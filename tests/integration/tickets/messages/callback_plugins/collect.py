# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write every failed or unreachable result of a play as a line of JSON: the scene's tag says what it must be taken for."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: collect
type: aggregate
short_description: Write failed results as lines of JSON
description: Used once to collect the messages on which the failure types are tested.
"""

_LEFT_OUT = ("invocation", "stdout_lines", "stderr_lines", "diff", "start", "end", "delta")


class CallbackModule(CallbackBase):  # type: ignore[misc]  # Ansible has no types
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "collect"

    def _write(self, result: Any, kind: str) -> None:
        task = result.task
        expected = [str(tag)[7:] for tag in task.tags if str(tag).startswith("expect_")]
        fields = {key: value for key, value in result.result.items() if key not in _LEFT_OUT and not key.startswith("_")}
        line = {
            "scene": f"{task.get_name()} ({result.host.get_name()})",
            "expect": expected[0] if expected else "?",
            "kind": kind,
            "module": str(task.resolved_action),
            "result": fields,
        }
        with Path(os.environ["COLLECT_FILE"]).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._write(result, "failed")

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._write(result, "unreachable")
