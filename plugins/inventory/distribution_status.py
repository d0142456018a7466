# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts hosts into groups by their rows in the status table."""

from __future__ import annotations

DOCUMENTATION = r"""
name: distribution_status
short_description: Groups of hosts by their row in the status table
description:
  - Puts the hosts of the inventory into groups by what the status table says of them, so that a pattern or C(--limit) finds them.
  - It adds no hosts. Hosts come from sources that are read before this one. In a directory, sources are read in the order of their names.
  - The groups C(status_STATE), C(status_completed) and C(status_not_completed) are those of the newest distribution, the one that the playbook
    C(fleetcast.core.status) shows. They are always there, also without hosts.
  - The groups C(status_of_NAME_STATE), C(status_of_NAME_completed) and C(status_of_NAME_not_completed) are those of the newest distribution with
    this name, for each host. What a group's name may not have in it becomes C(_).
  - The group C(status_catch_up) has the hosts that the playbook C(fleetcast.core.catch_up) would do something for, whatever the distribution.
  - Each host gets the variable C(distribution_status), with its rows by the names of the distributions.
  - Without a status table there is nothing in the groups, and that is no error.
version_added: 0.1.0
author: The fleetcast authors (@fleetcast)
requirements:
  - the Python packages of the collection's C(requirements.txt), where Ansible runs
options:
  plugin:
    description: Says that this file is a source of this plugin.
    type: str
    required: true
    choices: [fleetcast.core.distribution_status]
  prefix:
    description: What the names of the groups begin with.
    type: str
    default: status
  db_url:
    description:
      - The database of the status table, as a URL of SQLAlchemy. It may be a template.
      - Without it, what is configured for the callback P(fleetcast.core.distribution_status#callback), in C(ansible.cfg) or in the
        environment; without that, the file C(fleetcast/status.db) under the user's Ansible home.
    type: str
seealso:
  - plugin: fleetcast.core.distribution_status
    plugin_type: callback
  - module: fleetcast.core.distribution_status_info
"""

EXAMPLES = r"""
# inventory/zz_status.yml, beside the files that have the hosts (its name comes after theirs):
plugin: fleetcast.core.distribution_status

# Then, for example:
#
#   ansible-inventory -i inventory --graph status_not_completed
#   ansible-playbook -i inventory repair.yml --limit status_failed
#   ansible status_of_app_unreachable -i inventory -m ansible.builtin.ping
"""

from typing import Any

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin
from ansible_collections.fleetcast.core.plugins.plugin_utils._status import config, groups, reconcile
from ansible_collections.fleetcast.core.plugins.plugin_utils._status.action import now
from ansible_collections.fleetcast.core.plugins.plugin_utils._status.database import open_database
from ansible_collections.fleetcast.core.plugins.plugin_utils._status.errors import StatusError


class InventoryModule(BaseInventoryPlugin):  # type: ignore[misc]  # Ansible has no types
    NAME = "fleetcast.core.distribution_status"

    def verify_file(self, path: str) -> bool:
        return bool(super().verify_file(path)) and path.endswith((".yml", ".yaml"))

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        try:
            found = self._grouped()
        except StatusError as error:
            raise AnsibleParserError(str(error)) from error
        for name, hosts in found.groups.items():
            self.inventory.add_group(name)
            for host in sorted(hosts.intersection(self.inventory.hosts)):
                self.inventory.add_child(name, host)
        for host, rows in found.rows.items():
            if host in self.inventory.hosts:
                self.inventory.set_variable(host, "distribution_status", rows)

    def _grouped(self) -> groups.Grouped:
        url = config.database_url({"fleetcast_db_url": self.get_option("db_url")}, self.templar.template)
        # What dead plays left is settled in the view that is read, and not written: an inventory changes nothing.
        with open_database(url, create=False).write(dry_run=True) as connection:
            reconcile.reconcile(connection, now())
            return groups.grouped(groups.newest_rows(connection), str(self.get_option("prefix")))
