#!/usr/bin/python
# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Complete an artifact on a host, and put it in its place."""

from __future__ import annotations

DOCUMENTATION = r"""
module: artifact_apply
short_description: Write missing bytes of an artifact on a host, and place it when it is complete
description:
  - Takes a patch that M(fleetcast.core.artifact_extract) made, transfers it over the host's own connection, writes it into the artifact's spool and
    verifies every section that it completes. When nothing is missing any more, the artifact gets its place, mode and owner.
  - A host that holds the artifact already is asked first and gets no bytes.
  - What an older version at O(dest) contains of the artifact, section by section at the same place, is copied from there into a new spool.
  - At its final names there is never a part of a file. Every file is finished and brought to the disk under a hidden name beside its place and
    then renamed.
version_added: 0.1.0
author: The fleetcast authors (@fleetcast)
extends_documentation_fragment:
  - fleetcast.core.placing
attributes:
  check_mode:
    description: Can run in check_mode and return changed status prediction without modifying target.
    support: full
    details: Transfers nothing, and says what would change if the artifact were complete.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: full
    details: The text of a small text file; a list of what is created and replaced for a tree, and in check mode, where the new text is not there yet.
  action:
    description: Indicates this has a corresponding action plugin so some parts of the options can be executed on the controller.
    support: full
  async:
    description: Supports being used with the C(async) keyword.
    support: none
options:
  src:
    description:
      - The patch, on the controller.
      - Without it nothing is transferred; what the host has, in a spool or in an older version, is verified, and placed if it is complete.
    type: path
seealso:
  - module: fleetcast.core.artifact_info
  - module: fleetcast.core.artifact_missing_info
  - module: fleetcast.core.artifact_extract
"""

EXAMPLES = r"""
- name: Digest the source
  fleetcast.core.artifact_info:
    src: /srv/packages/tool_1.2_amd64.deb
  register: artifact
  delegate_to: localhost
  run_once: true

- name: Ask the host what it lacks
  fleetcast.core.artifact_missing_info:
    manifest: "{{ artifact.manifest }}"
    dest: /var/cache/
  register: lacking

- name: Cut exactly that
  fleetcast.core.artifact_extract:
    src: /srv/packages/tool_1.2_amd64.deb
    manifest: "{{ artifact.manifest }}"
    ranges: "{{ lacking.missing }}"
  register: patch
  delegate_to: localhost
  when: lacking.missing_bytes > 0

- name: Complete and place the artifact
  fleetcast.core.artifact_apply:
    src: "{{ patch.path | default(omit) }}"
    manifest: "{{ artifact.manifest }}"
    dest: /var/cache/
    mode: '0644'

- name: Remove the patch
  ansible.builtin.file:
    path: "{{ patch.path }}"
    state: absent
  delegate_to: localhost
  when: patch.path is defined
"""

RETURN = r"""
complete:
  description: Whether the host has every byte.
  returned: success
  type: bool
  sample: true
missing_bytes:
  description: Bytes that the host still lacks.
  returned: success
  type: int
  sample: 0
bytes_received:
  description: Bytes of the artifact that were in the patch and are now written.
  returned: success
  type: int
  sample: 4200
bytes_reused:
  description: Bytes of the artifact that were copied from an older version at O(dest).
  returned: success
  type: int
  sample: 0
bytes_sent:
  description: Bytes of the patch that went over the host's connection; V(0) when the host held the artifact already.
  returned: success
  type: int
  sample: 4311
digest:
  description: The artifact's identity.
  returned: success
  type: str
  sample: 7df5e938b3c301d70842bf9858b396e4ff570aa9a9263bcee86a11b4f7849e4c
checksum:
  description: SHA-256 of the file; null for a tree.
  returned: success
  type: str
  sample: 57512ac567969f639283f9b894144fefff757988ab07975c4b14a1a0f4b953da
dest:
  description: The final path of the file, or of the directory.
  returned: success
  type: str
  sample: /var/cache/tool_1.2_amd64.deb
backup_file:
  description: The backup of the file that was replaced.
  returned: changed and O(backup) is true and the artifact is a file
  type: str
  sample: /var/cache/tool_1.2_amd64.deb.4711.2026-11-22@18:34:56~
backup_files:
  description: The backups of the files that were replaced.
  returned: changed and O(backup) is true and the artifact is a tree
  type: list
  elements: str
  sample: ["/srv/www/index.html.4711.2026-11-22@18:34:56~"]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fleetcast.core.plugins.module_utils._artifact_module import already_held, apply_and_place, placing_argument_spec
from ansible_collections.fleetcast.core.plugins.module_utils._manifest_module import read_manifest, reporting_errors


def main() -> None:
    module = AnsibleModule(argument_spec={"src": {"type": "path"}, **placing_argument_spec()}, supports_check_mode=True)
    with reporting_errors(module):
        manifest = read_manifest(module)
        result = already_held(module, manifest) or apply_and_place(module, manifest, module.params["src"])
    module.exit_json(**result)


if __name__ == "__main__":
    main()
