# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules that run under `async` on a host, started by an action plugin and seen from one."""

from __future__ import annotations

import json
import secrets
import time
from typing import Any, NamedTuple

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

#: Where a module that is started with `answers` says what it has to say before its work.
ANSWER_FD = 3
#: What asynchronous execution adds to a module's own result.
_JOB_KEYS = frozenset({"ansible_job_id", "finished", "started", "results_file"})
#: What is printed of a job, to tell it from what a login prints: whether its wrapper runs, and where its note begins.
_ALIVE, _GONE, _NOTE = "fleetcast-job-alive", "fleetcast-job-gone", "fleetcast-job-note"
#: How a job's file begins while the module is at work: as it is started here, and by Ansible.
_AT_WORK = ('{"started": 1, "finished": 0', '{"started": true, "finished": false')
#: Seconds for which a command on the host waits for news of a job, and between two such commands.
LONGEST_LOOK, INTERVAL = 2.0, 0.1
#: Seconds between two looks of such a command.
_STEP = 0.05
#: Seconds after its time limit at which a job that does not end is killed.
_KILL_AFTER = 10


def json_line(text: str) -> dict[str, Any] | None:
    """The JSON object that a command printed as one line, among what a login may print around it; None when there is none."""
    for line in reversed(text.splitlines()):
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict):
            return found
    return None


class JobAction(ActionBase):  # type: ignore[misc]  # Ansible has no types
    """An action that starts its module as a job.

    Ansible's own way takes six commands on the host and two Pythons. Where pipelining is enabled one command and one Python do: the
    module comes with the command that keeps it in a file and starts it. What is left on the host is the same for both:
    `async_status` reads it too.
    """

    _launcher: str | None = None

    @property
    def can_answer(self) -> bool:
        """Whether :meth:`start_job` can wait for what the module has to say in the middle of its work."""
        return bool(self._is_pipelining_enabled("new"))

    def start_job(self, arguments: dict[str, Any], task_vars: dict[str, Any], seconds: int, *, answers: bool = False) -> dict[str, Any]:
        """Start the task's module on the host for at most `seconds`. The result has `ansible_job_id`, unless it could not be started.

        :param answers: wait until the module writes a JSON object, on one line, to its file descriptor :data:`ANSWER_FD`. That becomes part of the result;
            a module that ends without doing so has its own result returned, and there is no job. Only where :attr:`can_answer`.
        """
        before = self._task.async_val
        self._task.async_val = seconds
        try:
            if not self.can_answer:
                return dict(self._execute_module(module_args=arguments, task_vars=task_vars, wrap_async=True))
            identifier = f"j{secrets.randbelow(10**12)}"
            self._launcher = self._launch_script(identifier, seconds, answers=answers)
            started = dict(self._execute_module(module_args=arguments, task_vars=task_vars))
            if answers and "ansible_job_id" in started:
                # The note, for nothing was answered: it was the worker's end that closed the pipe, when the result was in its place.
                return Job(self, identifier).result() or started
            if answers and not started.get("failed"):
                started["ansible_job_id"] = identifier
            return {**started, "changed": True} if "ansible_job_id" in started else started
        finally:
            self._task.async_val = before
            self._launcher = None

    def _low_level_execute_command(self, cmd: str, *args: Any, in_data: bytes | None = None, **kwargs: Any) -> dict[str, Any]:
        if in_data is not None and self._launcher is not None:
            cmd = self._launcher.replace("INTERPRETER", self._connection._shell.quote(cmd))
        return dict(super()._low_level_execute_command(cmd, *args, in_data=in_data, **kwargs))

    def _launch_script(self, identifier: str, seconds: int, *, answers: bool) -> str:
        """Commands that keep the module from standard input in a file, start it with INTERPRETER (quoted), and say so, or what the module answers."""
        shell = self._connection._shell
        module = str(self._task.resolved_action or self._task.action).rpartition(".")[2]
        note = json.dumps({"started": 1, "finished": 0, "ansible_job_id": identifier, "results_file": _path(self, identifier)})
        quote = shell.quote
        # $0 the job's file, $1 the interpreter with its environment, $2 what limits its time. The result takes the note's place when it is whole.
        # The files of the job are private; what the module makes on the host has the permissions of any module's work ($3: the umask).
        worker = (
            f'exec {ANSWER_FD}>&1 >/dev/null; trap "" HUP; : >"$0.out"; umask "$3"; eval "$2 env $1 \\"\\$0.{module}\\"" >"$0.out" 2>&1;'
            f' rm -f "$0.{module}"; mv -f "$0.out" "$0"'
        )
        answer = f'said=$(start | head -n 1); [ -n "$said" ] || said={quote(note)}; printf "%s\\n" "$said"'
        return (
            f'set -e; mask=$(umask); umask 077; job={_quoted_path(self, identifier)}; mkdir -p "${{job%/*}}";'
            f' cat >"$job.{module}"; printf "%s\\n" {quote(note)} >"$job";'
            f' if command -v timeout >/dev/null; then limit="timeout -k {_KILL_AFTER} {seconds}"; else limit=; fi;'
            " if command -v setsid >/dev/null; then session=setsid; else session=; fi;"
            f' start() {{ $session sh -c {quote(worker)} "$job" INTERPRETER "$limit" "$mask" </dev/null 2>/dev/null & }};'
            f' {answer if answers else f"start >/dev/null; echo {quote(note)}"}'
        )


class Look(NamedTuple):
    """What was seen of a job: whether its wrapper runs (yes where the host does not tell), after that its result, and what it noted meanwhile."""

    alive: bool
    result: dict[str, Any] | None
    note: dict[str, Any] | None


class Job:
    """A module that was started with :meth:`JobAction.start_job` or under `async`; `identifier` is its `ansible_job_id`."""

    def __init__(self, action: ActionBase, identifier: str) -> None:
        self._action = action
        self.identifier = identifier

    def result(self) -> dict[str, Any] | None:
        """The module's result, once; None while it is at work. The job's file on the host is removed with it.

        :raises AnsibleActionFail: it was killed.
        """
        return self.watch().result

    def watch(self, seconds: float = 0, note: str = "") -> Look:
        """The next thing of the job: its result, once, or what it wrote into `note`, a file there, which is removed; within `seconds`.

        :raises AnsibleActionFail: it was killed.
        """
        look = self._look(seconds, note)
        if look.result is None and not look.alive:
            raise AnsibleActionFail(f"the module was killed on the host before its end; its job there is {self.identifier}")
        return look

    def wait(self, seconds: float) -> dict[str, Any] | None:
        """The module's result if it ends within `seconds`. None when it does not, or was killed; then its file stays for whoever looks into it."""
        deadline = time.monotonic() + seconds
        while True:
            left = deadline - time.monotonic()
            look = self._look(min(left, LONGEST_LOOK))
            if look.result is not None or not look.alive or left <= 0:
                return look.result
            time.sleep(INTERVAL)

    def _look(self, seconds: float, note: str = "") -> Look:
        # One command that waits there, for connections cost more than waiting does: while the file begins with the wrapper's own line and no note comes.
        # The wrapper has the identifier's part before the dot among its arguments. The command that looks for it must not: hence the variable.
        first, rest = self.identifier[0], self.identifier[1:]
        quote = self._action._connection._shell.quote
        pattern = quote(f"[{first}]{rest.partition('.')[0]}")
        answer = self._action._low_level_execute_command(
            f'first={first}; job={_quoted_path(self._action, "")}"$first"{quote(rest)}; note={quote(note)}; left={int(max(seconds, 0) / _STEP)};'
            ' while :; do line=; read -r line 2>/dev/null <"$job";'
            f' case $line in {"|".join(f"{quote(begin)}*" for begin in _AT_WORK)}) ;; *) break ;; esac;'
            ' { [ "$left" -gt 0 ] && [ ! -e "$note" ]; } || break;'
            f" sleep {_STEP} 2>/dev/null || sleep 1; left=$((left - 1)); done;"
            f" if [ ! -r /proc/self/cmdline ] || grep -qs -e {pattern} /proc/[0-9]*/cmdline; then echo {_ALIVE}; else echo {_GONE}; fi;"
            ' cat "$job" || exit;'
            # Removed at once where it is seen here that it is the result.
            """ case $line in *'"started"'*) ;; *) rm -f "$job" ;; esac;"""
            f' if [ -n "$note" ]; then echo; echo {_NOTE}; cat "$note" 2>/dev/null && rm -f "$note"; fi; :'
        )
        if answer["rc"] != 0:
            raise AnsibleActionFail(f"the job {self.identifier} cannot be read on the host: {answer['stderr'].strip() or answer['stdout'].strip()}")
        said, _mark, noted = answer["stdout"].partition(_NOTE)
        alive = _GONE not in said
        status = json_line(said)
        if status is None:
            rest_of_it = said.replace(_ALIVE, "").replace(_GONE, "").strip()[-500:]
            status = {"failed": True, "reason": "lost", "msg": f"the module was killed, or it ended without a result; it said: {rest_of_it or 'nothing'}"}
        # The wrapper's own note says `started`; the module's result, which takes its place, does not.
        if "started" in status and not status.get("finished"):
            return Look(alive, None, json_line(noted))
        return Look(False, {key: value for key, value in status.items() if key not in _JOB_KEYS}, json_line(noted))


def _path(action: ActionBase, identifier: str) -> str:
    """Where a job is kept on the host. Reading it there takes a few bytes, the module async_status would be sent anew each time."""
    return str(action._connection._shell.join_path(action.get_shell_option("async_dir", default="~/.ansible_async"), identifier))


def _quoted_path(action: ActionBase, identifier: str) -> str:
    shell = action._connection._shell
    path = _path(action, identifier)
    # The host's shell takes the tilde for $HOME, as the wrapper did. Ansible would ask passwd(5), which may name another directory.
    return f"~/{shell.quote(path[2:])}" if path.startswith("~/") else str(shell.quote(path))
