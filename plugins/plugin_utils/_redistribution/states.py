# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The states of a failure record and of a redistribution plan, and which change into which.

::

    failure record   open -> ticketed -> redistributing -> resolved -> regressed -> (as open)
                     redistributing -> open | ticketed       any but resolved -> resolved
    plan             proposed -> approved | rejected | expired      approved -> running | rejected | expired
                     running -> finished* | unfinished*

A plan's state with a star, and `rejected` and `expired`, never change.
"""

from __future__ import annotations

OPEN = "open"
TICKETED = "ticketed"
REDISTRIBUTING = "redistributing"
RESOLVED = "resolved"
REGRESSED = "regressed"

FAILURE_STATES = (OPEN, TICKETED, REDISTRIBUTING, RESOLVED, REGRESSED)
#: Somebody still lacks something.
UNRESOLVED = (OPEN, TICKETED, REDISTRIBUTING, REGRESSED)

#: state of a record -> the states from which it is reached; `open` also from nothing.
FAILURE_PREDECESSORS: dict[str, tuple[str, ...]] = {
    OPEN: (REDISTRIBUTING,),
    TICKETED: (OPEN, REGRESSED, REDISTRIBUTING),
    REDISTRIBUTING: (OPEN, TICKETED, REGRESSED),
    RESOLVED: UNRESOLVED,
    REGRESSED: (RESOLVED,),
}

PROPOSED = "proposed"
APPROVED = "approved"
REJECTED = "rejected"
EXPIRED = "expired"
RUNNING = "running"
FINISHED = "finished"
UNFINISHED = "unfinished"

PLAN_STATES = (PROPOSED, APPROVED, REJECTED, EXPIRED, RUNNING, FINISHED, UNFINISHED)
PLAN_PREDECESSORS: dict[str, tuple[str, ...]] = {
    APPROVED: (PROPOSED,),
    REJECTED: (PROPOSED, APPROVED),
    EXPIRED: (PROPOSED, APPROVED),
    RUNNING: (APPROVED,),
    FINISHED: (RUNNING,),
    UNFINISHED: (RUNNING,),
}
