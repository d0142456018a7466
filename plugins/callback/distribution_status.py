# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Listens to a playbook and keeps the status table: what the play itself does not record because it has failed."""

from __future__ import annotations

DOCUMENTATION = r"""
name: distribution_status
type: notification
short_description: Keep the status table of distributions
description:
  - Records in the status table what becomes of the hosts of a play that drives a distribution. Hosts that fail or cannot be reached are
    recorded at once. What is still open is ended when the playbook is over, also for hosts that were never reached.
  - At the end of the playbook it prints how its distributions stand.
  - A playbook that starts no distribution is not affected; no database is made or opened for it.
  - It never changes the outcome of a play. When the status table cannot be used it warns, keeps what it sees, and tries again later.
version_added: 0.1.0
author: The fleetcast authors (@fleetcast)
requirements:
  - enabled in C(ansible.cfg), or with E(ANSIBLE_CALLBACKS_ENABLED)
  - the Python packages of the collection's C(requirements.txt), where Ansible runs
options:
  db_url:
    description:
      - The database of the status table, as a URL of SQLAlchemy.
      - An SQLite file by its absolute path, as in V(sqlite:////var/lib/fleetcast/status.db). It is made when it is missing.
      - A PostgreSQL database, as in V(postgresql://user:password@host/database). It needs the Python package psycopg.
      - Without it, the file C(fleetcast/status.db) under the user's Ansible home (E(ANSIBLE_HOME), by default C(~/.ansible)).
      - The password is not shown anywhere. The variable may be a template, so that it comes from a vault.
    type: str
    ini:
      - section: fleetcast
        key: db_url
    env:
      - name: FLEETCAST_DB_URL
    vars:
      - name: fleetcast_db_url
"""

EXAMPLES = r"""
ansible.cfg: |
  [defaults]
  callbacks_enabled = fleetcast.core.distribution_status

  [fleetcast]
  db_url = postgresql://fleetcast@db.example.com/fleetcast
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from ansible.plugins.callback import CallbackBase
from ansible.template import Templar
from ansible_collections.fleetcast.core.plugins.plugin_utils import (  # pylint: disable=unused-import
    _job_ticket,
    _progress,  # noqa: F401 - before Ansible forks
)
from ansible_collections.fleetcast.core.plugins.plugin_utils._status import config, libraries, rendering, run, states
from ansible_collections.fleetcast.core.plugins.plugin_utils._status.recorder import Recorder, problem
from ansible_collections.fleetcast.core.plugins.plugin_utils._status.text import bounded, storable

_OWN = "fleetcast.core."
_START = f"{_OWN}distribution_start"
_REDISTRIBUTION = f"{_OWN}redistribution"
_Hook = TypeVar("_Hook", bound=Callable[..., None])


def _guarded(hook: _Hook) -> _Hook:
    """Ansible would show an exception in a hook as one more warning; ours says what it means for the table."""

    @wraps(hook)
    def guarded(self: CallbackModule, *args: Any, **kwargs: Any) -> None:
        try:
            hook(self, *args, **kwargs)
        except Exception as error:  # a listener must not end the play, whatever it stumbles over
            self._complain(f"{type(error).__name__} in {hook.__name__}: {error}. The status table may lack what was reported just now")

    return guarded  # type: ignore[return-value]  # the same signature


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = config.CALLBACK
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._recorder: Recorder | None = None
        self._play: Any = None
        self._complaints: set[str] = set()
        self._loads = False

    @_guarded
    def v2_playbook_on_start(self, playbook: Any) -> None:  # noqa: ARG002 - Ansible passes it
        _job_ticket.classify_by_users_rules()
        self._recorder = Recorder(run.begin(), self._complain)

    @_guarded
    def v2_playbook_on_play_start(self, play: Any) -> None:
        self._play = play
        if self._recorder:
            self._recorder.new_play()

    @_guarded
    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:  # noqa: ARG002 - Ansible passes it
        self._tick()

    @_guarded
    def v2_runner_on_start(self, host: Any, task: Any) -> None:  # noqa: ARG002 - Ansible passes it
        # What later tasks of the collection need: the play has to wait for its first one anyway.
        if not self._loads and str(task.resolved_action).startswith(_OWN):
            self._loads = True
            libraries.load_after_fork()

    @_guarded
    def v2_runner_on_ok(self, result: Any) -> None:
        # In check mode there is no identifier: nothing was written that could be followed.
        follows = {_START: "distribution", _REDISTRIBUTION: "run"}.get(result.task.resolved_action)
        if self._recorder and follows and result.result.get(follows, "hidden by no_log"):
            self._recorder.follow(self._database_url(result))
        self._tick()

    @_guarded
    def v2_runner_on_skipped(self, result: Any) -> None:  # noqa: ARG002 - Ansible passes it
        self._tick()

    @_guarded
    def v2_runner_on_async_poll(self, result: Any) -> None:  # noqa: ARG002 - Ansible passes it
        self._tick()

    @_guarded
    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        # Loops and async tasks call hooks of their own too; this one comes once for a task and has the whole result.
        self._observe(result, states.TASK_FAILED, not ignore_errors)

    @_guarded
    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._observe(result, states.HOST_UNREACHABLE, not result.task.ignore_unreachable)

    @_guarded
    def v2_playbook_on_stats(self, stats: Any) -> None:
        recorder, self._recorder = self._recorder, None
        run.end()
        if recorder is None:
            return
        distributions = recorder.finish(_counted(stats.dark), _counted(stats.failures))
        if distributions:
            self._display.banner("DISTRIBUTION STATUS")
            for distribution in distributions:
                self._display.display(rendering.compact(distribution, self._display.columns))

    def _observe(self, result: Any, code: str, counts: bool) -> None:
        if self._recorder:
            host = storable(result.host.get_name())
            detail = bounded(f"{result.task.name or result.task.get_name()}: {problem(result.result)}")
            self._recorder.observe(host, (_reason(result) if code == states.TASK_FAILED else None) or code, detail, f"{result.task._uuid}:{code}", counts)

    def _tick(self) -> None:
        if self._recorder:
            self._recorder.tick()

    def _database_url(self, result: Any) -> str:
        """The URL as the action found it: from the same variables, those of its host and task."""
        variables = self._play.get_variable_manager().get_vars(play=self._play, host=result.host, task=result.task)
        return config.database_url(variables, Templar(loader=self._play.get_loader(), variables=variables).template)

    def _complain(self, message: str) -> None:
        """Say it loudly, but the same thing only once."""
        if message not in self._complaints:
            self._complaints.add(message)
            self._display.error(f"{config.CALLBACK}: {message}")


def _reason(result: Any) -> str | None:
    """What a module of this collection gives as the class of its failure (`disk`, `source`), which says more than that a task failed."""
    reason = result.result.get("reason")
    ours = str(result.task.resolved_action).startswith("fleetcast.core.")
    return str(reason) if ours and reason and reason != "error" and "censored" not in result.result else None


def _counted(hosts: dict[Any, int]) -> frozenset[str]:
    return frozenset(storable(host) for host, count in hosts.items() if count)
