#!/usr/bin/python
# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action of the same name, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ticket_info
short_description: Read job tickets
description:
  - Returns job tickets with their devices, alerts, and mails, and what became of each mail for each recipient.
version_added: 0.1.0
author: The fleetcast authors (@fleetcast)
extends_documentation_fragment:
  - fleetcast.core.ticket
attributes:
  check_mode:
    description: Can run in check_mode and return changed status prediction without modifying target.
    support: full
    details: Changes nothing.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
options:
  ticket:
    description: The label of a single ticket, as V(FC-12), or its number. Without it, the tickets that the other options choose.
    type: str
  device:
    description: Only tickets of this device.
    type: str
    default: ""
  status:
    description: Only tickets in this state.
    type: str
    choices: [open, resolved, all]
    default: open
  show:
    description: Print RV(text) as it is, which C(ansible.builtin.debug) would show as one long line.
    type: bool
    default: false
seealso:
  - plugin: fleetcast.core.job_ticket
    plugin_type: callback
"""

EXAMPLES = r"""
- name: List the open tickets
  fleetcast.core.ticket_info:
    show: true
  run_once: true

- name: Read one ticket
  fleetcast.core.ticket_info:
    ticket: FC-12
  run_once: true
  register: found
"""

RETURN = r"""
tickets:
  description: The tickets, the newest first, in the form that is attached to the mails (C(docs/ticket.schema.json)), with C(mails).
  returned: always
  type: list
  elements: dict
unsent:
  description: How many mails wait to be sent.
  returned: always
  type: int
dead:
  description: Mails that a recipient did not get and will not, with the mail server's words.
  returned: always
  type: list
  elements: dict
problems:
  description: Failures of the callback itself that it has kept on this controller, the newest last.
  returned: always
  type: list
  elements: str
text:
  description: The tickets for a terminal.
  returned: always
  type: str
"""
