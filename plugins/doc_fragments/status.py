# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all modules on the status table have in common."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
requirements:
  - the Python packages of the collection's C(requirements.txt), where Ansible runs
notes:
  - Runs on the controller and connects to no host. Use it with C(run_once).
  - The database is named by the option C(db_url) of the callback P(fleetcast.core.distribution_status#callback), by default an SQLite file
    under the user's Ansible home.
options: {}
"""
    READING = r"""
notes:
  - Works without the callback. Makes no database; where there is none yet, nothing is recorded.
options: {}
"""
