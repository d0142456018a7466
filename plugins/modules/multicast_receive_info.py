#!/usr/bin/python
# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of a receiver that runs asynchronously; the work is done by the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: multicast_receive_info
short_description: Take the outcome of a multicast receiver
description:
  - Waits, when the sender has ended, for the end of M(fleetcast.core.multicast_receive) that was started with C(async) and C(poll=0),
    and returns what it returned.
  - A receiver ends by itself when the sender has ended or is silent, so there is little to wait for. One that does not end was killed.
    Then too the host's spool tells what it has, and M(fleetcast.core.artifact_missing_info) reads it.
  - Never fails because something is missing, so that a play can go on and finish the host; it is RV(complete) that tells.
version_added: 0.1.0
author: The fleetcast authors (@fleetcast)
attributes:
  check_mode:
    description: Can run in check_mode and return changed status prediction without modifying target.
    support: full
    details: There is no receiver in check mode, so the result says that nothing came.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: full
    details: Shows the differences that the receiver reports.
options:
  job:
    description:
      - The C(ansible_job_id) of the receiver.
    type: str
    required: true
  timeout:
    description:
      - How long to wait, in seconds.
    type: float
    default: 60
seealso:
  - module: fleetcast.core.multicast_receive
  - module: ansible.builtin.async_status
"""

EXAMPLES = r"""
- name: Take the outcome
  fleetcast.core.multicast_receive_info:
    job: "{{ receiver.ansible_job_id }}"
  register: received

- name: Say who lacks something
  ansible.builtin.debug:
    msg: "{{ received.missing_bytes | default('unknown') }} bytes are missing: {{ received.msg }}"
  when: not received.complete
"""

RETURN = r"""
complete:
  description: Whether everything is received, verified and in its place.
  returned: always
  type: bool
reason:
  description:
    - Why something is missing, as in RV(fleetcast.core.multicast_receive#module:reason).
    - V(lost) for a receiver that did not end in time.
  returned: when something is missing
  type: str
msg:
  description: The same as a sentence.
  returned: when something is missing
  type: str
"""
