#!/usr/bin/python
# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action of the same name, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: distribution_status_info
short_description: Read the status table
description:
  - Returns how distributions stand, as data and as text for a terminal.
  - Of a play that has died, it shows what the play left as V(unknown).
version_added: 0.1.0
author: The fleetcast authors (@fleetcast)
extends_documentation_fragment:
  - fleetcast.core.status
  - fleetcast.core.status.reading
attributes:
  check_mode:
    description: Can run in check_mode and return changed status prediction without modifying target.
    support: full
    details: Changes nothing.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
options:
  distribution:
    description: V(last), V(all), or the identifier of a distribution or the first eight or more of its characters.
    type: str
    default: last
  hosts:
    description: Return and show only the rows of these hosts. The counts stay those of all.
    type: list
    elements: str
    default: []
  status:
    description: Return and show only the rows of hosts in these states. The counts stay those of all.
    type: list
    elements: str
    default: []
    choices:
      - pending
      - dispatched
      - transferring
      - installing
      - verifying
      - succeeded
      - already_installed
      - suppressed
      - canceled
      - unreachable
      - failed
      - timed_out
      - unknown
  summary:
    description: Leave out the rows of the hosts.
    type: bool
    default: false
  show:
    description: Print RV(text) as it is, which C(ansible.builtin.debug) would show as one long line.
    type: bool
    default: false
  width:
    description: The most columns of RV(text), at least 60. Without it, those of the terminal.
    type: int
"""

EXAMPLES = r"""
- name: Show the last distribution
  fleetcast.core.distribution_status_info:
    show: true
  run_once: true

- name: Get the hosts that failed in one distribution
  fleetcast.core.distribution_status_info:
    distribution: 3f2a9c1e
    status:
      - failed
      - timed_out
  run_once: true
  register: failures
"""

RETURN = r"""
distributions:
  description: The distributions, the newest first.
  returned: success
  type: list
  elements: dict
  contains:
    distribution:
      description: The identifier.
      type: str
    name:
      description: What a newer distribution replaces an older one of.
      type: str
    kind:
      description: A word for the sort of work.
      type: str
    digest:
      description: The digest of the artifact.
      type: str
    status:
      description: V(approved), V(running), V(finished) or V(canceled).
      type: str
    total_hosts:
      description: The number of hosts.
      type: int
    created_by:
      description: The user and the controller that began it.
      type: str
    created_at:
      description: When it was begun (ISO 8601, UTC).
      type: str
    finished_at:
      description: When no host was open any more (ISO 8601, UTC).
      type: str
    parent:
      description:
        - The distribution by which distribution servers got what they send in this one, with C(distribution), C(total_hosts) and C(completed).
          V(null) where there is none.
      type: dict
    counts:
      description: For each state the number of hosts, without zeros. They sum up to C(total_hosts).
      type: dict
    completed:
      description: The number of hosts that have what was sent.
      type: int
    not_completed:
      description: The number of hosts that are not known to have it and are not superseded.
      type: int
    bytes_multicast:
      description: Bytes that came by multicast, added up over hosts and attempts.
      type: int
    bytes_unicast:
      description: Bytes that came by unicast, added up over hosts and attempts.
      type: int
    hosts:
      description:
        - A row for each host, by name, with C(host), C(status), C(phase) (the last state of work that was reached), C(attempt), C(code),
          C(detail), C(bytes_multicast), C(bytes_unicast), C(version), C(started_at), C(changed_at) and C(finished_at).
      type: list
      elements: dict
text:
  description: The same for a terminal. The summary, then the hosts that need attention, then, of up to 40 hosts, every host.
  returned: success
  type: str
"""
