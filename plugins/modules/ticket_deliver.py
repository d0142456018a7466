#!/usr/bin/python
# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action of the same name, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ticket_deliver
short_description: Send the mails of job tickets
description:
  - Takes in the alerts that killed plays have left on this controller, judges outages that have ended, closes tickets whose distributions are
    complete, and sends all mails that are due.
  - Fails when there are mails that somebody did not get and will not, until they are sent by M(fleetcast.core.ticket_resend) or given up by
    M(fleetcast.core.ticket_resolve). Schedule it, and you will hear of them.
version_added: 0.1.0
author: The fleetcast authors (@fleetcast)
extends_documentation_fragment:
  - fleetcast.core.ticket
attributes:
  check_mode:
    description: Can run in check_mode and return changed status prediction without modifying target.
    support: full
    details: Says whether mails wait, and sends nothing.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
options:
  timeout:
    description: How long to send, in seconds. A mail that is being sent then is finished; what is left waits.
    type: float
    default: 300
  show:
    description: Print what was done.
    type: bool
    default: false
seealso:
  - plugin: fleetcast.core.job_ticket
    plugin_type: callback
"""

EXAMPLES = r"""
- name: Send what waits
  fleetcast.core.ticket_deliver:
  run_once: true
"""

RETURN = r"""
delivered:
  description: How many mails were accepted for all their recipients.
  returned: always
  type: int
deferred:
  description: How many mails were tried and wait for their next attempt.
  returned: always
  type: int
unsent:
  description: How many mails wait now.
  returned: always
  type: int
dead:
  description: Mails that a recipient did not get and will not, with the mail server's words.
  returned: always
  type: list
  elements: dict
resolved:
  description: Labels of tickets that were closed because their distributions are complete.
  returned: always
  type: list
  elements: str
opened:
  description: Labels of the tickets that were made.
  returned: always
  type: list
  elements: str
  sample: [FC-12]
"""
