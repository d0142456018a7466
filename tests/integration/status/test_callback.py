# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real plays: every host of a play ends in the table as what happened to it."""

from __future__ import annotations

import pytest
from ansible_collections.fleetcast.core.tests.integration.status.project import Project, fail, finish, reach, record, start

pytestmark = pytest.mark.push


def test_every_fate_of_a_host(project_on_any_database: Project) -> None:
    """Unreachable before and after the start, failed, rescued, ignored, in a loop, asynchronously, delegated, successful."""
    project = project_on_any_database
    project.inventory("good", "dark", "bad", "rescued", "ignored", "looped", "background", "delegated", "lost", "secret")
    play = project.play(
        reach(),
        start(),
        record("transferring"),
        fail("bad"),
        {"block": [fail("rescued")], "rescue": [{"name": "Rescue", "ansible.builtin.meta": "noop"}]},
        fail("ignored", ignore_errors=True),
        {
            "name": "Loop",
            "ansible.builtin.fail": {"msg": "item {{ item }} is broken"},
            "loop": [1, 2, 3],
            "when": "inventory_hostname == 'looped' and item > 1",
        },
        {
            "name": "Background",
            "ansible.builtin.command": {"cmd": "false"},
            "async": 20,
            "poll": 1,
            "when": "inventory_hostname == 'background'",
        },
        {**fail("delegated"), "delegate_to": "good"},
        reach(when="inventory_hostname == 'lost'", vars={"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}),
        {
            "name": "Secret",
            "ansible.builtin.command": {"cmd": "ls /nowhere/hunter2"},
            "no_log": True,
            "when": "inventory_hostname == 'secret'",
            "changed_when": False,
        },
        record("succeeded", version="1.2"),
    )
    ended = project.ended()
    assert project.states() == {
        "background": "failed",
        "bad": "failed",
        "dark": "unreachable",
        "delegated": "failed",
        "good": "succeeded",
        "ignored": "succeeded",
        "looped": "failed",
        "lost": "failed",
        "rescued": "succeeded",
        "secret": "failed",
    }, play.stdout
    assert ended["bad"] == ("failed", "task_failed", "Fail on bad: broken on bad")
    assert ended["dark"][1] == "unreachable" and "127.0.0.1 port 1" in ended["dark"][2]
    assert ended["lost"][1] == "unreachable"
    assert ended["looped"][2] == "Loop: item 2 is broken (and 1 more items)"
    assert "no_log" in ended["secret"][2]
    assert not project.sql("SELECT 1 FROM status_event WHERE detail LIKE '%hunter2%'")
    assert project.sql("SELECT status FROM distribution") == [("finished",)]
    assert project.sql("SELECT ending FROM run") == [("finished",)]
    assert "DISTRIBUTION STATUS" in play.stdout and "3 of 10 hosts completed" in play.stdout
    assert play.returncode == 4, "the play's own outcome is not changed"
    seen = project.sql(
        "SELECT v.name, e.code FROM status_event e JOIN attempt a ON a.id = e.attempt_id JOIN device v ON v.id = a.device_id "
        "WHERE e.from_status = e.to_status ORDER BY v.name"
    )
    assert [name for name, _ in seen] == ["background", "bad", "dark", "delegated", "ignored", "looped", "lost", "rescued", "secret"], "once each"


def test_hosts_that_the_play_never_came_to(project: Project) -> None:
    project.inventory("one", "two", "three", "four")
    project.play(start(), record("dispatched", "['one']"), fail("two", any_errors_fatal=True), record("succeeded", "['one']"))
    ended = project.ended()
    assert {host: (state, code) for host, (state, code, _) in ended.items()} == {
        "one": ("unknown", "not_finished"),
        "two": ("failed", "task_failed"),
        "three": ("canceled", "never_started"),
        "four": ("canceled", "never_started"),
    }


@pytest.mark.parametrize("end", ["end_host", "end_play", "end_batch"])
def test_hosts_that_leave_the_play(project: Project, end: str) -> None:
    project.inventory("one", "two")
    project.play(
        start(),
        record("dispatched"),
        {"name": "End", "ansible.builtin.meta": end, "when": "inventory_hostname == 'two'" if end == "end_host" else True},
        record("succeeded"),
    )
    expected = {"one": "succeeded", "two": "unknown"} if end == "end_host" else {"one": "unknown", "two": "unknown"}
    assert project.states() == expected


def test_max_fail_percentage(project: Project) -> None:
    project.inventory("one", "two", "three")
    project.play(start(), fail("one"), fail("two"), record("succeeded"), max_fail_percentage=20)
    assert {host: code for host, (_, code, _) in project.ended().items()} == {"one": "task_failed", "two": "never_started", "three": "never_started"}


@pytest.mark.parametrize("strategy", ["free", "host_pinned"])
def test_strategies_that_do_not_wait(project: Project, strategy: str) -> None:
    # No unreachable host here: with one, the free strategy of ansible-core 2.19 itself may end with an IndexError.
    project.inventory("one", "two", "three")
    said = "{{ {inventory_hostname: {'status': 'dispatched'}} }}"
    mine = {"name": "Mine", "fleetcast.core.distribution_record": {"distribution": "{{ begun.distribution }}", "hosts": said}}
    begin = {**start(), "run_once": False, "throttle": 1}
    project.play(begin, mine, reach(), fail("one"), strategy=strategy)
    assert project.states() == {"one": "failed", "three": "unknown", "two": "unknown"}
    assert project.sql("SELECT count(*) FROM distribution") == [(1,)]


def test_batches_of_one_play_are_one_distribution(project: Project) -> None:
    project.inventory("one", "dark", "three", "four", "five")
    play = project.play(
        reach(),
        start(),
        record("dispatched", "ansible_play_batch"),
        fail("three"),
        record("succeeded", "ansible_play_batch"),
        finish(hosts="{{ ansible_play_batch }}"),
        serial=2,
        max_fail_percentage=90,
    )
    assert project.states() == {"dark": "unreachable", "five": "succeeded", "four": "succeeded", "one": "succeeded", "three": "failed"}, play.stdout
    assert project.sql("SELECT count(*), max(total_hosts), max(status) FROM distribution") == [(1, 5, "finished")]
    assert project.sql("SELECT max(attempt_no) FROM attempt") == [(1,)]


def test_a_host_that_an_earlier_play_lost(project: Project) -> None:
    project.inventory("one", "dark", "bad")
    project.playbook(
        [
            {"hosts": "all", "gather_facts": False, "tasks": [reach(), fail("bad")]},
            {"hosts": "all", "gather_facts": False, "tasks": [start(hosts=["one", "dark", "bad"]), record("dispatched"), record("succeeded")]},
        ]
    )
    assert project.states() == {"bad": "failed", "dark": "unreachable", "one": "succeeded"}
    assert project.ended()["bad"][2] == "Fail on bad: broken on bad"


def test_a_failing_handler(project: Project) -> None:
    project.inventory("one", "two")
    project.playbook(
        [
            {
                "hosts": "all",
                "gather_facts": False,
                "tasks": [start(), record("installing"), {**reach(), "changed_when": True, "notify": "Break"}],
                "handlers": [{"name": "Break", "ansible.builtin.fail": {"msg": "no restart"}, "when": "inventory_hostname == 'two'"}],
                "post_tasks": [record("succeeded")],
            }
        ]
    )
    assert project.states() == {"one": "succeeded", "two": "failed"}
    assert project.ended()["two"][2] == "Break: no restart"


def test_two_playbooks_in_one_command_are_two_runs(project: Project) -> None:
    project.inventory("one")
    project.write([{"hosts": "all", "gather_facts": False, "tasks": [start(), record("already_installed")]}], "first.yml")
    project.write([{"hosts": "all", "gather_facts": False, "tasks": [start(digest="d2"), record("dispatched")]}], "second.yml")
    assert project.run("first.yml", "second.yml").returncode == 0
    assert project.sql("SELECT ending FROM run") == [("finished",), ("finished",)]
    assert project.states() == {"one": "unknown"}


def test_a_play_without_a_distribution_makes_no_database_and_does_not_load_the_packages(project: Project) -> None:
    project.inventory("one", "two", "dark")
    count = "{{ lookup('ansible.builtin.pipe', 'grep -c sqlalchemy /proc/$PPID/maps || true') }}"
    shown = {"name": "Show", "ansible.builtin.debug": {"msg": "loaded=" + count}}
    play = project.play(reach(), fail("two"), shown)
    assert "loaded=0" in play.stdout
    assert not project.file.parent.exists()
    assert "DISTRIBUTION STATUS" not in play.stdout and "ERROR]: fleetcast" not in play.stderr


def test_check_mode_writes_nothing(project: Project) -> None:
    project.inventory("one", "two")
    project.write([{"hosts": "all", "gather_facts": False, "tasks": [start(), record("dispatched"), record("succeeded"), finish()]}])
    play = project.run("play.yml", "--check", "-v")
    assert play.returncode == 0, play.stdout
    assert '"distribution": null' in play.stdout and '"attempts": {"one": 1, "two": 1}' in play.stdout
    assert not project.file.exists()
