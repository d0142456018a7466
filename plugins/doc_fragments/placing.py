# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the modules that put an artifact in its place; their specification is `placing_argument_spec`."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  manifest:
    description:
      - What the artifact consists of, as returned by M(fleetcast.core.artifact_info).
      - Everything that arrives is judged by the digests in it.
    type: str
    required: true
  dest:
    description:
      - Absolute path on the host where the artifact goes.
      - If the artifact is a file and O(dest) is an existing directory or ends with C(/), the file goes into it under its own name.
        A directory that O(dest) ends with is created; without the C(/) the directory above O(dest) must exist.
      - If the artifact is a directory tree, the directory goes into O(dest), as with M(ansible.builtin.copy). If only the contents of the directory
        were digested (C(src) ended with C(/)), they go into O(dest). Missing directories are created.
        Files that are only in O(dest) stay.
      - While the artifact is incomplete, its spool lies beside its final place, in two hidden files whose names end with C(.fleetcast-part) and
        C(.fleetcast-map). A tree needs room for twice its size until it is unpacked.
    type: path
    required: true
  mode:
    description:
      - The permissions of the file, or of all files of a tree, as for M(ansible.builtin.copy); quote octal numbers.
      - V(preserve) gives them the permissions that they have in the source.
      - By default a tree's files have the permissions of the source. A single file keeps those of the file that it replaces, and a new one
        gets what the C(umask) of the system leaves.
    type: raw
  directory_mode:
    description:
      - The permissions of the artifact's directories, and of directories that are created above it.
      - By default the artifact's directories have the permissions of the source, and those above it what the C(umask) leaves.
    type: raw
  owner:
    description:
      - Name of the user that should own files, links and directories of the artifact.
      - By default a file that is replaced keeps its owner, and a new one belongs to the user who runs the module.
    type: str
  group:
    description:
      - Name of the group that should own files, links and directories of the artifact, with the same default.
    type: str
  seuser:
    description:
      - The user part of the SELinux context. V(_default) takes it from the policy.
    type: str
  serole:
    description:
      - The role part of the SELinux context. V(_default) takes it from the policy.
    type: str
  setype:
    description:
      - The type part of the SELinux context. V(_default) takes it from the policy.
    type: str
  selevel:
    description:
      - The level part of the SELinux context. V(_default) takes it from the policy.
    type: str
  attributes:
    description:
      - Attributes of the file system as for C(chattr), set when everything is in place.
    type: str
    aliases: [attr]
  backup:
    description:
      - Keep a file that is replaced, under its name with the process id, the date and the time added.
    type: bool
    default: false
  force:
    description:
      - With V(false), files and links that exist already at O(dest) are left alone whatever they contain, and count as held.
    type: bool
    default: true
  validate:
    description:
      - A command that must succeed before the file is put in its place. C(%s) in it stands for the path of the finished file.
      - It is split as by a shell but not run by one, so there are no pipes or variables. Only for an artifact that is one file.
    type: str
"""
