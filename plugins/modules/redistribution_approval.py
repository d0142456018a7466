#!/usr/bin/python
# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action of the same name, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: redistribution_approval
short_description: Approve or reject a redistribution plan
description:
  - Records in the status table who decided what about a plan, how and why. An approval is for exactly one digest, and for one performance.
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
  decision:
    description:
      - V(approved) and V(rejected) are a person's decision.
      - V(policy) approves when O(policy) allows it, and leaves the plan as it is otherwise; RV(reason) says why not.
    type: str
    choices: [approved, rejected, policy]
    required: true
  how:
    description: The way of the decision, for the record, for example V(terminal), V(digest) or V(workflow).
    type: str
    default: digest
  who:
    description: Who decided. By default the user that runs the playbook.
    type: str
  reason:
    description: Why.
    type: str
    default: ""
  policy:
    description:
      - When plans are approved without a person. Every condition that is given must hold; without O(policy.max_hosts) nothing is approved.
    type: dict
    suboptions:
      max_hosts:
        description: The most recipients that a plan may have.
        type: int
      failure_types:
        description: The failure types that its recipients may have, with wildcards. Without it, any.
        type: list
        elements: str
      windows:
        description: When plans may be approved. Without it, at any time.
        type: list
        elements: dict
        suboptions:
          days:
            description: Weekdays on which the window begins. Without it, all.
            type: list
            elements: str
          from:
            description: When it begins, as in V(22:00).
            type: str
            required: true
          to:
            description: When it ends. A time that is not later than O(policy.windows[].from) is one of the next day.
            type: str
            required: true
          time_zone:
            description: The time zone of both, as in V(Europe/Berlin).
            type: str
            required: true
      fetch:
        description: Whether a plan may fetch something from the controller.
        type: bool
        default: false
seealso:
  - module: fleetcast.core.redistribution_plan
"""

EXAMPLES = r"""
- name: Approve a plan by its digest
  fleetcast.core.redistribution_approval:
    plan: 7df5e938b3c301d70842bf9858b396e4ff570aa9a9263bcee86a11b4f7849e4c
    decision: approved
  run_once: true

- name: Reject it
  fleetcast.core.redistribution_approval:
    plan: 7df5e938b3c301d70842bf9858b396e4ff570aa9a9263bcee86a11b4f7849e4c
    decision: rejected
    reason: not during the fair
  run_once: true

- name: Approve what is small and comes at night
  fleetcast.core.redistribution_approval:
    plan: 7df5e938b3c301d70842bf9858b396e4ff570aa9a9263bcee86a11b4f7849e4c
    decision: policy
    policy:
      max_hosts: 5
      failure_types: ["unreachable*", disk_full]
      windows:
        - {from: "22:00", to: "05:00", time_zone: Europe/Berlin}
  run_once: true
"""

RETURN = r"""
decision:
  description: V(approved), V(rejected), or V(none) when the policy leaves it to a person.
  returned: success
  type: str
reason:
  description: Why.
  returned: success
  type: str
who:
  description: Who decided.
  returned: success
  type: str
how:
  description: The way of the decision.
  returned: success
  type: str
"""
