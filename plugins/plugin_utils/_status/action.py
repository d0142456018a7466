# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the actions on the status table have in common: they run on the controller only, and turn our errors into a failed task."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from .. import _job_ticket
from . import config
from . import run as playbook_run
from .database import Database, open_database
from .errors import RequestError, StatusError
from .text import plain


class StatusAction(ActionBase):  # type: ignore[misc]  # Ansible has no types
    """An action on the status table: a subclass has its options and :meth:`perform`."""

    ARGUMENT_SPEC: ClassVar[dict[str, Any]] = {}
    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = self.validate_argument_spec(argument_spec=self.ARGUMENT_SPEC)[1]
        self._variables = task_vars or {}
        _job_ticket.classify_by_users_rules()
        try:
            result.update(self.perform({name: plain(value) for name, value in arguments.items()}))
        except StatusError as error:
            raise AnsibleActionFail(str(error)) from error
        return result

    def perform(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The result for these options, in plain types. Raises :class:`StatusError`."""
        raise NotImplementedError

    def open(self, create: bool = True) -> Database:
        """The status table that is configured for this host; in check mode it is left as it is."""
        url = config.database_url(self._variables, self._templar.template)
        return open_database(url, create=create and not self._task.check_mode)

    @staticmethod
    def current_run() -> playbook_run.Run:
        """The run that holds the leases. Without the callback there is none, and nobody would keep the table."""
        if playbook_run.current is None:
            raise RequestError(
                f"the status table is not kept, because the callback {config.CALLBACK} is not enabled: without it nobody would learn which hosts "
                f"failed or could not be reached. To enable it, {config.how_to_enable()}"
            )
        return playbook_run.current


def now() -> datetime:
    return datetime.now(UTC)
