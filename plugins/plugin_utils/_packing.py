# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packs a module for the hosts before a task asks for it."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ansible.plugins.action import ActionBase

#: Seconds after which a packing that has not ended is given up: it takes a quarter of one.
_LIMIT = 10.0


@contextmanager
def packed_meanwhile(action: ActionBase, module: str, task_vars: dict[str, Any]) -> Iterator[None]:
    """Pack `module` with all that it imports, beside what is done here. The task that runs it finds it in Ansible's cache of this play.

    Else the first host of that task packs it, on one core, and all others wait.
    """
    packing = multiprocessing.get_context("fork").Process(target=_pack, args=(action, module, task_vars))
    packing.start()
    try:
        yield
    finally:
        packing.join(_LIMIT)
        packing.kill()
        packing.join()


def _pack(action: ActionBase, module: str, task_vars: dict[str, Any]) -> None:
    # All this is this process's own copy. What is packed does not depend on the interpreter, which Ansible would look for on the host.
    delegate = action._task.delegate_to
    host_vars = task_vars["ansible_delegated_vars"][delegate] if delegate else task_vars
    host_vars["ansible_python_interpreter"] = sys.executable
    # Whoever runs the module packs it then, and reports what is wrong with it.
    with suppress(Exception):
        # First the action's own, which this process or the action packs while the other waits, so that two at most are busy beside Ansible.
        for name in (action._task.action, module):
            action._configure_module(module_name=name, module_args={}, task_vars=task_vars)
