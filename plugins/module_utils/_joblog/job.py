# Copyright (c) 2026 The fleetcast authors
# SPDX-License-Identifier: BSD-2-Clause
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
"""What a job is: the commands as a distribution server received them, as data, checked before they are kept."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from typing import Any, Mapping

from .._artifact.errors import ArtifactError
from .._artifact.manifest import Manifest
from .errors import JobError
from .records import canonical

#: Version of the job's form, kept in every log.
FORMAT = 1
_IDENTIFIER = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}\Z")
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")

#: States after which nobody has to come back to a recipient: it has the artifact, or a newer distribution took over.
DONE = ("succeeded", "already_installed", "suppressed")
#: What may be recorded of a recipient: the states of an attempt in the status table.
STATUSES = (
    "pending",
    "dispatched",
    "transferring",
    "installing",
    "verifying",
    *DONE,
    "canceled",
    "unreachable",
    "failed",
    "timed_out",
    "unknown",
)
_RESULT = {"status": str, "detail": str, "bytes_multicast": int, "bytes_unicast": int, "version": str}


def identifier(value: str) -> str:
    """The identifier of a distribution, which becomes the name of a directory."""
    if not _IDENTIFIER.match(value):
        raise JobError(f"{value!r} is no identifier of a distribution: give the one that distribution_start returned")
    return value


def checked_job(values: Any) -> dict[str, Any]:
    """The job with exactly the keys that the format has. Raises `JobError` naming what is missing or of the wrong kind."""
    _only(values, "the job", ("name", "parameters", "install", "recipients", "packages"))
    recipients = [_recipient(entry) for entry in _take(values, "the job", "recipients", list)]
    packages = [_package(entry) for entry in _take(values, "the job", "packages", list)]
    names = [recipient["name"] for recipient in recipients]
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if not recipients or twice:
        raise JobError(f"the job names recipients twice: {', '.join(twice)}" if twice else "the job has no recipients")
    if len(packages) != 1:
        raise JobError(f"a job distributes one artifact, the one that its distribution names, and not {len(packages)}: put several files into a directory")
    return {
        "name": _take(values, "the job", "name", str),
        "parameters": _take(values, "the job", "parameters", dict),
        "install": _take(values, "the job", "install", dict),
        "recipients": recipients,
        "packages": packages,
    }


def digest_of(job: Mapping[str, Any]) -> str:
    """SHA-256 of the job's canonical form."""
    return hashlib.sha256(canonical(job)).hexdigest()


def checked_results(values: Any) -> dict[str, dict[str, Any]]:
    """Results by recipient. Raises `JobError` naming what is wrong."""
    if not isinstance(values, dict):
        raise JobError("results must be a dictionary by recipient")
    return {host: _result(host, result) for host, result in values.items()}


def _result(host: str, values: Any) -> dict[str, Any]:
    what = f"the result of {host}"
    _only(values, what, tuple(_RESULT))
    if values.get("status") not in STATUSES:
        raise JobError(f"{what} has the status {values.get('status')!r}; it must be one of {', '.join(STATUSES)}")
    return {key: _take(values, what, key, kind) for key, kind in _RESULT.items() if values.get(key) is not None}


def _recipient(values: Any) -> dict[str, Any]:
    _only(values, "a recipient", ("name", "dest", "commands"))
    name = _take(values, "a recipient", "name", str)
    return {"name": name, "dest": _take(values, name, "dest", str), "commands": _take(values, name, "commands", dict) if "commands" in values else {}}


def _package(values: Any) -> dict[str, Any]:
    _only(values, "a package", ("path", "manifest", "digest", "size"))
    path = _take(values, "a package", "path", str)
    if not path.startswith("/"):
        raise JobError(f"the package {path} must be named by its full path on this server")
    package = {
        "path": path,
        "manifest": _take(values, path, "manifest", str),
        "digest": _take(values, path, "digest", str),
        "size": _take(values, path, "size", int),
    }
    if not _DIGEST.match(package["digest"]):
        raise JobError(f"{path}: its digest is not 64 hexadecimal digits")
    try:
        manifest = Manifest.decode(package["manifest"])
    except ArtifactError as error:
        raise JobError(f"{path}: {error}") from error
    if (manifest.digest, manifest.size) != (package["digest"], package["size"]):
        raise JobError(f"{path}: digest or size are not those of its manifest ({manifest.digest}, {manifest.size} bytes)")
    return package


def _only(values: Any, what: str, keys: tuple[str, ...]) -> None:
    if not isinstance(values, dict):
        raise JobError(f"{what} must be a dictionary with {', '.join(keys)}")
    unknown = sorted(set(values) - set(keys))
    if unknown:
        raise JobError(f"{what} cannot have {', '.join(map(str, unknown))}; it has {', '.join(keys)}")


def _take(values: Mapping[str, Any], what: str, key: str, kind: type) -> Any:
    value = values.get(key)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise JobError(f"{what} must have {key}, a {kind.__name__}")
    return value
