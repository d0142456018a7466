# Copyright (c) 2026 The fleetcast authors
# SPDX-License-Identifier: BSD-2-Clause
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
"""What the modules that work with the job log share: the job as an option, and errors as failures."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any, Iterator

from ansible.module_utils.basic import AnsibleModule

from ._joblog.errors import JobConflictError, JobDamagedError, JobLogError, JobMissingError, LostError, PlanRefusedError

#: The manifest in it is no secret, but as large as a tree is: this keeps it out of the host's log and out of every result.
_PACKAGE = {
    "path": {"type": "str", "required": True},
    "manifest": {"type": "str", "required": True, "no_log": True},
    "digest": {"type": "str", "required": True},
    "size": {"type": "int", "required": True},
}
_RECIPIENT = {
    "name": {"type": "str", "required": True},
    "dest": {"type": "str", "required": True},
    "commands": {"type": "dict", "default": {}},
}
JOB_OPTION: dict[str, Any] = {
    "type": "dict",
    "options": {
        "name": {"type": "str", "required": True},
        "parameters": {"type": "dict", "default": {}},
        "install": {"type": "dict", "default": {}},
        "recipients": {"type": "list", "elements": "dict", "required": True, "options": _RECIPIENT},
        "packages": {"type": "list", "elements": "dict", "required": True, "options": _PACKAGE},
    },
}
_REASONS = ((JobMissingError, "missing"), (JobDamagedError, "damaged"), (JobConflictError, "conflict"), (PlanRefusedError, "refused"))


@contextmanager
def reporting_errors(module: AnsibleModule) -> Iterator[None]:
    """Turn what the job log raises on purpose into the module's failure; `reason` is a word for programs."""
    try:
        yield
    except LostError as error:
        module.fail_json(msg=str(error), reason="lost", lost=error.lost)
    except JobLogError as error:
        reason = next((word for kind, word in _REASONS if isinstance(error, kind)), "error")
        module.fail_json(msg=str(error), reason=reason)
