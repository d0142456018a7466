# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find what is to be sent, where a user would look for it."""

from __future__ import annotations

DOCUMENTATION = r"""
name: source_path
short_description: The absolute path of what is to be sent
author: The fleetcast authors (@fleetcast)
version_added: 0.1.0
description:
  - Finds a file or directory on the controller that is named by a relative path, where M(ansible.builtin.copy) would find it (in the directory C(files)
    of the role or beside the playbook, then without C(files)), and, where it is not there, in the directory from which Ansible was started.
  - An absolute path, and one that begins with C(~), stays as it is. Whether anything is there is for those to say who read it.
options:
  _terms:
    description: The path, or paths. A V(/) at the end stays.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Digest a file that lies in files/, beside this playbook, or where Ansible was started
  fleetcast.core.artifact_info:
    src: "{{ lookup('fleetcast.core.source_path', 'app_1.2_all.deb') }}"
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
_raw:
  description: The absolute path of each.
  type: list
  elements: str
"""

from pathlib import Path
from typing import Any

from ansible.plugins.lookup import LookupBase


class LookupModule(LookupBase):  # type: ignore[misc]  # Ansible has no types
    """The lookup."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **_kwargs: Any) -> list[str]:
        """One path for each of `terms`; there are no options."""
        return [self._absolute(str(term), variables or {}) for term in terms]

    def _absolute(self, path: str, variables: dict[str, Any]) -> str:
        if not path or path.startswith(("/", "~")):
            return path
        found = self.find_file_in_search_path(variables, "files", path, ignore_missing=True) or str(Path.cwd() / path)
        return found + "/" if path.endswith("/") and not found.endswith("/") else found
