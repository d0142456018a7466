#!/usr/bin/python
# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action of the same name, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ticket_prune
short_description: Remove old job tickets, mails and records from the database
description:
  - Removes what ended longer ago than O(max_age). That is resolved tickets with their mails and alerts, alerts that led to no ticket, resolved failure
    records, and redistribution plans that are over.
  - Never removes a ticket that is open, or with a mail that waits or is dead, or that an unresolved failure record names; nor alerts that may still
    count.
  - Of alerts from outside the key stays, without text, so that a source that is read again does not count again.
  - Distributions and the status of their hosts stay.
version_added: 0.1.0
author: The fleetcast authors (@fleetcast)
extends_documentation_fragment:
  - fleetcast.core.ticket
attributes:
  check_mode:
    description: Can run in check_mode and return changed status prediction without modifying target.
    support: full
    details: Says what would be removed.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
options:
  max_age:
    description:
      - How old what is removed must be, a number with V(s), V(m), V(h), V(d) or V(w), as O(fleetcast.core.job_log#module:max_age).
      - It must be longer than the longest C(window) of the thresholds.
    type: str
    required: true
  show:
    description: Print what was removed.
    type: bool
    default: false
seealso:
  - module: fleetcast.core.job_log
    description: With O(fleetcast.core.job_log#module:state=pruned) it does the same for the job logs of a distribution server.
"""

EXAMPLES = r"""
- name: Keep three months
  fleetcast.core.ticket_prune:
    max_age: 90d
  run_once: true
"""

RETURN = r"""
tickets:
  description: Labels of the tickets that were removed.
  returned: always
  type: list
  elements: str
  sample: [FC-12]
mails:
  description: How many mails were removed with them.
  returned: always
  type: int
alerts:
  description: How many alerts were removed, or reduced to their key.
  returned: always
  type: int
failure_records:
  description: How many failure records were removed.
  returned: always
  type: int
plans:
  description: How many redistribution plans were removed.
  returned: always
  type: int
"""
