#!/usr/bin/python
# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Begin and end an approved redistribution on the distribution server that performs it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: redistribution
short_description: Begin and end an approved redistribution on its distribution server
description:
  - Runs on the distribution server that performs the plan, as root. It checks everything once more there, and returns the approved commands as data,
    for the role C(push) to perform with this server as the sender. No package bytes leave the controller, except what the plan itself fetches.
  - A plan is refused when it is not approved, has expired, was changed after it was made, was performed already, or when what it was made from has changed;
    and while another plan is performed for one of its recipients.
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
  plan:
    description: The plan's digest.
    type: str
    required: true
  state:
    description:
      - V(checked) sees whether the plan may be performed, apart from what the plan itself fetches, and opens the job log anew if the plan fetches that.
      - V(started) sees whether it may be performed now, notes that it is, and spends the approval. Failure records become C(redistributing).
        The play holds the plan until it is V(finished), as it holds the attempts at its hosts. When the play ends or dies before that, the plan ends
        with it, as C(unfinished) unless every recipient has it, with the reason, and its failure records are what they were before.
      - V(finished) writes what came of it into the job log, and gives back the failure records that were left without an outcome.
      - V(rejected) writes into the job log who has rejected the plan, and why. Nothing is written where the log is lost.
    type: str
    choices: [checked, started, finished, rejected]
    required: true
  path:
    description: The directory of all job logs of this server.
    type: path
    default: /var/lib/fleetcast/jobs
  distribution:
    description: Set by the action plugin, from the plan.
    type: str
  approval:
    description: Set by the action plugin, from the status table.
    type: dict
  results:
    description: Set by the action plugin, from the status table.
    type: dict
  controller_job:
    description: Set by the action plugin; what the status table knows of the job.
    type: dict
  parameters:
    description: As O(fleetcast.core.redistribution_plan#module:parameters). It must be what it was when the plan was made.
    type: dict
    default: {}
  lease:
    description:
      - With O(state=started), seconds after which the status table gives up a play of which it has heard nothing. Every task of the play renews it.
      - It must be longer than the longest task. The death of a play on the same machine is noticed without it.
    type: int
    default: 3600
seealso:
  - module: fleetcast.core.redistribution_plan
  - module: fleetcast.core.redistribution_approval
"""

EXAMPLES = r"""
- name: Begin what was approved
  fleetcast.core.redistribution:
    plan: 7df5e938b3c301d70842bf9858b396e4ff570aa9a9263bcee86a11b4f7849e4c
    state: started
  delegate_to: depot1
  become: true
  register: begun
"""

RETURN = r"""
plan:
  description: The plan, with its commands as data.
  returned: with O(state=checked) and O(state=started)
  type: dict
manifest:
  description: The package's manifest; null when the job log is still to be fetched, in check mode.
  returned: with O(state=checked) and O(state=started)
  type: str
run:
  description: The run of ansible-playbook that performs the plan from now on; null in check mode and with O(state=checked).
  returned: with O(state=checked) and O(state=started)
  type: str
parameters:
  description: How to send, from the job log.
  returned: with O(state=checked) and O(state=started)
  type: dict
fetch:
  description: The command that brings the package from the controller; null when the plan has none.
  returned: with O(state=checked) and O(state=started)
  type: dict
recorded:
  description: Recipients whose result was written into the job log.
  returned: with O(state=finished)
  type: list
  elements: str
failures:
  description: Recipients of the plan that still have not got it.
  returned: with O(state=finished)
  type: list
  elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fleetcast.core.plugins.module_utils._joblog.approved import begin, check, end, read_plan, reject, restore_job
from ansible_collections.fleetcast.core.plugins.module_utils._joblog.log import DEFAULT_PATH, JobLogs
from ansible_collections.fleetcast.core.plugins.module_utils._joblog_module import reporting_errors


def _perform(module: AnsibleModule) -> dict[str, Any]:
    asked = module.params
    logs = JobLogs(asked["path"])
    write = not module.check_mode
    if asked["state"] == "finished":
        results = asked["results"] or {}
        return {"changed": True, "recorded": end(logs, asked["distribution"], asked["plan"], results) if write else sorted(results)}
    approval = asked["approval"] or {}
    if asked["state"] == "rejected":
        return {"changed": reject(logs, asked["distribution"], asked["plan"], approval, write)}
    values = read_plan(logs, asked["distribution"], asked["plan"], approval)
    starting = asked["state"] == "started"
    log = check(logs, values, asked["plan"], fetching=not starting)
    changed = starting or log is None
    if log is None and write:
        restore_job(logs, values, asked["controller_job"] or {})
        log = logs.read(asked["distribution"])
    if starting and write:
        begin(logs, values, asked["plan"], approval)
    fetch = next((command for command in values["commands"] if command["do"] == "fetch_package"), None)
    return {
        "changed": changed,
        "plan": values,
        "manifest": log.job["packages"][0]["manifest"] if log else None,
        "parameters": log.job["parameters"] if log else {},
        "fetch": fetch,
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "plan": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["checked", "started", "finished", "rejected"], "required": True},
            "path": {"type": "path", "default": DEFAULT_PATH},
            "distribution": {"type": "str"},
            "approval": {"type": "dict"},
            "results": {"type": "dict"},
            "controller_job": {"type": "dict"},
            "parameters": {"type": "dict", "default": {}},
            "lease": {"type": "int", "default": 3600},
        },
        supports_check_mode=True,
    )
    with reporting_errors(module):
        result = _perform(module)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
