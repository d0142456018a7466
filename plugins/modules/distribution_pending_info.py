#!/usr/bin/python
# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action of the same name, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: distribution_pending_info
short_description: Read from the status table what is still to be done for hosts
description:
  - Returns for each host the distributions that it has not completed, of each name the newest.
  - Of a play that has died, it returns what the play left as V(unknown).
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
  hosts:
    description: The hosts, by the names under which they were recorded. Without it, all for which anything is to be done.
    type: list
    elements: str
  distribution:
    description: Only this distribution, by its identifier or the first eight or more of its characters. Without it, all.
    type: str
"""

EXAMPLES = r"""
- name: Look up what a host has missed
  fleetcast.core.distribution_pending_info:
    hosts:
      - web0012
  register: pending
  run_once: true
"""

RETURN = r"""
hosts:
  description: For each host what is known of it.
  returned: success
  type: dict
  contains:
    known:
      description: Whether the table has ever heard of the host.
      type: bool
    completed:
      description: The number of distributions that the host has completed, of those asked for.
      type: int
    pending:
      description:
        - What it has not completed, oldest first, each with C(distribution), C(name), C(status), C(attempt), C(code), C(detail) and
          C(in_progress) (a play is working on it now).
      type: list
      elements: dict
distributions:
  description:
    - The distributions that are pending for any of the hosts, by identifier, each once, with C(distribution), C(name), C(kind), C(digest),
      C(status), C(manifest), C(commands), C(total_hosts), C(created_by), C(created_at) and C(finished_at).
  returned: success
  type: dict
unknown:
  description: Hosts of which the table has never heard.
  returned: success
  type: list
  elements: str
not_completed:
  description: Hosts for which anything is to be done.
  returned: success
  type: list
  elements: str
"""
