# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sending after the play's end, in a process of its own: ansible-playbook does not wait for a mail server that takes its time.

The child holds nothing of the terminal, ends by itself within its time limit, and what it did not manage waits for the next run.
"""

from __future__ import annotations

import json
import os
import select
import signal
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from .outbox import Delivery

#: The system's clock does not take more (about three years).
_LONGEST_SECONDS = 1e8


def send_behind(deliver: Callable[[], Delivery], limit_seconds: float, grace_seconds: float, wait_seconds: float) -> Delivery | str | None:
    """Run `deliver` in a child process, and look at what it came to within `wait_seconds`.

    The system ends the child when it takes `grace_seconds` longer than its limit. It must be more than a mail that is just being sent can take:
    one that is always cut off in the middle would never be delivered, nor ever be dead.

    Returns the delivery, or the words of the error that ended it, or None when it goes on behind us.

    :raises OSError: when there is no child to be had.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _be_child(deliver, min(limit_seconds + grace_seconds, _LONGEST_SECONDS), reading, writing)
    os.close(writing)
    try:
        answer = _read(reading, wait_seconds)
    finally:
        os.close(reading)
    if answer is None:
        return None
    os.waitpid(child, 0)
    if "error" in answer:
        return str(answer["error"])
    return Delivery(**answer)


def _be_child(deliver: Callable[[], Delivery], longest_seconds: float, reading: int, writing: int) -> None:
    """The child's whole life; never returns."""
    code = 1
    try:
        os.setsid()
        # Whoever reads what ansible-playbook prints must see its end when that ends.
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nowhere, stream)
        os.close(reading)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
            signal.signal(number, signal.SIG_DFL)
        # Parent gone: writing the answer must not end us before the verdicts are in the database.
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        signal.setitimer(signal.ITIMER_REAL, longest_seconds)
        try:
            answer: dict[str, Any] = asdict(deliver())
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        code = 0
        os.write(writing, json.dumps(answer).encode())
    finally:
        os._exit(code)


def _read(descriptor: int, wait_seconds: float) -> dict[str, Any] | None:
    """What the child wrote, if it did within the time."""
    data = b""
    ends = time.monotonic() + wait_seconds
    # Not select(), which takes no descriptor above 1023: a play with as many forks has those.
    ready = select.poll()
    ready.register(descriptor, select.POLLIN)
    while True:
        if not ready.poll(1000 * max(0.0, ends - time.monotonic())):
            return None
        piece = os.read(descriptor, 65536)
        if not piece:
            return json.loads(data) if data else {"error": "the sending process ended without a word"}
        data += piece
