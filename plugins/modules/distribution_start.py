#!/usr/bin/python
# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action of the same name, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: distribution_start
short_description: Begin a distribution in the status table
description:
  - Writes a distribution and one attempt for each of its hosts into the status table, before anything is sent.
  - Called again in the same playbook run with the same O(name) and O(digest), as with C(serial), it joins the distribution that is there.
  - With O(distribution) it begins further attempts at hosts of a distribution that is recorded, for a catch-up.
  - Older distributions of the same O(name) are superseded on these hosts, so that no catch-up brings an old version back.
  - Before that, it ends as C(unknown) what plays left open that have died, or whose lease is over.
  - Fails when the callback P(fleetcast.core.distribution_status#callback) is not enabled, for nobody would record the hosts that fail.
version_added: 0.1.0
author: The fleetcast authors (@fleetcast)
extends_documentation_fragment:
  - fleetcast.core.status
attributes:
  check_mode:
    description: Can run in check_mode and return changed status prediction without modifying target.
    support: full
    details: Writes nothing, and returns C(null) as the identifier of a distribution that would be new.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
options:
  name:
    description:
      - What a newer distribution replaces an older one of, for example a package or the path of a file.
      - Required without O(distribution).
    type: str
  kind:
    description: A word for the sort of work, for readers of the table, for example V(deb) or V(file).
    type: str
    default: file
  digest:
    description: The digest of the artifact. Required without O(distribution).
    type: str
  manifest:
    description: The manifest of the artifact as M(fleetcast.core.artifact_info) returns it. Required without O(distribution).
    type: str
  commands:
    description:
      - All that is needed to finish the work for a host later, as RV(fleetcast.core.distribution_pending_info#module:distributions) returns it.
      - It is kept as it is, so it must not hold passwords.
      - The key C(of_hosts), a dictionary by host, is for commands that are not the same for all hosts. It is kept for those hosts whose commands are other
        than those of the distribution, and joined with what an earlier batch of the same play gave.
    type: dict
    default: {}
  parent:
    description:
      - The distribution by which distribution servers got what they send in this one, by its identifier. The table shows both together.
    type: str
  hosts:
    description:
      - The hosts, by their names in the inventory.
      - Give the whole play, C(ansible_play_hosts_all), so that unreachable hosts have a row too.
    type: list
    elements: str
    required: true
  distribution:
    description: The identifier of a recorded distribution, or the first eight or more of its characters.
    type: str
  lease:
    description:
      - Seconds after which the table gives up a play of which it has heard nothing. Every task of the play renews it.
      - It must be longer than the longest task. The death of a play on the same machine is noticed without it.
    type: int
    default: 3600
"""

EXAMPLES = r"""
- name: Begin the distribution
  fleetcast.core.distribution_start:
    name: /opt/app/data.bin
    digest: "{{ artifact.digest }}"
    manifest: "{{ artifact.manifest }}"
    commands:
      src: /srv/data.bin
      dest: /opt/app/data.bin
    hosts: "{{ ansible_play_hosts_all }}"
  run_once: true
  register: distribution

- name: Begin another attempt at one host
  fleetcast.core.distribution_start:
    distribution: 3f2a9c1e
    hosts:
      - web0012
  run_once: true
"""

RETURN = r"""
distribution:
  description: The identifier; V(null) in check mode when the distribution would be new.
  returned: success
  type: str
joined:
  description: Whether the distribution was there already.
  returned: success
  type: bool
hosts:
  description: The hosts that are this play's to work on.
  returned: success
  type: list
  elements: str
attempts:
  description: For each of RV(hosts) the number of its attempt, from 1.
  returned: success
  type: dict
completed:
  description: Hosts that have completed this distribution before. Nothing is to be done for them.
  returned: success
  type: list
  elements: str
ended:
  description: Hosts whose attempt has ended without success in an earlier batch of this play, and its state. They get another with O(distribution).
  returned: success
  type: dict
busy:
  description: Hosts that another play is working on, and which one that is. Leave them alone.
  returned: success
  type: dict
superseded:
  description: Hosts to which a newer distribution of the same name was started. Leave them alone.
  returned: success
  type: list
  elements: str
supersedes:
  description: Older distributions, and the number of hosts on which this one supersedes what they had not completed.
  returned: success
  type: dict
reconciled:
  description: The number of attempts of dead plays that were ended as C(unknown).
  returned: success
  type: int
"""
