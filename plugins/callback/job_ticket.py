# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Listens to a playbook and turns its failures into job tickets: keeps each at once, decides at the end, lets mail be sent behind."""

from __future__ import annotations

DOCUMENTATION = r"""
name: job_ticket
type: notification
short_description: Turn failures into job tickets for the right maintenance centre
description:
  - Takes every failed and unreachable result of a play, whatever module it came from, as an error alert; of a loop the task once. Counts alerts
    per device and failure type, and makes a job ticket when a count exceeds its threshold, unless the device is in a planned outage.
  - The ticket goes by mail to the maintenance centre of the device's location. Further alerts follow in the same mail thread.
  - A failure is written to a file at once, so that it is not lost when the play is killed. When the playbook ends, it goes into the database
    of the status table, together with the counts, the tickets and their mails. What killed plays left is taken in by the next one.
  - Mail is never sent while a play runs, but after its end by a process of its own, by the next play, and by C(fleetcast.core.tickets), a
    playbook that lists, shows, resolves and resends tickets as well.
  - It never changes the outcome of a play. Its own failures are shown, and kept in C(problems.log) beside the alerts.
  - What O(rules) can say is explained in C(docs/tickets.md) of the collection. Without it, O(mail_to) and O(mail_server) are enough.
version_added: 0.1.0
author: The fleetcast authors (@fleetcast)
requirements:
  - enabled in C(ansible.cfg), or with E(ANSIBLE_CALLBACKS_ENABLED)
  - the Python packages of the collection's C(requirements.txt), where Ansible runs
options:
  rules:
    description:
      - A YAML file with the rules. Its keys, all optional but for the centres, are
      - C(failure_types), a list of patterns (C(type) with C(message), C(modules), C(return_codes), C(fields), C(kinds)) that go before those of
        the collection, C(built_in_failure_types), which switches the latter off, and C(reported_failure_types), those that only alerts from
        outside bring;
      - C(thresholds), a list of C(limit) with C(device), C(group), C(failure_type) and C(window), of which the most specific counts, and
        C(window), how far back alerts are counted;
      - C(outages), a list of C(devices) (a host pattern) or C(locations) with C(reason), C(from), C(to), C(time_zone), and for recurring ones
        C(days), C(weeks), C(first_day), C(last_day); and C(time_zone) for all of them;
      - C(locations), a list of C(name) and C(aliases), and C(location_score), from which likeness on a location is corrected;
      - C(centres), a list of C(name), C(addresses), C(language), C(locations), of which one has C(default=true);
      - C(groupings), a list of C(name), C(failure_types), C(by) and C(devices), of devices that share a ticket;
      - C(mail), with C(from), C(reply_to), C(domain), C(subject_prefix), C(servers), C(templates), C(follow_up_every), C(attempts),
        C(retry_first), C(retry_factor), C(retry_longest).
      - It is checked when the playbook starts. A mistake is shown with file, line and key; alerts are kept until it is corrected.
    type: path
    ini:
      - section: callback_job_ticket
        key: rules
    env:
      - name: FLEETCAST_TICKET_RULES
  mail_to:
    description: Mail addresses of the only maintenance centre, where O(rules) names none.
    type: list
    elements: str
    default: []
    ini:
      - section: callback_job_ticket
        key: mail_to
    env:
      - name: FLEETCAST_TICKET_MAIL_TO
  mail_server:
    description:
      - The mail server, where O(rules) names none, as V(smtp://mail.example.org) (with STARTTLS) or V(smtps://user:password@mail.example.org).
        Certificates are verified. Only to this machine itself, the default, there is no TLS.
    type: str
    ini:
      - section: callback_job_ticket
        key: mail_server
    env:
      - name: FLEETCAST_TICKET_MAIL_SERVER
  mail_from:
    description: The sender's address, where O(rules) names none. Without it, C(fleetcast) at this machine's mail name.
    type: str
    ini:
      - section: callback_job_ticket
        key: mail_from
    env:
      - name: FLEETCAST_TICKET_MAIL_FROM
  journal:
    description:
      - The directory in which alerts are kept until the database has them. It must be on a disk that outlives the play.
      - Where it cannot be written, which is shown, alerts are kept in memory until the playbook ends.
      - Without it, C(fleetcast/alerts) under the user's Ansible home (E(ANSIBLE_HOME), by default C(~/.ansible)).
    type: path
    ini:
      - section: callback_job_ticket
        key: journal
    env:
      - name: FLEETCAST_TICKET_JOURNAL
  rescued:
    description: Whether a failure that a C(rescue) takes care of is an alert too.
    type: bool
    default: false
    ini:
      - section: callback_job_ticket
        key: rescued
    env:
      - name: FLEETCAST_TICKET_RESCUED
  ignored:
    description: Whether a failure that C(ignore_errors) or C(ignore_unreachable) passes over is an alert too.
    type: bool
    default: false
    ini:
      - section: callback_job_ticket
        key: ignored
    env:
      - name: FLEETCAST_TICKET_IGNORED
  check_mode:
    description: Whether a failure in check mode is an alert too. It is often one of the prediction, and not of the device.
    type: bool
    default: false
    ini:
      - section: callback_job_ticket
        key: check_mode
    env:
      - name: FLEETCAST_TICKET_CHECK_MODE
  location_variable:
    description: The variable of a host that says where it is.
    type: str
    default: fleetcast_location
    ini:
      - section: callback_job_ticket
        key: location_variable
    env:
      - name: FLEETCAST_TICKET_LOCATION_VARIABLE
  server_variable:
    description: The variable of a host that says which distribution server serves it.
    type: str
    default: fleetcast_distribution_server
    ini:
      - section: callback_job_ticket
        key: server_variable
    env:
      - name: FLEETCAST_TICKET_SERVER_VARIABLE
  delivery_wait:
    description:
      - How long, in seconds, the end of the playbook waits to show what became of the mails. The sending goes on behind it.
      - Where all processes end with the playbook, as in an execution environment, give it the time that the mail servers need.
    type: float
    default: 0.5
    ini:
      - section: callback_job_ticket
        key: delivery_wait
    env:
      - name: FLEETCAST_TICKET_DELIVERY_WAIT
  delivery_timeout:
    description: How long, in seconds, mails are sent after the playbook. What is not sent then waits for the next run. V(0) sends nothing.
    type: float
    default: 60
    ini:
      - section: callback_job_ticket
        key: delivery_timeout
    env:
      - name: FLEETCAST_TICKET_DELIVERY_TIMEOUT
seealso:
  - plugin: fleetcast.core.distribution_status
    plugin_type: callback
    description: Its option O(fleetcast.core.distribution_status#callback:db_url) names the database for both.
  - module: fleetcast.core.error_alert
"""

EXAMPLES = r"""
ansible.cfg: |
  [defaults]
  callbacks_enabled = fleetcast.core.job_ticket
  [callback_job_ticket]
  mail_to = maintenance@example.org
  mail_server = smtp://mail.example.org
"""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

from ansible import context
from ansible.playbook.block import Block
from ansible.plugins.callback import CallbackBase
from ansible.template import Templar
from ansible_collections.fleetcast.core.plugins.plugin_utils import _job_ticket
from ansible_collections.fleetcast.core.plugins.plugin_utils._status import config as status_config
from ansible_collections.fleetcast.core.plugins.plugin_utils._status import libraries
from ansible_collections.fleetcast.core.plugins.plugin_utils._status import run as status_run
from ansible_collections.fleetcast.core.plugins.plugin_utils._status.errors import StatusError
from ansible_collections.fleetcast.core.plugins.plugin_utils._status.text import plain
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets import alert as alerts
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets import journal, results
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets.errors import TicketError
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets.inventory_names import without_effect
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets.rules import Rules

_OWN_PLAYBOOK = Path(__file__).resolve().parents[2] / "playbooks/tickets.yml"
_OWN_MODULES = ("fleetcast.core.ticket_", "fleetcast.core.error_alert")
#: Own failures of one run that are shown and kept.
_COMPLAINTS_SHOWN = 20
#: Instead of the name of a playbook that did not run as a whole.
_IN_PART = "(in part)"
_Hook = TypeVar("_Hook", bound=Callable[..., None])


def _guarded(hook: _Hook) -> _Hook:
    """Whatever goes wrong in here is shown and kept, and the play does not notice."""

    @wraps(hook)
    def guarded(self: CallbackModule, *args: Any, **kwargs: Any) -> None:
        try:
            hook(self, *args, **kwargs)
        except Exception as error:  # a listener must not end the play, whatever it stumbles over
            self._complain(f"{error}" if isinstance(error, (TicketError, StatusError)) else f"{type(error).__name__} in {hook.__name__}: {error}")

    return guarded  # type: ignore[return-value]  # the same signature


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = _job_ticket.CALLBACK
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._run_id = ""
        self._journal: journal.Journal | None = None
        self._options: _job_ticket.Options | None = None
        self._rules: Rules | None = None
        self._why_not = ""
        self._said: set[str] = set()
        self._complaints = 0
        self._play: Any = None
        self._playbook = ""
        self._is_own = False
        self._is_compared = False
        self._seen: dict[str, int] = {}
        self._places: dict[str, tuple[str, str]] = {}

    @_guarded
    def v2_playbook_on_start(self, playbook: Any) -> None:
        file = Path(str(playbook._file_name))
        # Each playbook of a command line has its own journal: what one could not record, the next must not write over.
        self._run_id = str(uuid.uuid4())
        self._playbook, self._is_own = file.name, file.resolve() == _OWN_PLAYBOOK
        self._options = _job_ticket.Options.read(self.get_option)
        self._journal = journal.Journal(self._options.journal, self._run_id)
        try:
            libraries.require()
            self._rules = self._options.load_rules()
        except (TicketError, StatusError) as error:
            self._why_not = str(error)
            self._complain(f"no ticket can be made, alerts are only kept: {error}")

    @_guarded
    def v2_playbook_on_play_start(self, play: Any) -> None:
        self._play = play
        self._places.clear()
        if self._rules is not None and self._rules.named and not self._is_compared:
            self._is_compared = True
            inventory = play.get_variable_manager()._inventory
            warning = without_effect(self._rules.named, [str(host.name) for host in inventory.get_hosts()], [str(group) for group in inventory.groups])
            if warning:
                self._display.warning(warning)

    @_guarded
    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        # A loop's items call hooks of their own; this one comes once for a task and has the results of all items.
        if (ignore_errors and not self.get_option("ignored")) or (not ignore_errors and not self.get_option("rescued") and is_rescued(result.task)):
            return
        self._keep(result, "failed", str(result.host.get_name()))

    @_guarded
    def v2_runner_on_unreachable(self, result: Any) -> None:
        if result.task.ignore_unreachable and not self.get_option("ignored"):
            return
        # Of a delegated task it is the other host that could not be reached.
        self._keep(result, "unreachable", _delegate(result) or str(result.host.get_name()))

    @_guarded
    def v2_playbook_on_stats(self, stats: Any) -> None:
        if self._options is None or self._journal is None:
            return
        clean = [
            host
            for host in stats.processed
            if stats.ok.get(host) and not any(getattr(stats, bad).get(host) for bad in ("failures", "dark", "rescued", "ignored"))
        ]
        passed = journal.Passed(self._playbook if _runs_whole() else _IN_PART, tuple(str(host) for host in clean), datetime.now(UTC))
        try:
            if self._rules is not None:
                self._close(self._options.journal, self._journal, passed, self._rules)
            elif self._journal.read():
                # Said at the start, too; but that was long ago.
                self._complain(f"alerts wait in {self._options.journal} for the next run after this is corrected: {self._why_not}")
        finally:
            self._journal.close()
            if self._complaints > _COMPLAINTS_SHOWN:
                more = self._complaints - _COMPLAINTS_SHOWN
                self._display.error(f"{_job_ticket.CALLBACK}: {more} more failures of its own are not shown", wrap_text=False)

    def _close(self, directory: Path, own: journal.Journal, passed: journal.Passed, rules: Rules) -> None:
        # Here and not earlier: see _job_ticket.
        from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets.closing import Closing

        url = status_config.database_url({}, lambda value: value)
        wait, limit = float(self.get_option("delivery_wait")), float(self.get_option("delivery_timeout"))
        said = Closing(directory, own, passed).run(url, rules, wait, limit)
        for problem in said.problems:
            self._complain(problem)
        if said.lines:
            self._display.banner("JOB TICKETS")
            for line in said.lines:
                self._display.display(line)
        if said.alarms:
            self._display.error("\n".join(said.alarms), wrap_text=False)

    def _keep(self, result: Any, kind: str, device: str) -> None:
        """Write the alert to the journal."""
        task, data = result.task, result.result
        module = str(task.resolved_action or task.action)
        # A ticket about tickets that cannot be sent would be one more of them.
        if self._journal is None or self._is_own or module.startswith(_OWN_MODULES):
            return
        if task.check_mode and not self.get_option("check_mode"):
            return
        occurrence = f"{task._uuid}:{result.host.get_name()}:{kind}"
        number = self._seen[occurrence] = self._seen.get(occurrence, 0) + 1
        location, server = self._place(result.host)
        origin = {"play": self._play.get_name() if self._play else "", "task": task.get_name(), "playbook": self._playbook}
        if status_run.current is not None:
            origin["run"] = status_run.current.id
        if delegate := _delegate(result):
            origin.update(host=str(result.host.get_name()), delegated_to=delegate)
        self._journal.add(
            alerts.make(
                device,
                results.text_of(data),
                key=f"{self._run_id}:{occurrence}:{number}",
                kind=kind,
                module=module,
                return_code=results.return_code_of(data),
                fields=results.fields_of(data),
                groups=[str(group) for group in result.host.get_groups()],
                location=location,
                server=server,
                origin=origin,
            )
        )

    def _place(self, host: Any) -> tuple[str, str]:
        """Location and distribution server of the host, by its variables. Without them there is an alert all the same."""
        name = str(host.get_name())
        if name not in self._places:
            try:
                self._places[name] = self._looked_up(host)
            except Exception as error:  # whatever a template stumbles over
                self._places[name] = ("", "")
                self._complain(f"the location of {name} is not known: {error}")
        return self._places[name]

    def _looked_up(self, host: Any) -> tuple[str, str]:
        # With the play's hosts given, Ansible does not make the list of those that are left: for each alert it would compare all hosts with
        # all that have failed so far.
        me = [host.get_name()]
        variables = self._play.get_variable_manager().get_vars(play=self._play, host=host, include_hostvars=False, _hosts=me, _hosts_all=me)
        found = []
        for option in ("location_variable", "server_variable"):
            value = variables.get(self.get_option(option))
            if value is not None:
                value = plain(Templar(loader=self._play.get_loader(), variables=variables).template(value))
            found.append("" if value is None else str(value))
        return found[0], found[1]

    def _complain(self, message: str) -> None:
        """Show a failure of our own, and keep it. One that every host has would fill the screen and hold up the play."""
        if message in self._said:
            return
        self._said.add(message)
        self._complaints += 1
        if self._complaints > _COMPLAINTS_SHOWN:
            return
        self._display.error(f"{_job_ticket.CALLBACK}: {message}", wrap_text=False)
        if self._options is not None:
            try:
                journal.keep_problem(self._options.journal, message)
            except journal.JournalError as error:
                self._display.error(f"{_job_ticket.CALLBACK}: {error}", wrap_text=False)


def _runs_whole() -> bool:
    """Whether this run shows that what failed in the playbook before is over. In check mode, or with some of the tasks only, it does not."""
    asked = context.CLIARGS
    return not (asked.get("check") or asked.get("skip_tags") or asked.get("start_at_task") or set(asked.get("tags") or ()) - {"all"})


def _delegate(result: Any) -> str:
    """The host that the task was delegated to; empty when it was not. The task itself has it as it was written, its fields as it was templated."""
    name = str(result.task_fields.get("delegate_to") or "")
    return "" if "{{" in name else name


def is_rescued(task: Any) -> bool:
    """Whether a failure of the task is one that a `rescue` around it takes care of. Tasks of `rescue` and `always` are not covered by their own block."""
    child, parent = task, task._parent
    while parent is not None:
        if isinstance(parent, Block) and parent.rescue and any(member._uuid == child._uuid for member in parent.block):
            return True
        child, parent = parent, parent._parent
    return False
