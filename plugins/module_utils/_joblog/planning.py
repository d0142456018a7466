# Copyright (c) 2026 The fleetcast authors
# SPDX-License-Identifier: BSD-2-Clause
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
"""A plan of redistribution: made from the job log, from the packages that are there, and from what the recipients answer."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta, timezone
from typing import Any, Mapping, NamedTuple, Sequence

from .errors import JobDamagedError, JobError, JobMissingError, LostError
from .job import checked_job, digest_of
from .log import TIME_FORMAT, JobLogs
from .packages import problem_of
from .records import canonical

#: Version of the plan's form.
FORMAT = 1
#: Records of the job log that a redistribution writes.
PLANNED, REJECTED, REDISTRIBUTING, REDISTRIBUTED = "planned", "rejected", "redistributing", "redistributed"

#: What of a job's parameters says how the bytes get to the recipients; the rest are time limits, in seconds.
NETWORK = ("transport", "address", "port", "feedback_port", "interface", "sender_interface", "source", "ttl", "rate")
LIMITS = ("wait_timeout", "ready_timeout", "timeout", "host_timeout")

COMPLETE, UNREACHED = "complete", "unreached"


class Controller(NamedTuple):
    """What the controller can give back, if the plan may fetch from it: the job, and the path of the package there (each None: it cannot)."""

    job: Mapping[str, Any] | None
    src: str | None


class Request(NamedTuple):
    """What is to be planned.

    ``answers``: by recipient, ``state`` (complete, partial, absent, unreached, failed), ``missing_bytes``, ``installed``, ``detail``.
    ``only``: the recipients that somebody chose, None for all. ``controller``: None when nothing may be fetched.
    """

    distribution: str
    server: str
    answers: Mapping[str, Mapping[str, Any]]
    only: Sequence[str] | None
    drop_unreached: bool
    validity_seconds: int
    controller: Controller | None


class Plan(NamedTuple):
    """A plan and what it came from. ``left_out``: recipient -> why. ``completed``: recipients that turned out to have everything."""

    values: dict[str, Any]
    left_out: dict[str, str]
    completed: list[str]

    @property
    def document(self) -> bytes:
        """The canonical form, that the digest is of."""
        return canonical(self.values)

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.document).hexdigest()


def make_plan(logs: JobLogs, request: Request) -> Plan:
    """
    :raises LostError: job log or package are missing or damaged, and nothing may be fetched, or the controller has not got it.
    :raises JobError: ``only`` names somebody who is not in the distribution list.
    """
    job, fetch_job = _job(logs, request)
    package = job["packages"][0]
    fetch_package = _fetch_package(package, request)
    recipients, left_out, completed = _recipients(job, request)
    sizes = {one["name"]: one["missing_bytes"] for one in recipients}
    parameters = job["parameters"]
    now = datetime.now(timezone.utc)
    commands: list[dict[str, Any]] = []
    if fetch_job:
        commands.append({"do": "fetch_job_log", "job_digest": digest_of(job)})
    if fetch_package:
        commands.append(fetch_package)
    receiving = [one["name"] for one in recipients if one["missing_bytes"]]
    if receiving:
        commands.append(
            {
                "do": "send",
                "src": package["path"],
                "digest": package["digest"],
                "network": {key: parameters[key] for key in NETWORK if key in parameters},
                "limits": {key: parameters[key] for key in LIMITS if key in parameters},
                "to": receiving,
                "bytes": max(sizes.values()),
            }
        )
    commands.extend({"do": "place_and_install", "on": one["name"], "commands": one["commands"]} for one in recipients)
    return Plan(
        {
            "format": FORMAT,
            "distribution": request.distribution,
            "name": job["name"],
            "server": request.server,
            "job_digest": digest_of(job),
            "package": {key: package[key] for key in ("path", "digest", "size")},
            "made_at": now.strftime(TIME_FORMAT),
            "expires_at": (now + timedelta(seconds=request.validity_seconds)).strftime(TIME_FORMAT),
            "recipients": [{"name": one["name"], "missing_bytes": one["missing_bytes"], "state": one["state"]} for one in recipients],
            "commands": commands,
        },
        left_out,
        completed,
    )


def _job(logs: JobLogs, request: Request) -> tuple[dict[str, Any], bool]:
    """The job, and whether it has to be fetched because this server's log of it is lost."""
    try:
        return logs.read(request.distribution).job, False
    except (JobMissingError, JobDamagedError) as error:
        lost = str(error)
    if request.controller is None:
        raise LostError(
            f"{lost}. Without it nothing can be planned here. The job can be fetched from the controller, as a step of a plan that has to be approved: "
            "fleetcast_redistribute_fetch=true",
            [lost],
        )
    if request.controller.job is None:
        raise LostError(f"{lost}; and the controller's status table does not know this distribution either, so nothing can be planned", [lost])
    return checked_job(dict(request.controller.job)), True


def _fetch_package(package: Mapping[str, Any], request: Request) -> dict[str, Any] | None:
    """The command that brings a package which is lost, or None when it is there and whole."""
    problem = problem_of(package)
    if not problem:
        return None
    if request.controller is None:
        raise LostError(
            f"{problem}. The package {package['path']} ({package['size']} bytes, digest {package['digest']}) is needed. It can be fetched from the controller, "
            "as a step of a plan that has to be approved: fleetcast_redistribute_fetch=true",
            [problem],
        )
    if request.controller.src is None:
        raise LostError(f"{problem}; and where the controller has it is not known: give its path there, fleetcast_redistribute_src", [problem])
    return {
        "do": "fetch_package",
        "src": request.controller.src,
        "dest": package["path"],
        "digest": package["digest"],
        "bytes": package["size"],
        "why": problem,
    }


def _recipients(job: Mapping[str, Any], request: Request) -> tuple[list[dict[str, Any]], dict[str, str], list[str]]:
    known = [recipient["name"] for recipient in job["recipients"]]
    strangers = sorted((set(request.only or ()) | set(request.answers)) - set(known))
    if strangers:
        raise JobError(f"{', '.join(strangers)}: not in the distribution list of job {request.distribution}, which has {', '.join(known)}")
    size = job["packages"][0]["size"]
    kept: list[dict[str, Any]] = []
    left_out: dict[str, str] = {}
    completed: list[str] = []
    for recipient in job["recipients"]:
        name = recipient["name"]
        answer = request.answers.get(name)
        if answer is None:
            continue
        commands = {**job["install"], **recipient["commands"], "src": job["packages"][0]["path"], "sender": request.server, "dest": recipient["dest"]}
        state = answer["state"]
        if state == COMPLETE and (commands.get("install", "none") == "none" or answer.get("installed")):
            left_out[name] = "has it"
            completed.append(name)
        elif state == UNREACHED and request.drop_unreached:
            left_out[name] = f"not reached: {answer.get('detail') or 'it does not answer'}"
        elif request.only is not None and name not in request.only:
            left_out[name] = "not chosen"
        else:
            # Of a host that does not answer it is not known what it lacks: at most all of it.
            missing = answer.get("missing_bytes")
            kept.append({"name": name, "state": state, "missing_bytes": size if missing is None else missing, "commands": commands})
    return kept, left_out, completed


def render(plan: Plan) -> str:
    """The plan for people: every command, for whom, and how many bytes."""
    values = plan.values
    states = {one["name"]: one for one in values["recipients"]}
    lines = [
        f"Plan {plan.digest}",
        f"{values['name']} (distribution {values['distribution']}), to be performed by {values['server']} before {_short(values['expires_at'])} UTC",
    ]
    for number, command in enumerate(values["commands"], 1):
        lines.append(f"{number:3}. " + _line(command, values, states))
    fetched = sum(command["bytes"] for command in values["commands"] if command["do"] == "fetch_package")
    lines.append(f"Package bytes from the controller: {fetched}")
    lines += [f"Left out: {name}, {why}" for name, why in plan.left_out.items()]
    return "\n".join(lines)


def _short(at: str) -> str:
    return at[:16].replace("T", " ")


def _line(command: Mapping[str, Any], values: Mapping[str, Any], states: Mapping[str, Mapping[str, Any]]) -> str:
    if command["do"] == "fetch_job_log":
        return f"controller -> {values['server']}: the job, of which the log is lost (sha256 {command['job_digest']})"
    if command["do"] == "fetch_package":
        return f"controller -> {values['server']}: {command['src']} as {command['dest']}, {command['bytes']} bytes, because {command['why']}"
    if command["do"] == "send":
        network = ", ".join(f"{key} {value}" for key, value in command["network"].items() if value not in ("", 0))
        return (
            f"{values['server']}: send {command['src']} (digest {command['digest'][:12]}), {command['bytes']} bytes, to {', '.join(command['to'])}; {network}"
        )
    asked = command["commands"]
    lacks = states[command["on"]]
    state = "not reached, lacks at most" if lacks["state"] == UNREACHED else "lacks"
    shown = ", ".join(
        f"{key} {_shown(value)}"
        for key, value in sorted(asked.items())
        if key not in ("src", "sender", "sender_become", "dest") and value not in ("", [], None)
    )
    return f"{command['on']} ({state} {lacks['missing_bytes']} bytes): place at {asked['dest']}; {shown}"


def _shown(value: Any) -> str:
    return " ".join(map(repr, value)) if isinstance(value, list) else str(value)
