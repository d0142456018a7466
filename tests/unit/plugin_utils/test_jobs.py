# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs: a module is started with one command, runs on, and leaves its result, which is found among what a login prints."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import shell_loader
from ansible_collections.fleetcast.core.plugins.plugin_utils._jobs import Job, JobAction, json_line

pytestmark = pytest.mark.push

_BANNER = "lastlog_openseek: Couldn't stat /var/log/lastlog\r\r\nWelcome [to] {this} host\r\n"


@pytest.mark.parametrize(
    ("printed", "found"),
    [
        ('{"complete": true}', {"complete": True}),
        (_BANNER + '{"complete": true}\r\n', {"complete": True}),
        (_BANNER + '{"complete": true}\nShared connection to host closed.\r\n', {"complete": True}),
        ('{"msg": "{\\"a\\": 1}"}\n', {"msg": '{"a": 1}'}),
        (_BANNER, None),
        ('"text"\n[1]\n7\nnull\n', None),
        ('{"complete": tr', None),
        ("", None),
    ],
)
def test_the_object_is_found(printed: str, found: object) -> None:
    assert json_line(printed) == found


class Action(JobAction):
    """The parts of an action that jobs need, on this machine: commands go to `sh`, as a connection lets them."""

    def __init__(self, directory: Path) -> None:
        self._connection = SimpleNamespace(_shell=shell_loader.get("sh"))
        self._task = SimpleNamespace(action="fleetcast.core.multicast_receive", resolved_action=None, async_val=0)
        self._directory = directory
        self.environment = ""
        self.commands = 0

    def get_shell_option(self, option: str, default: str | None = None) -> str:
        return str(self._directory) if option == "async_dir" else str(default)

    def _is_pipelining_enabled(self, module_style: str, wrap_async: bool = False) -> bool:
        return module_style == "new" and not wrap_async

    def _execute_module(self, module_args: dict[str, str], **_kwargs: object) -> dict[str, object]:
        command = f"{self.environment} {shlex.quote(sys.executable)}".strip()
        answer = self._low_level_execute_command(command, in_data=module_args["code"].encode())
        return json_line(answer["stdout"]) or {"failed": True, "msg": answer["stderr"]}

    def run(self, *_args: object, **_kwargs: object) -> dict[str, object]:
        raise NotImplementedError


@pytest.fixture
def action(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Action:
    def run(called: Action, cmd: str, *_args: object, in_data: bytes | None = None, **_kwargs: object) -> dict[str, object]:
        called.commands += 1
        done = subprocess.run(["sh", "-c", cmd], input=in_data or b"", capture_output=True, timeout=30, check=False)
        return {"rc": done.returncode, "stdout": done.stdout.decode(), "stderr": done.stderr.decode()}

    monkeypatch.setattr(ActionBase, "_low_level_execute_command", run)
    return Action(tmp_path / "jobs of 'one' user")


def start(action: Action, code: str, seconds: int = 20) -> Job:
    started = action.start_job({"code": code}, {}, seconds)
    assert (started["started"], started["finished"], started["changed"]) == (1, 0, True)
    assert action._task.async_val == 0
    return Job(action, str(started["ansible_job_id"]))


def files(action: Action) -> list[str]:
    return sorted(path.name for path in action._directory.iterdir())


def running(job: Job) -> list[int]:
    """The job's processes: its identifier is in their command lines."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended
            if job.identifier.encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return found


def test_a_module_runs_on_after_the_command_that_started_it(action: Action, tmp_path: Path) -> None:
    action.environment = "GREETING='one two'"
    gate = tmp_path / "gate"
    wait = f"while not os.path.exists({str(gate)!r}): time.sleep(0.01)"
    job = start(action, f"import os, time\n{wait}\nprint('noise')\nprint('{{\"said\": \"%s\"}}' % os.environ['GREETING'])")
    assert job.result() is None
    assert job.wait(0) is None
    assert f"{job.identifier}.multicast_receive" in files(action), "ps(1) on the host shows what runs"
    assert {path.stat().st_mode & 0o077 for path in action._directory.iterdir()} == {0}, "the module has a session's keys in it"
    gate.touch()
    assert job.wait(20) == {"said": "one two"}
    assert files(action) == []


def test_one_command_waits_for_the_end_takes_the_result_and_leaves_nothing(action: Action) -> None:
    job = start(action, "import time; time.sleep(0.5); print('{\"done\": true}')")
    before = action.commands
    assert job.watch(60).result == {"done": True}
    assert action.commands - before == 1
    assert files(action) == []


def test_what_a_module_notes_ends_the_waiting(action: Action, tmp_path: Path) -> None:
    note, gate = tmp_path / "it's a note", tmp_path / "gate"
    noting = f"open({str(tmp_path / 'new')!r}, 'w').write('{{\"phase\": \"data\"}}'); os.rename({str(tmp_path / 'new')!r}, {str(note)!r})"
    job = start(action, f"import os, time\n{noting}\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.01)\nprint('{{\"done\": true}}')")
    before = action.commands
    look = job.watch(60, str(note))
    assert (look.alive, look.result, look.note) == (True, None, {"phase": "data"})
    assert not note.exists(), "that it was read is told by removing it"
    assert job.watch(0, str(note)).note is None
    (tmp_path / "newer").write_text('{"phase": "end"}', encoding="utf-8")
    (tmp_path / "newer").rename(note)
    gate.touch()
    while (look := job.watch(60, str(note))).result is None:
        assert look.note in (None, {"phase": "end"})
    assert look.result == {"done": True}
    assert action.commands - before <= 4
    assert not note.exists()


@pytest.mark.parametrize("begin", ['{"started": true, "finished": false, "ansible_job_id": "ID"}', '{"started": 1, "finished": 0, "ansible_job_id": "ID"}'])
def test_a_job_that_ansible_started_is_waited_for(action: Action, begin: str) -> None:
    """The notes of its wrapper, of the versions that there are."""
    action._directory.mkdir()
    job = Job(action, "j123456789012.77")
    (action._directory / job.identifier).write_text(begin.replace("ID", job.identifier), encoding="utf-8")
    before = time.monotonic()
    assert job._look(0.5).result is None
    assert time.monotonic() - before >= 0.5
    (action._directory / job.identifier).write_text('{"started": 1, "finished": 1, "changed": false}', encoding="utf-8")
    assert job.watch(60).result == {"changed": False}


def test_what_a_module_makes_has_the_permissions_that_it_has_elsewhere(action: Action, tmp_path: Path) -> None:
    """The files of the job are closed to others; a directory that is made above a destination is not one of them."""
    made = tmp_path / "made"
    before = os.umask(0o022)
    try:
        assert start(action, f"import os; os.mkdir({str(made)!r}); print('{{\"done\": true}}')").wait(20) == {"done": True}
    finally:
        os.umask(before)
    assert made.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("code", ["import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "print('no room for anything')"])
def test_a_module_that_ends_without_a_result(action: Action, code: str) -> None:
    result = start(action, code).wait(20)
    assert result is not None
    assert (result["failed"], result["reason"]) == (True, "lost")
    assert ("no room" in result["msg"]) == ("no room" in code)


def test_a_module_that_does_not_end_is_ended(action: Action) -> None:
    result = start(action, "import time; time.sleep(600)", seconds=1).wait(20)
    assert result is not None
    assert result["reason"] == "lost"


def test_a_job_whose_wrapper_was_killed_is_not_waited_for(action: Action, tmp_path: Path) -> None:
    begun_mark = tmp_path / "begun"
    job = start(action, f"import pathlib, time; pathlib.Path({str(begun_mark)!r}).touch(); time.sleep(600)")
    while not begun_mark.exists():  # for the test's own time limit
        time.sleep(0.02)
    killed = running(job)
    assert killed
    for pid in killed:
        with contextlib.suppress(ProcessLookupError):  # it ended with the one before
            os.kill(pid, signal.SIGKILL)
    begun = time.monotonic()
    assert job.wait(20) is None
    assert time.monotonic() - begun < 10
    with pytest.raises(AnsibleActionFail, match="was killed on the host before its end"):
        job.result()


def test_a_module_that_answers_is_waited_for_until_then(action: Action, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    code = f"""
import os, time
os.write(3, b'{{"lacking": 7}}\\n')
os.close(3)
while not os.path.exists({str(gate)!r}):
    time.sleep(0.01)
print('{{"done": true}}')
"""
    started = action.start_job({"code": code}, {}, 20, answers=True)
    assert (started["lacking"], started["changed"]) == (7, True)
    job = Job(action, str(started["ansible_job_id"]))
    assert job.result() is None
    gate.touch()
    assert job.wait(20) == {"done": True}
    assert files(action) == []


def test_a_module_that_ends_without_an_answer_leaves_no_job(action: Action) -> None:
    started = action.start_job({"code": "print('{\"changed\": false, \"complete\": true}')"}, {}, 20, answers=True)
    assert started == {"changed": False, "complete": True}
    assert files(action) == []


def test_a_module_that_is_killed_before_its_answer(action: Action) -> None:
    started = action.start_job({"code": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"}, {}, 20, answers=True)
    assert (started["failed"], started["reason"]) == (True, "lost")


def test_a_place_for_jobs_that_cannot_be_made(action: Action) -> None:
    action._directory.write_text("in the way", encoding="utf-8")
    started = action.start_job({"code": "pass"}, {}, 20)
    assert started["failed"]
    assert "jobs of" in str(started["msg"])
