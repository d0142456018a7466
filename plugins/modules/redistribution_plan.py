#!/usr/bin/python
# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan a redistribution on the distribution server that it concerns."""

from __future__ import annotations

DOCUMENTATION = r"""
module: redistribution_plan
short_description: Plan to send a distribution again, on the distribution server that failed
description:
  - Runs on the affected distribution server, as root. It reads that server's job log, sees whether the packages are there and whole, takes what the
    recipients answered, and makes a plan of what would be sent to whom, and what would be done there.
  - The plan is canonical JSON, and its SHA-256 is what gets approved. It is kept beside the job log, and recorded in the status table.
    Job tickets about its recipients are given the digest and the command.
  - Nothing is sent. M(fleetcast.core.redistribution_approval) decides, M(fleetcast.core.redistribution) begins.
version_added: 0.1.0
author: The fleetcast authors (@fleetcast)
extends_documentation_fragment:
  - fleetcast.core.status
attributes:
  check_mode:
    description: Can run in check_mode and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
options:
  distribution:
    description: The distribution's identifier, in full.
    type: str
    required: true
  server:
    description: This server's name in the inventory.
    type: str
    required: true
  path:
    description: The directory of all job logs of this server.
    type: path
    default: /var/lib/fleetcast/jobs
  answers:
    description:
      - By recipient, what it answered when it was asked what it lacks. Recipients that are not named here are not in the plan.
      - Each has C(state), which is V(complete), V(partial) or V(absent) as M(fleetcast.core.artifact_missing_info) says it, or V(unreached) or V(failed);
        and may have C(missing_bytes), C(installed) and C(detail).
      - Who has everything, installed if it is to be installed, is left out.
    type: dict
    required: true
  only:
    description: Plan for these recipients only, which somebody chose.
    type: list
    elements: str
  unreached:
    description: Whether recipients that did not answer stay in the plan, with all that they may lack.
    type: str
    choices: [keep, drop]
    default: keep
  validity:
    description: How long the plan can be approved and begun, in seconds.
    type: int
    default: 14400
  fetch:
    description:
      - What to do when the job log or the package are missing or damaged. V(false) fails and says what is lost.
      - V(true) plans to fetch exactly that from the controller. That is a step of the plan, so it is approved with it.
    type: bool
    default: false
  src:
    description: Where the controller has the package. By default where it was when it was distributed to this server.
    type: path
  parameters:
    description: How to send, as O(fleetcast.core.job_log#module:job.parameters), for a job whose log is lost. The status table does not keep that.
    type: dict
    default: {}
  controller_job:
    description: Set by the action plugin; what the status table knows of the job.
    type: dict
seealso:
  - module: fleetcast.core.redistribution_approval
  - module: fleetcast.core.redistribution
"""

EXAMPLES = r"""
# The role redistribute does this, and asks the recipients before.
- name: Plan the redistribution on depot1
  fleetcast.core.redistribution_plan:
    distribution: 3f2a9c1e-7c7b-4d2e-9d1c-2a8f3e5b6c70
    server: depot1
    answers:
      web1: {state: complete, installed: true}
      web2: {state: absent, missing_bytes: 52428800}
  delegate_to: depot1
  become: true
"""

RETURN = r"""
digest:
  description: The plan's SHA-256; null when there is nothing to do.
  returned: success
  type: str
plan:
  description: The plan; null when there is nothing to do.
  returned: success
  type: dict
text:
  description: The plan for people. Every command, for whom, how many bytes.
  returned: success
  type: str
left_out:
  description: Recipients that were asked and are not in the plan, and why.
  returned: success
  type: dict
completed:
  description: Recipients that turned out to have everything.
  returned: success
  type: list
  elements: str
tickets:
  description: Open job tickets that were given the plan.
  returned: success
  type: list
  elements: str
lost:
  description: What is missing or damaged on this server.
  returned: failure, when that is the reason
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fleetcast.core.plugins.module_utils._joblog.approved import keep_plan
from ansible_collections.fleetcast.core.plugins.module_utils._joblog.log import DEFAULT_PATH, JobLogs
from ansible_collections.fleetcast.core.plugins.module_utils._joblog.planning import Controller, Request, make_plan, render
from ansible_collections.fleetcast.core.plugins.module_utils._joblog_module import reporting_errors


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "distribution": {"type": "str", "required": True},
            "server": {"type": "str", "required": True},
            "path": {"type": "path", "default": DEFAULT_PATH},
            "answers": {"type": "dict", "required": True},
            "only": {"type": "list", "elements": "str"},
            "unreached": {"type": "str", "choices": ["keep", "drop"], "default": "keep"},
            "validity": {"type": "int", "default": 14400},
            "fetch": {"type": "bool", "default": False},
            "src": {"type": "path"},
            "parameters": {"type": "dict", "default": {}},
            "controller_job": {"type": "dict"},
        },
        supports_check_mode=True,
    )
    asked = module.params
    with reporting_errors(module):
        logs = JobLogs(asked["path"])
        request = Request(
            distribution=asked["distribution"],
            server=asked["server"],
            answers=asked["answers"],
            only=asked["only"],
            drop_unreached=asked["unreached"] == "drop",
            validity_seconds=asked["validity"],
            controller=Controller(asked["controller_job"], asked["src"]) if asked["fetch"] else None,
        )
        plan = make_plan(logs, request)
        something = bool(plan.values["recipients"])
        if something and not module.check_mode:
            keep_plan(logs, plan)
    module.exit_json(
        changed=something,
        digest=plan.digest if something else None,
        plan=plan.values if something else None,
        text=render(plan) if something else "Nothing to do: every recipient that was asked has it, or was left out.",
        left_out=plan.left_out,
        completed=plan.completed,
    )


if __name__ == "__main__":
    main()
