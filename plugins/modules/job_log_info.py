#!/usr/bin/python
# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the job logs of a distribution server."""

from __future__ import annotations

DOCUMENTATION = r"""
module: job_log_info
short_description: Read the job logs of a distribution server
description:
  - Tells what a distribution server was asked to do, what came of it, and whether its packages are still what they were.
  - Runs on the distribution server, as root. A log that is missing or damaged is reported, not a failure of the module.
version_added: 0.1.0
author: The fleetcast authors (@fleetcast)
attributes:
  check_mode:
    description: Can run in check_mode and return changed status prediction without modifying target.
    support: full
    details: Changes nothing in any case.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
options:
  path:
    description: The directory of all job logs of this server.
    type: path
    default: /var/lib/fleetcast/jobs
  distribution:
    description: The identifier of one distribution. Without it, all are read.
    type: str
  verify:
    description: Whether to read the packages and to compare them with their digests.
    type: bool
    default: false
seealso:
  - module: fleetcast.core.job_log
"""

EXAMPLES = r"""
- name: Read all job logs of this server
  fleetcast.core.job_log_info:
  become: true
  register: logs

- name: Say who has not got what
  ansible.builtin.debug:
    msg: "{{ logs.jobs | map(attribute='distribution') | zip(logs.jobs | map(attribute='failures')) }}"
"""

RETURN = r"""
jobs:
  description: One entry for each log, ordered by identifier. With O(distribution) it has exactly one.
  returned: success
  type: list
  elements: dict
  contains:
    distribution:
      description: The distribution's identifier.
      type: str
      returned: always
    state:
      description: V(ok), V(missing) or V(damaged).
      type: str
      returned: always
    problem:
      description: What is missing or damaged, and what is lost with it; empty when the state is V(ok).
      type: str
      returned: always
    dropped_bytes:
      description: Bytes of a last record that a power cut tore. It counts as never written, and the next record takes its place.
      type: int
      returned: when the state is V(ok)
    opened_at:
      description: When the log was opened, in UTC.
      type: str
      returned: when the state is V(ok)
    changed_at:
      description: When something was recorded last, in UTC.
      type: str
      returned: when the state is V(ok)
    closed_at:
      description: When the play that did this job ended, in UTC; null when it never did.
      type: str
      returned: when the state is V(ok)
    job:
      description: What O(fleetcast.core.job_log#module:job) was, but for its packages.
      type: dict
      returned: when the state is V(ok)
    results:
      description: The last result of each recipient that has one.
      type: dict
      returned: when the state is V(ok)
    failures:
      description: Recipients that are not known to have it, in the order of the distribution list.
      type: list
      elements: str
      returned: when the state is V(ok)
    packages:
      description:
        - For each package C(path), C(manifest), C(digest), C(size), and with O(verify) C(problem), which is empty when it is what it was.
      type: list
      elements: dict
      returned: when the state is V(ok)
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fleetcast.core.plugins.module_utils._joblog.errors import JobDamagedError, JobMissingError
from ansible_collections.fleetcast.core.plugins.module_utils._joblog.log import DEFAULT_PATH, JobLogs
from ansible_collections.fleetcast.core.plugins.module_utils._joblog.packages import problem_of
from ansible_collections.fleetcast.core.plugins.module_utils._joblog_module import reporting_errors


def _describe(logs: JobLogs, distribution: str, verify: bool) -> dict[str, Any]:
    try:
        log = logs.read(distribution)
    except JobMissingError as error:
        return {"distribution": distribution, "state": "missing", "problem": str(error)}
    except JobDamagedError as error:
        return {"distribution": distribution, "state": "damaged", "problem": str(error)}
    packages = [dict(package) for package in log.job["packages"]]
    if verify:
        for shown, package in zip(packages, log.job["packages"]):
            shown["problem"] = problem_of(package)
    return {
        "distribution": distribution,
        "state": "ok",
        "problem": "",
        "dropped_bytes": log.dropped,
        "opened_at": log.opened_at,
        "changed_at": log.changed_at,
        "closed_at": log.closed_at,
        "job": {key: value for key, value in log.job.items() if key != "packages"},
        "results": log.results,
        "failures": log.failures,
        "packages": packages,
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "default": DEFAULT_PATH},
            "distribution": {"type": "str"},
            "verify": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    with reporting_errors(module):
        logs = JobLogs(module.params["path"])
        wanted = [module.params["distribution"]] if module.params["distribution"] else logs.distributions()
        jobs = [_describe(logs, distribution, module.params["verify"]) for distribution in wanted]
    module.exit_json(changed=False, jobs=jobs)


if __name__ == "__main__":
    main()
