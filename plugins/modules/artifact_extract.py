#!/usr/bin/python
# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cut the ranges that a host lacks out of the source."""

from __future__ import annotations

DOCUMENTATION = r"""
module: artifact_extract
short_description: Cut the bytes that a host lacks out of an artifact's source, into a patch file
description:
  - Runs on the host where the source lies. Verifies that the source still is what the manifest says wherever it is cut.
  - The patch is for M(fleetcast.core.artifact_apply). Remove it when that is done.
version_added: 0.1.0
author: The fleetcast authors (@fleetcast)
attributes:
  check_mode:
    description: Can run in check_mode and return changed status prediction without modifying target.
    support: full
    details: Verifies the source and writes no patch; RV(path) is null.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
options:
  src:
    description:
      - The file or directory from which the manifest was made.
    type: path
    required: true
  manifest:
    description:
      - What the artifact consists of, as returned by M(fleetcast.core.artifact_info).
    type: str
    required: true
  ranges:
    description:
      - The ranges to cut, each [offset, length] in bytes, as returned by M(fleetcast.core.artifact_missing_info).
    type: list
    elements: list
    required: true
  dest:
    description:
      - The path of the patch. It is only there when it is complete, readable by this user alone, and replaces a file of that name.
      - By default a new file in the directory for temporary files (C(TMPDIR)).
    type: path
seealso:
  - module: fleetcast.core.artifact_missing_info
  - module: fleetcast.core.artifact_apply
"""

EXAMPLES = r"""
- name: Cut what the host lacks
  fleetcast.core.artifact_extract:
    src: /srv/packages/tool_1.2_amd64.deb
    manifest: "{{ artifact.manifest }}"
    ranges: "{{ lacking.missing }}"
  register: patch
  delegate_to: localhost
"""

RETURN = r"""
path:
  description: The patch.
  returned: success
  type: str
  sample: /tmp/fleetcast-7df5e938b3c3-x2m1c8.patch
patch_bytes:
  description: Size of the patch in bytes.
  returned: success
  type: int
  sample: 4311
range_bytes:
  description: Bytes of the artifact in the patch.
  returned: success
  type: int
  sample: 4200
sha256:
  description: SHA-256 of the patch.
  returned: success
  type: str
  sample: 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.extract import extract
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.ranges import checked
from ansible_collections.fleetcast.core.plugins.module_utils._manifest_module import MANIFEST_OPTION, read_manifest, reporting_errors


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "src": {"type": "path", "required": True},
            "manifest": MANIFEST_OPTION,
            "ranges": {"type": "list", "elements": "list", "required": True},
            "dest": {"type": "path"},
        },
        supports_check_mode=True,
    )
    with reporting_errors(module):
        manifest = read_manifest(module)
        ranges = checked(module.params["ranges"], manifest.size)
        result = extract(manifest, ranges, str(module.params["src"]), module.params["dest"], write=not module.check_mode)
    module.exit_json(changed=not module.check_mode, **result)


if __name__ == "__main__":
    main()
