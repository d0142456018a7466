#!/usr/bin/python
# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action of the same name, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: distribution_record
short_description: Record what became of hosts in the status table
description:
  - Records the states of any number of hosts in one transaction.
  - A state that does not follow from the present one is refused, and the refusal is kept as an event. States in between are walked through,
    each with its event, but V(succeeded) is refused for a host to which nothing was dispatched.
  - V(unreachable) of a host on which the work had begun is recorded as V(failed) with the code V(unreachable).
  - Repeating a report changes nothing, except that the bytes of a state that goes on can be brought up to date.
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
    description:
      - The identifier that M(fleetcast.core.distribution_start) returned.
      - It may be empty in check mode, where a new distribution has none; then all of O(hosts) are accepted.
    type: str
  hosts:
    description:
      - For each host, by its name in the inventory, a dictionary.
      - C(status) is required, one of V(dispatched), V(transferring), V(installing), V(verifying), V(succeeded), V(already_installed),
        V(canceled), V(unreachable), V(failed), V(timed_out).
      - C(code) is a short word for the reason, C(detail) a text of which up to 2000 characters are kept.
      - C(bytes_multicast) and C(bytes_unicast) are the bytes that this attempt has brought to the host so far.
      - C(version) is what is installed, as verified on the host.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Record the verdicts of the sender
  fleetcast.core.distribution_record:
    distribution: "{{ distribution.distribution }}"
    hosts:
      web0001: {status: verifying, bytes_multicast: 209715200}
      web0002: {status: failed, code: disk_full, detail: No space left on device}
  run_once: true
"""

RETURN = r"""
accepted:
  description: Hosts whose report was followed.
  returned: success
  type: list
  elements: str
refused:
  description: Hosts whose report was refused, each with C(status) (what was reported), C(current) (what the table has) and C(reason).
  returned: success
  type: dict
"""
