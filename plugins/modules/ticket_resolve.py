#!/usr/bin/python
# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action of the same name, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ticket_resolve
short_description: Close a job ticket
description:
  - Closes an open ticket. Its counts start again, its failure records are cleared, and its centre gets a closing mail in the same thread.
  - Mails of the ticket that are dead are given up, and no longer complained about. On a ticket that is closed already it does only that.
version_added: 0.1.0
author: The fleetcast authors (@fleetcast)
extends_documentation_fragment:
  - fleetcast.core.ticket
attributes:
  check_mode:
    description: Can run in check_mode and return changed status prediction without modifying target.
    support: full
    details: Says whether it would be closed, and changes nothing.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
options:
  ticket:
    description: The ticket's label, as V(FC-12), or its number.
    type: str
    required: true

  resolution:
    description: What was done, for the closing mail.
    type: str
    default: repaired
  by:
    description: Who did it. Without it, the user who runs Ansible.
    type: str
seealso:
  - plugin: fleetcast.core.job_ticket
    plugin_type: callback
"""

EXAMPLES = r"""
- name: Close a ticket
  fleetcast.core.ticket_resolve:
    ticket: FC-12
    resolution: disk replaced
  run_once: true
"""

RETURN = r"""
ticket:
  description: The ticket's label.
  returned: always
  type: str
  sample: FC-12
"""
