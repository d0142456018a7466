#!/usr/bin/python
# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host holds of an artifact, and what it lacks."""

from __future__ import annotations

DOCUMENTATION = r"""
module: artifact_missing_info
short_description: Tell what a host holds of an artifact, and which bytes it lacks
description:
  - Compares the destination, and the spool that an interrupted transfer left beside it, with the manifest.
  - Sections of the artifact that an older version of it, at the destination, contains at the same place are not missing
    (a section has 4 MB at the usual symbol size). M(fleetcast.core.artifact_apply) takes them from there.
  - Fails when the artifact could not be placed because something is in the way, before a byte is sent.
version_added: 0.1.0
author: The fleetcast authors (@fleetcast)
attributes:
  check_mode:
    description: Can run in check_mode and return changed status prediction without modifying target.
    support: full
    details: Changes nothing that anybody sees. Sections in the spool that turn out damaged are marked as missing.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
options:
  manifest:
    description:
      - What the artifact consists of, as returned by M(fleetcast.core.artifact_info).
    type: str
    required: true
  dest:
    description:
      - Where the artifact goes, as in M(fleetcast.core.artifact_apply).
    type: path
    required: true
  force:
    description:
      - With V(false), files that exist already count as held whatever they contain, as in M(fleetcast.core.artifact_apply).
    type: bool
    default: true
  max_bytes:
    description:
      - Return only the first of the missing ranges, with about this many bytes together, for a transfer in rounds.
        RV(missing_bytes) counts all of them nevertheless.
      - Without it all are returned.
    type: int
  reuse:
    description:
      - Whether to look for sections of the artifact in what is at the destination. That reads all of it once.
      - With V(false) they count as missing, and RV(older_bytes) tells whether there is anything to look at.
    type: bool
    default: true
seealso:
  - module: fleetcast.core.artifact_extract
  - module: fleetcast.core.artifact_apply
"""

EXAMPLES = r"""
- name: Ask the host what it lacks
  fleetcast.core.artifact_missing_info:
    manifest: "{{ artifact.manifest }}"
    dest: /var/cache/tool_1.2_amd64.deb
    max_bytes: 67108864
  register: lacking

- name: Say so
  ansible.builtin.debug:
    msg: "{{ lacking.state }}: {{ lacking.missing_bytes }} bytes to go"
"""

RETURN = r"""
state:
  description:
    - V(complete) when every byte is at the destination.
    - V(partial) when there is a spool. With RV(missing_bytes) V(0) everything has arrived but is not placed yet; run M(fleetcast.core.artifact_apply).
      It is also V(partial) when an older version at the destination contains sections of the artifact.
    - V(absent) when there is nothing.
  returned: success
  type: str
  sample: partial
missing:
  description: Ranges of the artifact's stream that the host lacks, each [offset, length] in bytes, ascending.
  returned: success
  type: list
  elements: list
  sample: [[1400, 2800], [61600, 1400]]
missing_bytes:
  description: All bytes that the host lacks.
  returned: success
  type: int
  sample: 4200
have_bytes:
  description: All bytes that the host has.
  returned: success
  type: int
  sample: 52424600
reusable_bytes:
  description: The part of RV(have_bytes) that is only in an older version at the destination, and not in the spool yet.
  returned: success
  type: int
  sample: 0
older_bytes:
  description:
    - Bytes of other content at the destination, under the names of the artifact's files, that may contain sections of it.
    - V(0) when there is none, or when what it contains is in the spool already.
  returned: success
  type: int
  sample: 0
final_path:
  description: The final path of the artifact, of the directory if it is a tree.
  returned: success
  type: str
  sample: /var/cache/tool_1.2_amd64.deb
spool:
  description: The path of the spool, whether it exists or not.
  returned: success
  type: str
  sample: /var/cache/.tool_1.2_amd64.deb.7df5e938b3c3.fleetcast-part
digest:
  description: The artifact's identity.
  returned: success
  type: str
  sample: 7df5e938b3c301d70842bf9858b396e4ff570aa9a9263bcee86a11b4f7849e4c
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fleetcast.core.plugins.module_utils._artifact_module import missing
from ansible_collections.fleetcast.core.plugins.module_utils._manifest_module import MANIFEST_OPTION, read_manifest, reporting_errors


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "manifest": MANIFEST_OPTION,
            "dest": {"type": "path", "required": True},
            "force": {"type": "bool", "default": True},
            "max_bytes": {"type": "int"},
            "reuse": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    with reporting_errors(module):
        result = missing(module, read_manifest(module), module.params["max_bytes"], reuse=module.params["reuse"])
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
