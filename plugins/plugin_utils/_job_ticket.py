# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the callback `job_ticket` and the actions on tickets have in common: their options, and the way to the ticket desk.

SQLAlchemy is loaded only where it is used. Ansible forks a process for every host and task, and everything that the callback had loaded
in the parent would make each of these forks dearer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ansible import constants
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import callback_loader

from ._redistribution import classifying
from ._status import config as status_config
from ._status.errors import StatusError
from ._status.text import plain
from ._tickets import loading
from ._tickets.classification import FailurePattern
from ._tickets.errors import TicketError
from ._tickets.inventory_names import without_effect
from ._tickets.rules import Rules

if TYPE_CHECKING:
    from ._tickets.desk import Desk

CALLBACK = "fleetcast.core.job_ticket"
_RULE_OPTIONS = ("rules", "mail_to", "mail_server", "mail_from")


@dataclass(frozen=True)
class Options:
    """The options that say what the rules are and where alerts are kept."""

    rules: Path | None
    mail_to: tuple[str, ...]
    mail_server: str
    mail_from: str
    journal: Path

    @classmethod
    def read(cls, get: Callable[[str], Any]) -> Options:
        """From the callback's options; `get` gives an option's value by its name."""
        values: dict[str, Any] = {name: plain(get(name)) for name in (*_RULE_OPTIONS, "journal")}
        journal = values["journal"] or str(Path(constants.ANSIBLE_HOME) / "fleetcast" / "alerts")
        return cls(
            rules=Path(values["rules"]).expanduser() if values["rules"] else None,
            mail_to=tuple(str(address) for address in values["mail_to"] or ()),
            mail_server=str(values["mail_server"] or ""),
            mail_from=str(values["mail_from"] or ""),
            journal=Path(journal).expanduser(),
        )

    @classmethod
    def configured(cls) -> Options:
        """From ansible.cfg and the environment, also where the callback is not enabled."""
        # Loading the class makes Ansible read the options' definitions; the name under which it keeps them differs from core to core.
        name = callback_loader.get(CALLBACK, class_only=True)._load_name
        return cls.read(lambda option: constants.config.get_config_value(option, plugin_type="callback", plugin_name=name))

    def load_rules(self) -> Rules:
        """The rules.

        :raises RulesError: with file, line and key.
        """
        return loading.load(self.rules, self.mail_to, self.mail_server, self.mail_from)


def classify_by_users_rules() -> None:
    """Let failure records have the failure types that the user's rules name, as tickets do. The file is read when the first one fails."""
    classifying.patterns = _users_patterns


def _users_patterns() -> Sequence[FailurePattern]:
    try:
        return loading.load_patterns(Options.configured().rules)
    except TicketError:
        # The callback job_ticket tells what is wrong with the file; a record is made all the same.
        return loading.load_patterns(None)


class TicketAction(ActionBase):  # type: ignore[misc]  # Ansible has no types
    """An action on tickets, which runs on the controller: a subclass has its options and :meth:`perform`."""

    ARGUMENT_SPEC: ClassVar[dict[str, Any]] = {}
    REQUIRED: ClassVar[dict[str, Any]] = {}
    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validated, arguments = self.validate_argument_spec(argument_spec=self.ARGUMENT_SPEC, **self.REQUIRED)
        self.variables: Mapping[str, Any] = task_vars or {}
        try:
            self.options = Options.configured()
            result.update(self.perform({name: plain(value) for name, value in arguments.items()}))
        except (TicketError, StatusError) as error:
            raise AnsibleActionFail(str(error)) from error
        return result

    def perform(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The result for these options, in plain types. Raises :class:`TicketError` or :class:`StatusError`."""
        raise NotImplementedError

    def desk(self, create: bool = True) -> Desk:
        """The ticket desk over the database that is configured for this host; in check mode no database is made."""
        from ._status.database import open_database
        from ._tickets.desk import Desk

        url = status_config.database_url(self.variables, self._templar.template)
        rules = self.options.load_rules()
        groups: Mapping[str, Sequence[str]] = self.variables.get("groups", {})
        warning = without_effect(rules.named, groups.get("all", ()), tuple(groups))
        if warning:
            self._display.warning(warning)
        return Desk(open_database(url, create=create and not self._task.check_mode), rules)
