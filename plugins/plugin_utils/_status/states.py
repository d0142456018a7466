# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The states of a distribution and of an attempt, and which change into which.

::

    distribution   approved -> running -> finished* | canceled*
    attempt        pending -> dispatched -> transferring -> installing -> verifying -> succeeded*
                   pending -> already_installed* | suppressed* | canceled*
                   dispatched -> unreachable*    any active -> failed* | timed_out* | canceled*    lease expired -> unknown*

A state with a star is terminal and never changes.
"""

from __future__ import annotations

PENDING = "pending"
DISPATCHED = "dispatched"
TRANSFERRING = "transferring"
INSTALLING = "installing"
VERIFYING = "verifying"
SUCCEEDED = "succeeded"
ALREADY_INSTALLED = "already_installed"
SUPPRESSED = "suppressed"
CANCELED = "canceled"
UNREACHABLE = "unreachable"
FAILED = "failed"
TIMED_OUT = "timed_out"
UNKNOWN = "unknown"

#: Work in hand, in its order.
ACTIVE = (DISPATCHED, TRANSFERRING, INSTALLING, VERIFYING)
#: Known to have what was sent.
COMPLETED = (SUCCEEDED, ALREADY_INSTALLED)
TERMINAL = (SUCCEEDED, ALREADY_INSTALLED, SUPPRESSED, CANCELED, UNREACHABLE, FAILED, TIMED_OUT, UNKNOWN)
OPEN = (PENDING, *ACTIVE)
ATTEMPT_STATES = OPEN + TERMINAL
#: Neither completed nor superseded by a newer distribution: what a catch-up is for.
NOT_COMPLETED = tuple(state for state in ATTEMPT_STATES if state not in (*COMPLETED, SUPPRESSED))

#: state -> the states from which it may be reached in one step.
PREDECESSORS: dict[str, tuple[str, ...]] = {
    DISPATCHED: (PENDING,),
    TRANSFERRING: (DISPATCHED,),
    INSTALLING: (TRANSFERRING,),
    VERIFYING: (INSTALLING,),
    SUCCEEDED: (VERIFYING,),
    ALREADY_INSTALLED: (PENDING,),
    SUPPRESSED: (PENDING,),
    CANCELED: OPEN,
    UNREACHABLE: (DISPATCHED,),
    FAILED: ACTIVE,
    TIMED_OUT: ACTIVE,
    UNKNOWN: OPEN,
}
#: What a play may report of a host. `unknown` and `suppressed` are conclusions of the table itself.
REPORTABLE = (*ACTIVE, SUCCEEDED, ALREADY_INSTALLED, CANCELED, UNREACHABLE, FAILED, TIMED_OUT)

# Codes that the table and the callback give by themselves; modules and roles have more of their own.
RUN_DIED = "run_died"
LEASE_EXPIRED = "lease_expired"
NEVER_STARTED = "never_started"
NOT_FINISHED = "not_finished"
TASK_FAILED = "task_failed"
HOST_UNREACHABLE = "unreachable"
SUPERSEDED = "superseded"

APPROVED = "approved"
RUNNING = "running"
FINISHED = "finished"
DISTRIBUTION_STATES = (APPROVED, RUNNING, FINISHED, CANCELED)


def path(current: str, wanted: str) -> tuple[str, ...] | None:
    """The states to go through from `current` to `wanted`, `wanted` last; None when there is no legal way.

    Work states that a job has no use for (a plain file is not installed) are walked through, each with its event. The one
    way that the diagram has and a report has not: success from `pending`, for nobody said that anything was sent there.
    """
    if wanted == SUCCEEDED and current == PENDING:
        return None
    walked: list[str] = []
    state = current
    while state not in PREDECESSORS.get(wanted, ()):
        following = OPEN.index(state) + 1 if state in OPEN else len(OPEN)
        if following == len(OPEN):
            return None
        state = OPEN[following]
        walked.append(state)
    return (*walked, wanted)
