#!/usr/bin/python
# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action of the same name, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ticket_resend
short_description: Try a job ticket's mails again
description:
  - Lets the mails of a ticket that wait or are dead be tried again at once and from the first attempt on, with the same Message-IDs, and only
    for the recipients who did not get them.
  - They are sent by M(fleetcast.core.ticket_deliver), or at the end of the next play with the callback.
version_added: 0.1.0
author: The fleetcast authors (@fleetcast)
extends_documentation_fragment:
  - fleetcast.core.ticket
attributes:
  check_mode:
    description: Can run in check_mode and return changed status prediction without modifying target.
    support: full
    details: Says whether there are such mails, and changes nothing.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
options:
  ticket:
    description: The ticket's label, as V(FC-12), or its number; or V(all), after the mail server was away for long.
    type: str
    required: true
seealso:
  - plugin: fleetcast.core.job_ticket
    plugin_type: callback
"""

EXAMPLES = r"""
- name: Try again, now that the mail server is repaired
  fleetcast.core.ticket_resend:
    ticket: FC-12
  run_once: true
"""

RETURN = r"""
ticket:
  description: The ticket's label, or V(all).
  returned: always
  type: str
  sample: FC-12
mails:
  description: How many mails are tried again.
  returned: always
  type: int
"""
