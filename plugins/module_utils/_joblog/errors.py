# Copyright (c) 2026 The fleetcast authors
# SPDX-License-Identifier: BSD-2-Clause
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
"""What can be wrong with a job log. Messages name the log, what is lost, and the way out."""

from __future__ import annotations


class JobLogError(Exception):
    """Base of everything that this package raises on purpose."""


class JobError(JobLogError):
    """What was given as a job, a result or an identifier is not one."""


class JobMissingError(JobLogError):
    """There is no log of this distribution here."""


class JobConflictError(JobLogError):
    """Another job has this identifier."""


class JobDamagedError(JobLogError):
    """A record that was complete once is not readable any more."""


class JobBusyError(JobLogError):
    """Another process holds the logs for longer than is waited."""


class LostError(JobLogError):
    """Something that a redistribution needs is not on this server any more. ``lost`` says what, one text for each thing."""

    def __init__(self, message: str, lost: list[str]) -> None:
        super().__init__(message)
        self.lost = lost


class PlanRefusedError(JobLogError):
    """A plan that must not be performed: not approved, expired, edited, spent, or what it builds on has changed."""
