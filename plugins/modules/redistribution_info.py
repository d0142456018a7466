#!/usr/bin/python
# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action of the same name, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: redistribution_info
short_description: Tell which distribution servers are affected by which failed distributions
description:
  - Searches the failure records of the status table, and the redistribution plans.
version_added: 0.1.0
author: The fleetcast authors (@fleetcast)
extends_documentation_fragment:
  - fleetcast.core.status
  - fleetcast.core.status.reading
attributes:
  check_mode:
    description: Can run in check_mode and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
options:
  distribution:
    description: Only this distribution, by its identifier or the first eight or more of its characters.
    type: str
  server:
    description: Only this distribution server. V(localhost) is the controller.
    type: str
  plan:
    description: Return this plan, by its digest, and who decided what about it.
    type: str
  resolved:
    description: Whether to return records that are resolved too.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: See which servers are affected
  fleetcast.core.redistribution_info:
  register: failed

- name: Say so
  ansible.builtin.debug:
    msg: "{{ item.server }}: {{ item.name }} failed on {{ item.recipients | map(attribute='host') | join(', ') }}"
  loop: "{{ failed.affected }}"
"""

RETURN = r"""
affected:
  description: One entry for each distribution and server, the newest distribution first.
  returned: success
  type: list
  elements: dict
  contains:
    distribution:
      description: The distribution's identifier.
      type: str
      returned: always
    name:
      description: Its name.
      type: str
      returned: always
    server:
      description: The server, as the inventory names it. V(localhost) is the controller.
      type: str
      returned: always
    recipients:
      description:
        - By recipient, C(host), C(status) (V(open), V(ticketed), V(redistributing), V(regressed), V(resolved)), C(failure_type), C(text), C(ticket),
          C(opened_at), C(changed_at), C(resolved_at), and C(history), a list of C(from), C(to), C(at), C(reason).
      type: list
      elements: dict
      returned: always
plans:
  description:
    - The plans, newest first, each with C(plan) (its digest), C(distribution), C(server), C(status), C(created_at), C(expires_at), C(hosts) and
      C(history), a list of C(from), C(to), C(at), C(who), C(how), C(reason).
    - With O(plan) it is one, which has C(document) too, the plan itself.
  returned: success
  type: list
  elements: dict
"""
