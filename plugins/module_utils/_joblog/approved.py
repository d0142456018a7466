# Copyright (c) 2026 The fleetcast authors
# SPDX-License-Identifier: BSD-2-Clause
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
"""Whether a plan may be performed: approved as it stands, still valid, not performed yet, and still about what it was made from."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Mapping

from .errors import JobDamagedError, JobLogError, JobMissingError, PlanRefusedError
from .job import checked_job, digest_of
from .log import LOG_NAME, TIME_FORMAT, JobLog, JobLogs
from .packages import problem_of
from .planning import PLANNED, REDISTRIBUTED, REDISTRIBUTING, REJECTED, Plan


def _file_name(digest: str) -> str:
    return f"plan-{digest}.json"


def keep_plan(logs: JobLogs, plan: Plan) -> str:
    """Put the plan beside the job log, and note it there; returns its path."""
    distribution = plan.values["distribution"]
    path = logs.keep(distribution, _file_name(plan.digest), plan.document)
    # Where there is no log to note it in, the plan is about fetching it.
    with suppress(JobMissingError, JobDamagedError):
        logs.note(distribution, PLANNED, {"plan": plan.digest, "expires_at": plan.values["expires_at"]})
    return path


def read_plan(logs: JobLogs, distribution: str, digest: str, approval: Mapping[str, Any]) -> dict[str, Any]:
    """The plan with this digest, if it is approved and valid.

    :raises PlanRefusedError: with the reason.
    """
    path = Path(logs.folder(distribution)) / _file_name(digest)
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise PlanRefusedError(f"there is no plan {digest} of distribution {distribution} on this server: make a new one") from error
    except OSError as error:
        raise PlanRefusedError(f"the plan {path} cannot be read: {error.strerror}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != digest:
        raise PlanRefusedError(f"the plan {path} was changed after it was made: its digest is {found}. Make a new one, and have that approved")
    if approval.get("decision") != "approved" or approval.get("plan") != digest:
        raise PlanRefusedError(f"the plan {digest} is not approved: {approval.get('reason') or 'there is no approval of exactly this digest'}")
    values: dict[str, Any] = json.loads(content.decode("ascii"))
    expires_at = datetime.strptime(values["expires_at"], TIME_FORMAT).replace(tzinfo=timezone.utc)
    if datetime.now(timezone.utc) > expires_at:
        raise PlanRefusedError(f"the plan {digest} was valid until {values['expires_at']}, by this server's clock it is later: make a new one")
    return values


def check(logs: JobLogs, values: Mapping[str, Any], digest: str, fetching: bool) -> JobLog | None:
    """See whether the plan still is about what it was made from; returns the job log (None: it is one of the things to be fetched).

    :param fetching: what the plan itself fetches need not be there yet.
    :raises PlanRefusedError: with what has changed.
    """
    fetched = [command["do"] for command in values["commands"]] if fetching else []
    try:
        log = logs.read(values["distribution"])
    except (JobMissingError, JobDamagedError) as error:
        if "fetch_job_log" in fetched:
            return None
        raise PlanRefusedError(f"{error}; it was there when the plan {digest} was made: make a new one") from error
    if digest_of(log.job) != values["job_digest"]:
        raise PlanRefusedError(f"the job log of {values['distribution']} is about another job than the plan {digest}: make a new one")
    if any(record.type == REDISTRIBUTING and record.data.get("plan") == digest for record in log.records):
        raise PlanRefusedError(f"the plan {digest} was performed already. An approval is for one time: make a new plan")
    if "fetch_package" not in fetched:
        problem = problem_of(log.job["packages"][0])
        if problem:
            raise PlanRefusedError(f"{problem}. It was whole when the plan {digest} was made: make a new one")
    return log


def restore_job(logs: JobLogs, values: Mapping[str, Any], job: Mapping[str, Any]) -> None:
    """Open the job log anew with the job that the plan fetches; what is left of the old one stays beside it."""
    wanted = checked_job(dict(job))
    if digest_of(wanted) != values["job_digest"]:
        raise PlanRefusedError("the controller's job is not the one that the plan was made with: make a new one")
    old = Path(logs.folder(values["distribution"])) / LOG_NAME
    if old.exists():
        old.rename(old.with_name(f"{LOG_NAME}.damaged-{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}"))
    logs.open(values["distribution"], wanted)


def reject(logs: JobLogs, distribution: str, digest: str, rejection: Mapping[str, Any], write: bool = True) -> bool:
    """Note who rejected the plan, and why; returns whether that is news. Where the log is lost there is nothing to note it in."""
    try:
        log = logs.read(distribution)
    except (JobMissingError, JobDamagedError):
        return False
    if any(record.type == REJECTED and record.data.get("plan") == digest for record in log.records):
        return False
    if write:
        logs.note(distribution, REJECTED, {"plan": digest, "rejection": _kept(rejection)})
    return True


def begin(logs: JobLogs, values: Mapping[str, Any], digest: str, approval: Mapping[str, Any]) -> None:
    """Note that the plan is being performed, and by whose approval. From now on it is spent."""
    logs.note(values["distribution"], REDISTRIBUTING, {"plan": digest, "approval": _kept(approval)})


def _kept(decision: Mapping[str, Any]) -> dict[str, str]:
    return {key: str(decision.get(key) or "") for key in ("who", "how", "reason", "at")}


def end(logs: JobLogs, distribution: str, digest: str, results: Mapping[str, Any]) -> list[str]:
    """Record what came of it; returns the recipients whose result is news."""
    news = logs.record(distribution, results)
    log = logs.read(distribution)
    if not any(record.type == REDISTRIBUTING and record.data.get("plan") == digest for record in log.records):
        raise JobLogError(f"the plan {digest} was never begun on this server")
    if not any(record.type == REDISTRIBUTED and record.data.get("plan") == digest for record in log.records):
        logs.note(distribution, REDISTRIBUTED, {"plan": digest, "failures": [name for name in log.failures if name in results]})
    return news
