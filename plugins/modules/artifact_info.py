#!/usr/bin/python
# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the manifest of an artifact."""

from __future__ import annotations

DOCUMENTATION = r"""
module: artifact_info
short_description: Digest a file or a directory tree into the manifest of an artifact
description:
  - Reads the source once, in constant memory, and returns its manifest. That is what the other modules of this collection need to send the artifact,
    to tell which hosts hold it already, and to judge every byte that arrives.
  - Runs on the host where the source lies.
  - A manifest is the same wherever and whenever it is made, as long as content, names, permissions, links and, in a tree, modification times
    are the same. The modification time of a single file, owners and groups are no part of it.
version_added: 0.1.0
author: The fleetcast authors (@fleetcast)
attributes:
  check_mode:
    description: Can run in check_mode and return changed status prediction without modifying target.
    support: full
    details: Changes nothing in any case.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
options:
  src:
    description:
      - The file or directory on this host. What a symlink given here points to is taken.
      - If a directory ends with C(/), only its contents are the artifact; else the directory itself, as with M(ansible.builtin.copy).
      - An empty directory is an artifact too, and becomes an empty directory on the recipients.
      - Regular files, directories and symlinks can be distributed. Hard links become files of their own.
        With a socket, a FIFO or a device in a tree the module fails and names it.
    type: path
    required: true
  follow:
    description:
      - Take what symlinks inside a directory point to, instead of the links.
    type: bool
    default: false
  symbol_size:
    description:
      - How many bytes of the artifact a packet carries. With its headers it must fit the smallest MTU between the sender and its receivers.
      - V(1400) fits the usual MTU of 1500, with IPv4 and with IPv6. It is part of the manifest.
    type: int
    default: 1400
seealso:
  - module: fleetcast.core.artifact_missing_info
  - module: fleetcast.core.artifact_apply
"""

EXAMPLES = r"""
- name: Digest a package on the host that will send it
  fleetcast.core.artifact_info:
    src: /srv/packages/tool_1.2_amd64.deb
  register: artifact

- name: Say what it is
  ansible.builtin.debug:
    msg: "{{ artifact.name }}, {{ artifact.size }} bytes, sha256 {{ artifact.checksum }}"

- name: Digest the contents of a directory
  fleetcast.core.artifact_info:
    src: /srv/www/
"""

RETURN = r"""
manifest:
  description: The manifest, for the option O(fleetcast.core.artifact_apply#module:manifest) of other modules.
  returned: success
  type: str
  sample: eNqrVkrOz0vLLE...
digest:
  description: The artifact's identity, the SHA-256 of the manifest's canonical form.
  returned: success
  type: str
  sample: 7df5e938b3c301d70842bf9858b396e4ff570aa9a9263bcee86a11b4f7849e4c
checksum:
  description: SHA-256 of the file's content; null for a tree.
  returned: success
  type: str
  sample: 57512ac567969f639283f9b894144fefff757988ab07975c4b14a1a0f4b953da
kind:
  description: V(file) or V(tree).
  returned: success
  type: str
  sample: file
name:
  description: What the artifact is called in a directory that receives it; empty when only the contents of a directory were digested.
  returned: success
  type: str
  sample: tool_1.2_amd64.deb
size:
  description: The sum of the sizes of all files, in bytes.
  returned: success
  type: int
  sample: 52428800
files:
  description: Number of regular files.
  returned: success
  type: int
  sample: 1
sections:
  description: Number of sections, the units of verification.
  returned: success
  type: int
  sample: 14
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.scan import scan
from ansible_collections.fleetcast.core.plugins.module_utils._manifest_module import described, reporting_errors


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "src": {"type": "path", "required": True},
            "follow": {"type": "bool", "default": False},
            "symbol_size": {"type": "int", "default": 1400},
        },
        supports_check_mode=True,
    )
    with reporting_errors(module):
        manifest = scan(str(module.params["src"]), follow=module.params["follow"], symbol_size=module.params["symbol_size"])
    module.exit_json(changed=False, **described(manifest))


if __name__ == "__main__":
    main()
