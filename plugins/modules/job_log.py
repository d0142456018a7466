#!/usr/bin/python
# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep the job log of a distribution server."""

from __future__ import annotations

DOCUMENTATION = r"""
module: job_log
short_description: Keep the job log of a distribution server
description:
  - A distribution server keeps, for every distribution that it has to send on, what it was asked to do (commands as data, never as text to run),
    to whom, with which packages, and what came of it. A redistribution is planned from that, without the controller's help.
  - Runs on the distribution server. The logs belong to root, and nobody else can read them, so it needs C(become).
  - Every record is on the disk before the module returns. A power cut leaves at most one torn record, the one that was being written;
    it counts as never written.
  - C(docs/job_log.md) describes the format.
version_added: 0.1.0
author: The fleetcast authors (@fleetcast)
attributes:
  check_mode:
    description: Can run in check_mode and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
options:
  path:
    description: The directory of all job logs of this server.
    type: path
    default: /var/lib/fleetcast/jobs
  distribution:
    description:
      - The distribution's identifier in the status table, as RV(fleetcast.core.distribution_start#module:distribution) says it.
      - Required, except with O(state=pruned).
    type: str
  state:
    description:
      - V(opened) begins the log of O(job). The same job again changes nothing; another job under the same identifier is an error.
      - V(recorded) appends O(results). A result that is the recipient's last one already is not appended again.
      - V(closed) notes that the play came to its end. Results can still be recorded afterwards, as a redistribution does.
      - V(pruned) removes logs by O(max_age) and O(max_bytes), and never one with a recipient that has not got it.
    type: str
    choices: [opened, recorded, closed, pruned]
    required: true
  job:
    description: What this server was asked to do. Required with O(state=opened). It must not hold passwords.
    type: dict
    suboptions:
      name:
        description: The distribution's name in the status table. A newer job of the same name takes over the failures of an older one.
        type: str
        required: true
      parameters:
        description: How to send, for example C(address), C(port), C(rate), C(ttl), C(timeout), named as the options of the role C(push) without C(fleetcast_).
        type: dict
        default: {}
      install:
        description: How to place and to install, as the role C(push) keeps it in the status table, for example C(install), C(mode), C(install_args).
        type: dict
        default: {}
      recipients:
        description: The distribution list of this server.
        type: list
        elements: dict
        required: true
        suboptions:
          name:
            description: The recipient's name in the inventory.
            type: str
            required: true
          dest:
            description: Where the artifact ends on it.
            type: str
            required: true
          commands:
            description: What is not the same for this recipient as in O(job.install).
            type: dict
            default: {}
      packages:
        description: What is sent. One artifact, a file or a directory, since that is what one distribution is.
        type: list
        elements: dict
        required: true
        suboptions:
          path:
            description:
              - Where it lies on this server, in full, as O(fleetcast.core.artifact_info#module:src) takes it.
              - It must keep its name and mode, for they are part of its digest.
            type: str
            required: true
          manifest:
            description: Its manifest.
            type: str
            required: true
          digest:
            description: Its digest.
            type: str
            required: true
          size:
            description: Its size in bytes.
            type: int
            required: true
  results:
    description:
      - By recipient, what came of it. Required with O(state=recorded).
      - Each has C(status), a state of the status table (V(succeeded), V(failed), V(unreachable), ...), and may have C(detail), C(bytes_multicast),
        C(bytes_unicast) and C(version).
      - V(suppressed) gives a recipient up, so that its log can be pruned.
    type: dict
  max_age:
    description: With O(state=pruned), remove logs in which nothing was recorded for longer than this. A number with V(s), V(m), V(h), V(d) or V(w).
    type: str
  max_bytes:
    description:
      - With O(state=pruned), remove the oldest logs until logs and their packages in O(packages_path) take no more than this.
      - A number of bytes, or as in V(20G).
    type: bytes
  packages_path:
    description:
      - With O(state=pruned), the directory whose packages live and die with the job logs. A package elsewhere is never removed.
      - As long as a log is damaged no package is removed, for that log may be about any of them.
    type: path
    default: /var/lib/fleetcast/packages
seealso:
  - module: fleetcast.core.job_log_info
"""

EXAMPLES = r"""
- name: Open the job log before anything is sent
  fleetcast.core.job_log:
    distribution: "{{ distribution.distribution }}"
    state: opened
    job:
      name: tool
      parameters: {address: 239.192.77.77, port: 7777, rate: 200M}
      install: {install: deb, mode: preserve}
      recipients:
        - {name: web1, dest: /var/cache/fleetcast/}
        - {name: web2, dest: /srv/cache/}
      packages:
        - path: /var/lib/fleetcast/packages/7df5e938b3c3/tool_1.2_amd64.deb
          manifest: "{{ artifact.manifest }}"
          digest: "{{ artifact.digest }}"
          size: "{{ artifact.size }}"
  become: true

- name: Keep what came of it
  fleetcast.core.job_log:
    distribution: "{{ distribution.distribution }}"
    state: recorded
    results:
      web1: {status: succeeded, version: "1.2", bytes_multicast: 52428800}
      web2: {status: unreachable, detail: no route to host}
  become: true

- name: Remove what is not needed any more
  fleetcast.core.job_log:
    state: pruned
    max_age: 90d
    max_bytes: 20G
  become: true
"""

RETURN = r"""
path:
  description: The directory of this job's log.
  returned: success, except with O(state=pruned)
  type: str
  sample: /var/lib/fleetcast/jobs/3f2a9c1e-7c7b-4d2e-9d1c-2a8f3e5b6c70
recorded:
  description: The recipients whose result was appended.
  returned: with O(state=recorded)
  type: list
  elements: str
removed:
  description: The distributions whose logs were removed.
  returned: with O(state=pruned)
  type: list
  elements: str
kept:
  description: The distributions whose logs were kept, and why.
  returned: with O(state=pruned)
  type: dict
packages_removed:
  description: Packages that were removed with the last log that named them.
  returned: with O(state=pruned)
  type: list
  elements: str
bytes_left:
  description: Bytes that logs and packages take afterwards.
  returned: with O(state=pruned)
  type: int
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fleetcast.core.plugins.module_utils._joblog.log import DEFAULT_PATH, JobLogs
from ansible_collections.fleetcast.core.plugins.module_utils._joblog.retention import DEFAULT_STORE, prune, seconds
from ansible_collections.fleetcast.core.plugins.module_utils._joblog_module import JOB_OPTION, reporting_errors


def _perform(module: AnsibleModule) -> dict[str, Any]:
    asked = module.params
    logs = JobLogs(asked["path"])
    write = not module.check_mode
    if asked["state"] == "pruned":
        age = None if asked["max_age"] is None else seconds(asked["max_age"])
        pruned = prune(logs, asked["packages_path"], age, asked["max_bytes"], write)
        return {
            "changed": bool(pruned.removed),
            "removed": pruned.removed,
            "kept": pruned.kept,
            "packages_removed": pruned.packages,
            "bytes_left": pruned.bytes_left,
        }
    distribution = asked["distribution"]
    path = logs.folder(distribution)
    if asked["state"] == "opened":
        return {"changed": logs.open(distribution, asked["job"], write), "path": path}
    if asked["state"] == "recorded":
        news = logs.record(distribution, asked["results"], write)
        return {"changed": bool(news), "recorded": news, "path": path}
    return {"changed": logs.close(distribution, write), "path": path}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "default": DEFAULT_PATH},
            "distribution": {"type": "str"},
            "state": {"type": "str", "choices": ["opened", "recorded", "closed", "pruned"], "required": True},
            "job": JOB_OPTION,
            "results": {"type": "dict"},
            "max_age": {"type": "str"},
            "max_bytes": {"type": "bytes"},
            "packages_path": {"type": "path", "default": DEFAULT_STORE},
        },
        required_if=[
            ("state", "opened", ["distribution", "job"]),
            ("state", "recorded", ["distribution", "results"]),
            ("state", "closed", ["distribution"]),
            ("state", "pruned", ["max_age", "max_bytes"], True),
        ],
        supports_check_mode=True,
    )
    with reporting_errors(module):
        result = _perform(module)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
