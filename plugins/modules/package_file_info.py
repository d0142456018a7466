#!/usr/bin/python
# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in a package file, and whether the host has it installed."""

from __future__ import annotations

DOCUMENTATION = r"""
module: package_file_info
short_description: Tell which package is in a file, and whether that version is installed
description:
  - Reads name, version and architecture from a C(.deb) or C(.rpm) file, and asks the host's package manager what it has installed of it.
  - Installs nothing. With it a role can tell that an installation is needed, and verify afterwards what the package manager says.
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
requirements:
  - dpkg for C(.deb) files
  - rpm for C(.rpm) files
options:
  path:
    description:
      - The package file on this host.
    type: path
    required: true
  format:
    description:
      - The kind of the package file. V(auto) tells it from the content of the file, not from its name.
    type: str
    choices: [auto, deb, rpm]
    default: auto
seealso:
  - module: ansible.builtin.apt
  - module: ansible.builtin.dnf
"""

EXAMPLES = r"""
- name: Look at the package that arrived
  fleetcast.core.package_file_info:
    path: /var/cache/tool_1.2_amd64.deb
  register: package

- name: Install it unless that very version is there
  ansible.builtin.apt:
    deb: /var/cache/tool_1.2_amd64.deb
  when: not package.installed_same
"""

RETURN = r"""
format:
  description: V(deb) or V(rpm).
  returned: success
  type: str
  sample: deb
name:
  description: The package's name.
  returned: success
  type: str
  sample: tool
version:
  description: The version in the file, as the package manager writes it; of an rpm with epoch (if not 0) and release.
  returned: success
  type: str
  sample: 1.2-1
architecture:
  description: The architecture in the file.
  returned: success
  type: str
  sample: amd64
installed_version:
  description: The version that is installed; null if none is. If several are, the one in the file if it is among them, else the last that C(rpm) lists.
  returned: success
  type: str
  sample: 1.1-4
installed_state:
  description: V(installed), V(absent), or what C(dpkg) calls an unfinished state, as V(unpacked), V(half-configured) or V(config-files).
  returned: success
  type: str
  sample: installed
installed_same:
  description: Whether the version in the file is installed completely.
  returned: success
  type: bool
  sample: false
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fleetcast.core.plugins.module_utils._package_file import PackageFileError, package_file_info


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "format": {"type": "str", "choices": ["auto", "deb", "rpm"], "default": "auto"},
        },
        supports_check_mode=True,
    )
    try:
        result = package_file_info(module, str(module.params["path"]), str(module.params["format"]))
    except PackageFileError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
