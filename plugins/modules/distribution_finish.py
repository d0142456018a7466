#!/usr/bin/python
# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action of the same name, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: distribution_finish
short_description: End what a play has open of a distribution
description:
  - Ends the attempts of this play that are still open. A host whose last news was a failure has V(failed) or is V(unreachable),
    one that was never begun is V(canceled) with the code V(never_started), any other is V(unknown).
  - Closes the distribution when no host of it is open any more.
  - Without this task the callback P(fleetcast.core.distribution_status#callback) does the same at the end of the playbook.
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
    description: The identifier that M(fleetcast.core.distribution_start) returned. It may be empty in check mode.
    type: str
  hosts:
    description: The hosts whose part is over. With C(serial), those of the batch. Without it, all that this play has open.
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: End the distribution for this batch
  fleetcast.core.distribution_finish:
    distribution: "{{ distribution.distribution }}"
    hosts: "{{ ansible_play_batch }}"
  run_once: true
  register: outcome
"""

RETURN = r"""
status:
  description: The state of the distribution.
  returned: success
  type: str
counts:
  description: For each state the number of the distribution's hosts, without zeros. They sum up to RV(total_hosts).
  returned: success
  type: dict
total_hosts:
  description: The number of the distribution's hosts.
  returned: success
  type: int
completed:
  description: The number of the distribution's hosts that have what was sent.
  returned: success
  type: int
not_completed:
  description: Those of O(hosts), or of all hosts, that are not known to have what was sent.
  returned: success
  type: list
  elements: str
"""
