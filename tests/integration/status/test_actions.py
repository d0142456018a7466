# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The actions as a playbook sees them: what they return, what they refuse, and that they tell the truth about changes."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

import pytest
from ansible_collections.fleetcast.core.tests.databases import postgresql_is_further
from ansible_collections.fleetcast.core.tests.integration.status.project import Project, fail, finish, record, save, start

pytestmark = pytest.mark.push


def _saved(project: Project, file: str) -> Any:
    return json.loads((project.directory / file).read_text(encoding="utf-8"))


def _pending(*hosts: str, **options: Any) -> dict[str, Any]:
    return {"name": "Look", "fleetcast.core.distribution_pending_info": {"hosts": list(hosts), **options}, "run_once": True, "register": "found"}


def _status(**options: Any) -> dict[str, Any]:
    return {"name": "Status", "fleetcast.core.distribution_status_info": options, "run_once": True, "register": "shown"}


@postgresql_is_further
def test_from_start_to_finish(project_on_any_database: Project) -> None:
    project = project_on_any_database
    project.inventory("one", "two", "three")
    play = project.play(
        start(commands={"src": "/srv/a", "options": {"force": True, "tries": 3, "names": ["ä b"]}}),
        save("start.json", "begun"),
        record("dispatched"),
        record("dispatched"),
        save("again.json", "recorded"),
        record("succeeded", "['one', 'stranger']", version="1.2", bytes_multicast=1000, bytes_unicast=10),
        save("record.json", "recorded"),
        record("failed", "['two']", code="disk_full", detail="No space"),
        finish(),
        save("finish.json", "finished"),
        _pending("one", "two", "nobody"),
        save("pending.json", "found"),
        _status(),
        save("status.json", "shown"),
    )
    assert play.returncode == 0, play.stdout
    started = _saved(project, "start.json")
    assert started["changed"] and not started["joined"]
    assert (started["hosts"], started["attempts"]) == (["one", "two", "three"], {"one": 1, "two": 1, "three": 1})
    assert (started["completed"], started["ended"], started["busy"], started["superseded"], started["supersedes"]) == ([], {}, {}, [], {})
    recorded = _saved(project, "record.json")
    assert recorded["accepted"] == ["one"]
    assert recorded["refused"] == {"stranger": {"status": "succeeded", "current": "none", "reason": "the distribution has no attempt for this host"}}
    ended = _saved(project, "finish.json")
    assert ended["status"] == "finished" and ended["total_hosts"] == 3 and ended["completed"] == 1
    assert ended["counts"] == {"succeeded": 1, "failed": 1, "unknown": 1}
    assert ended["not_completed"] == ["three", "two"]
    found = _saved(project, "pending.json")
    assert not found["changed"] and found["unknown"] == ["nobody"] and found["not_completed"] == ["two"]
    assert found["hosts"]["nobody"]["known"] is False
    (entry,) = found["distributions"].values()
    assert entry["commands"] == {"src": "/srv/a", "options": {"force": True, "tries": 3, "names": ["ä b"]}} and entry["manifest"] == "the manifest"
    shown = _saved(project, "status.json")
    assert not shown["changed"]
    (distribution,) = shown["distributions"]
    assert {row["host"]: (row["status"], row["code"], row["version"]) for row in distribution["hosts"]} == {
        "one": ("succeeded", None, "1.2"),
        "two": ("failed", "disk_full", None),
        "three": ("unknown", "not_finished", None),
    }
    assert "Needs attention (2)" in shown["text"]


#: What is asked, and what is said to it.
_NO_SENSE: list[tuple[dict[str, Any], str]] = [
    (start(hosts=[]), "a distribution needs at least one host"),
    (start(name=""), "a new distribution needs name"),
    (start(lease=0), "lease must be at least 1 second"),
    ({"fleetcast.core.distribution_start": {"distribution": "00000000", "hosts": ["one"]}}, "there is no distribution '00000000'"),
    ({"fleetcast.core.distribution_record": {"distribution": "", "hosts": {}}}, "needs `distribution`"),
    ({"fleetcast.core.distribution_record": {"hosts": {"one": {"status": "done"}}}}, "'done' of one is no state that can be reported"),
    ({"fleetcast.core.distribution_record": {"hosts": {"one": "failed"}}}, "the entry of one must be a dictionary"),
    ({"fleetcast.core.distribution_record": {"hosts": {"one": {"status": "failed", "why": "x"}}}}, "the entry of one has why; it may have status, code"),
    ({"fleetcast.core.distribution_record": {"hosts": {"one": {"status": "failed", "bytes_unicast": -1}}}}, "must be a number of bytes, not -1"),
    ({"fleetcast.core.distribution_finish": {}}, "needs `distribution`"),
    ({"fleetcast.core.distribution_status_info": {"distribution": "nonsense"}}, "there is no distribution 'nonsense'"),
    ({"fleetcast.core.distribution_status_info": {"status": ["done"]}}, "value of status must be one or more of"),
]


def test_requests_that_make_no_sense(project: Project) -> None:
    project.inventory("one")
    # There is a table, so that what is refused is the request.
    project.play(start("before"), name="before.yml")
    play = project.play(*({"run_once": True, **task, "name": f"Case {number}", "ignore_errors": True} for number, (task, _) in enumerate(_NO_SENSE)))
    assert f"ignored={len(_NO_SENSE)} " in play.stdout
    said = play.stdout.replace('\\"', '"').partition("PLAY RECAP")[0].split("TASK [Case ")[1:]
    assert len(said) == len(_NO_SENSE)
    for (task, message), output in zip(_NO_SENSE, said, strict=True):
        assert "fatal: " in output and message in output, (task, output)
    assert project.sql("SELECT count(*) FROM distribution") == [(1,)]


def test_reading_makes_no_database_and_needs_no_callback(project: Project) -> None:
    project.inventory("one")
    (project.directory / "ansible.cfg").write_text(
        (project.directory / "ansible.cfg").read_text(encoding="utf-8").replace("callbacks_enabled", "#callbacks_enabled"), encoding="utf-8"
    )
    play = project.play(_pending("one"), save("pending.json", "found"))
    assert play.returncode == 0, play.stdout
    assert _saved(project, "pending.json")["unknown"] == ["one"]
    shown = project.run("fleetcast.core.status")
    assert shown.returncode == 0
    assert f"there is no status table at sqlite:///{project.file} yet" in shown.stdout
    assert not project.file.parent.exists()


def test_the_playbook_that_shows_the_table(project: Project) -> None:
    project.inventory("one", "two")
    project.play(start(), record("dispatched"), fail("two"), record("succeeded", version="1.2"))
    shown = project.run("fleetcast.core.status").stdout
    assert "\n  succeeded               1   50.0 %  ###############\n" in shown, "as it is, on lines of its own"
    assert "\nNeeds attention (1)\n  two  failed  task_failed\n      Fail on two: broken on two\n" in shown
    every = project.run("fleetcast.core.status", "-e", "distribution=all").stdout
    assert "TO DO" in every
    chosen = project.run("fleetcast.core.status", "-e", "fleetcast_host=one").stdout
    assert "Hosts asked for (1)\n  one  succeeded  version 1.2\n" in chosen


def test_two_thousand_hosts_through_the_actions(project: Project) -> None:
    project.inventory("one")
    hosts = "{{ range(2000) | map('regex_replace', '^', 'web') | list }}"
    said = "{{ dict(range(2000) | map('regex_replace', '^', 'web') | product([{'status': 'transferring', 'bytes_multicast': 5}])) }}"
    report = {"name": "Report", "fleetcast.core.distribution_record": {"distribution": "{{ begun.distribution }}", "hosts": said}, "register": "recorded"}
    play = project.play(start(hosts=hosts), report, {"name": "All", "ansible.builtin.assert": {"that": "recorded.accepted | length == 2000"}})
    assert play.returncode == 0, play.stdout[-2000:]
    assert project.sql("SELECT status, count(*) FROM target GROUP BY status") == [("unknown", 2000)]
    assert "\n   2000  unknown, not_finished: web0, web1, web10, " in play.stdout


def test_a_play_renews_its_leases_while_anything_happens(project: Project) -> None:
    """The play looks like one of another machine, of which only the lease says that it is alive."""
    project.inventory("one")
    elsewhere = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('UPDATE run SET boot_id = NULL'); c.commit()"
    wait = {"name": "Wait", "ansible.builtin.command": {"cmd": "sleep 1"}, "changed_when": False}
    move = {"name": "Move", "ansible.builtin.command": {"argv": ["python3", "-c", elsewhere, str(project.file)]}, "changed_when": False}
    # Longer than a lease in all, and each task shorter, on a busy machine too.
    play = project.play(start(lease=10), move, record("dispatched"), *[wait] * 12, _status(), save("status.json", "shown"), record("succeeded"))
    assert play.returncode == 0, play.stdout
    assert _saved(project, "status.json")["distributions"][0]["counts"] == {"dispatched": 1}
    assert project.states() == {"one": "succeeded"}


def test_what_happens_to_a_host_after_it_succeeded_is_kept_and_changes_nothing(project: Project) -> None:
    project.inventory("one")
    project.play(start(), record("dispatched"), record("succeeded"), fail("one"))
    assert project.states() == {"one": "succeeded"}
    connection = sqlite3.connect(project.file)
    assert connection.execute("SELECT accepted, detail FROM status_event ORDER BY seq DESC LIMIT 1").fetchone() == (0, "Fail on one: broken on one")
    connection.close()
