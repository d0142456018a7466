# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the callback takes for an alert, and that it leaves the play alone: real plays with ordinary modules."""

from __future__ import annotations

import base64
import json
import sqlite3
from contextlib import closing

import pytest
from ansible_collections.fleetcast.core.tests.integration.tickets.project import Project
from ansible_collections.fleetcast.core.tests.mailservers import Mailbox

pytestmark = [pytest.mark.tickets, pytest.mark.timeout(400)]

_FULL = "sh -c 'echo No space left on device >&2; exit 28'"
_MANY = f"""
- hosts: one
  gather_facts: false
  tasks:
    - block:
        - name: rescued
          ansible.builtin.command: sh -c 'echo rescued; exit 1'
      rescue:
        - ansible.builtin.debug: {{msg: never mind}}
      always:
        - name: ignored
          ansible.builtin.command: sh -c 'echo ignored; exit 1'
          ignore_errors: true
    - block:
        - name: inner
          ansible.builtin.include_tasks: more.yml
      rescue:
        - ansible.builtin.debug: {{msg: never mind}}
    - block:
        - ansible.builtin.command: "true"
      rescue:
        - ansible.builtin.debug: {{msg: not needed}}
      always:
        - name: looped, in always
          ansible.builtin.command: {_FULL}
          loop: [a, b, c]
"""
_MORE = "- name: rescued from outside\n  ansible.builtin.command: sh -c 'echo included; exit 1'\n"


def _alerts(project: Project) -> list[str]:
    """Names of the tasks of all alerts in their order."""
    return [task for (task,) in project.sql("SELECT json_extract(origin, '$.task') FROM error_record ORDER BY occurred_at, id")]


def test_a_failure_is_a_ticket_in_the_mailbox(project: Project, mailbox: Mailbox) -> None:
    ended = project.play(
        f"- hosts: all\n  gather_facts: false\n  tasks:\n    - name: Fill\n      ansible.builtin.command: {_FULL}\n      when: inventory_hostname == 'one'\n"
    )
    assert ended.returncode == 2
    assert "JOB TICKETS" in ended.stdout and "opened: FC-1" in ended.stdout and "mails: 1 delivered" in ended.stdout
    (mail,) = mailbox.received
    assert mail.recipients == ["centre@example.org"]
    assert mail.subject == "[FC-1] one: disk full, location unknown"
    assert "  | No space left on device" in mail.text
    assert "return code 28" in mail.text
    assert list(project.journal.iterdir()) == []


def test_rescued_and_ignored_failures_are_none_and_a_loop_is_one(project: Project) -> None:
    (project.directory / "more.yml").write_text(_MORE, encoding="utf-8")
    project.play(_MANY)
    assert _alerts(project) == ["looped, in always"]
    ((text,),) = project.sql("SELECT text FROM error_record")
    assert all(f"item {item}: " in text for item in "abc")


def test_rescued_and_ignored_failures_are_alerts_when_asked(project: Project) -> None:
    (project.directory / "more.yml").write_text(_MORE, encoding="utf-8")
    project.options.update(rescued=True, ignored=True)
    project.play(_MANY)
    assert _alerts(project) == ["rescued", "ignored", "rescued from outside", "looped, in always"]


def test_an_unreachable_host_is_one_and_of_a_delegated_task_the_one_it_was_delegated_to(project: Project) -> None:
    lost = project.directory / "hosts.ini"
    lost.write_text(
        "one ansible_connection=local ansible_python_interpreter=/usr/bin/python3\naway ansible_host=127.0.0.1 ansible_port=1 ansible_connection=ssh\n",
        encoding="utf-8",
    )
    project.play(
        "- hosts: all\n  gather_facts: false\n  tasks:\n"
        "    - {name: ignored, ansible.builtin.ping: , delegate_to: away, ignore_unreachable: true}\n"
        "    - {name: direct, ansible.builtin.ping: , when: inventory_hostname == 'away'}\n"
        "    - {name: delegated, ansible.builtin.ping: , delegate_to: \"{{ other }}\", vars: {other: away}}\n"
    )
    rows = project.sql("SELECT d.name, r.failure_type, json_extract(r.origin, '$.task') FROM error_record r JOIN device d ON d.id = r.device_id ORDER BY r.id")
    assert rows == [("away", "unreachable_refused", "direct"), ("away", "unreachable_refused", "delegated")]


_SECRETS = """
- hosts: one
  gather_facts: false
  vars: {secret: top-secret-word}
  tasks:
    - {name: plain, ansible.builtin.command: "sh -c 'echo {{ secret }} >&2; exit 1'", no_log: true, ignore_errors: true}
    - {name: loop, ansible.builtin.command: "sh -c 'echo {{ item }} >&2; exit 1'", no_log: true, loop: ['{{ secret }}'], ignore_errors: true}
    - name: one item of a loop
      ansible.builtin.command: sh -c 'echo {{ item }} >&2; exit 1'
      no_log: "{{ item == secret }}"
      loop: [harmless, '{{ secret }}']
      ignore_errors: true
    - name: tried again
      ansible.builtin.command: sh -c 'echo {{ secret }} >&2; exit 1'
      no_log: true
      retries: 1
      delay: 0
      register: tried
      until: tried is success
      ignore_errors: true
    - {name: in the background, ansible.builtin.command: "sh -c 'echo {{ secret }}; exit 1'", async: 20, poll: 1, no_log: true, ignore_errors: true}
    - {name: an exception, ansible.builtin.copy: {content: x, dest: /none/x, mode: "{{ secret }}"}, no_log: true, ignore_errors: true}
    - {name: a wrong template, ansible.builtin.debug: {msg: "{{ secret | no_such_filter }} {{ secret }}"}, no_log: true, ignore_errors: true}
    - name: an option that is a password
      ansible.builtin.uri: {url: "http://127.0.0.1:1/", url_username: me, url_password: "{{ secret }}", force_basic_auth: true}
      ignore_errors: true
    - {name: with a difference, ansible.builtin.copy: {content: "{{ secret }}", dest: /proc/version}, diff: true, no_log: true, ignore_errors: true}
    - block:
        - {name: rescued, ansible.builtin.fail: {msg: "{{ secret }}"}, no_log: true}
      rescue:
        - {name: in the rescue, ansible.builtin.fail: {msg: "no more"}, ignore_errors: true}
    - name: not reachable
      ansible.builtin.command: "true"
      vars: {ansible_connection: ssh, ansible_host: "{{ secret }}.invalid"}
      no_log: true
"""


def test_no_secret_of_no_log_is_kept_or_sent(project: Project, mailbox: Mailbox) -> None:
    project.options.update(rescued=True, ignored=True)
    # Without a database, the journal keeps what it has.
    project.environment["FLEETCAST_DB_URL"] = "sqlite:////proc/no/such/place.db"
    ended = project.play(_SECRETS, "-vvv")
    (kept,) = (file.read_bytes() for file in project.journal.glob("*.alerts"))
    assert kept.count(b"\n") == 12, kept
    project.environment.clear()
    project.play("- hosts: two\n  gather_facts: false\n  tasks:\n    - ansible.builtin.debug: {msg: fine}\n")
    names = ["plain", "loop", "one item of a loop", "tried again", "in the background", "an exception", "a wrong template", "an option that is a password"]
    assert _alerts(project) == [*names, "with a difference", "rescued", "in the rescue", "not reachable"]
    mails = b"".join(mail.content for mail in mailbox.received)
    assert b"hidden by no_log" in mails
    shown = project.tickets("list", status="all").stdout + project.tickets("show", ticket="FC-1").stdout
    problems = (project.journal / "problems.log").read_bytes()
    for place in (kept, mails, project.database.read_bytes(), problems, shown.encode()):
        assert b"top-secret-word" not in place
        assert base64.b64encode(b"me:top-secret-word") not in place
    assert "top-secret-word" not in ended.stdout.partition("JOB TICKETS")[2]


def test_a_failure_in_check_mode_is_none(project: Project) -> None:
    play = "- hosts: one\n  gather_facts: false\n  tasks:\n    - ansible.builtin.fail: {msg: predicted}\n      ignore_errors: true\n"
    play += "    - {name: really run, ansible.builtin.command: /bin/false, check_mode: false}\n"
    project.options["ignored"] = True
    assert project.play(play, "--check").returncode == 2
    assert _alerts(project) == ["really run"]
    project.options["check_mode"] = True
    project.play(play, "--check")
    assert _alerts(project) == ["really run", "ansible.builtin.fail", "really run"]


def test_only_a_run_of_the_whole_playbook_shows_that_a_failure_is_over(project: Project) -> None:
    play = "- hosts: one\n  gather_facts: false\n  tasks:\n    - {ansible.builtin.command: %s, tags: [it]}\n"
    project.play(play % "/bin/false")
    for arguments in (["--check"], ["--tags", "it"], ["--skip-tags", "it"], ["--start-at-task", "ansible.builtin.command"]):
        assert project.play(play % "/bin/true", *arguments).returncode == 0
        assert project.sql("SELECT passed_at FROM error_counter") == [(None,)], arguments
    project.play(play % "/bin/true")
    assert project.sql("SELECT count(passed_at) FROM error_counter") == [(1,)]


def test_location_and_server_come_from_the_hosts_variables(project: Project) -> None:
    (project.directory / "group_vars").mkdir()
    (project.directory / "group_vars/all.yml").write_text("site: Hambrug\nfleetcast_location: '{{ site }}'\nrelay: ds1\n", encoding="utf-8")
    project.options["server_variable"] = "relay"
    project.rules("locations: [Hamburg]\ncentres: [{name: c, addresses: c@example.org, locations: [Hamburg], default: true}]\n")
    del project.options["mail_to"]
    project.play("- hosts: one\n  gather_facts: false\n  tasks:\n    - ansible.builtin.fail: {msg: broken}\n")
    assert project.sql("SELECT reported_location, location, location_match, server FROM error_record") == [("Hambrug", "Hamburg", "corrected", "ds1")]


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("rules", r"rules.yml, line 2: thresholds[0].limti: unknown key"),
        ("database", r"alerts wait in"),
        ("journal", r"cannot be kept in"),
    ],
)
def test_its_own_failures_are_shown_and_the_play_goes_on_as_without_it(case: str, words: str, project: Project, mailbox: Mailbox) -> None:
    play = (
        "- hosts: all\n  gather_facts: false\n  tasks:\n    - {ansible.builtin.fail: {msg: broken}, ignore_errors: true, when: inventory_hostname == 'one'}\n"
        "    - {ansible.builtin.fail: {msg: broken}, when: inventory_hostname == 'one'}\n    - ansible.builtin.debug: {msg: going on}\n"
    )
    project.options["ignored"] = True
    project.callbacks = ""
    without = project.play(play)
    project.callbacks = "fleetcast.core.job_ticket"
    if case == "rules":
        project.rules("thresholds:\n  - limti: 1\n")
    elif case == "database":
        project.environment["FLEETCAST_DB_URL"] = "sqlite:////proc/no/such/place.db"
    else:
        project.options["journal"] = "/proc/no/such/place"
    ended = project.play(play)
    assert ended.returncode == without.returncode == 2
    assert "two" in ended.stdout and "going on" in ended.stdout
    said = " ".join((ended.stdout + ended.stderr).split())
    assert words in said
    if case == "journal":
        assert said.count("the alert cannot be kept in") == 1, "said once, however many alerts there are"
        assert project.sql("SELECT count FROM ticket") == [(2,)], "the database has them all the same"
        assert len(mailbox.received) == 1
        return
    assert mailbox.received == []
    assert "alerts wait in" in said
    assert words in (project.journal / "problems.log").read_text(encoding="utf-8")
    # What could not be recorded was kept, and the next play takes it in.
    project.environment.clear()
    project.options.pop("rules", None)
    again = project.play("- hosts: two\n  gather_facts: false\n  tasks:\n    - ansible.builtin.debug: {msg: fine}\n")
    assert again.returncode == 0
    assert "opened: FC-1" in again.stdout and "kept by earlier plays" in again.stdout
    assert len(mailbox.received) == 1


def test_a_further_playbook_of_the_command_line_does_not_write_over_what_waits_of_the_first(project: Project) -> None:
    project.options["ignored"] = True
    project.environment["FLEETCAST_DB_URL"] = "sqlite:////proc/no/such/place.db"
    play = "- hosts: one\n  gather_facts: false\n  tasks:\n    - {ansible.builtin.fail: {msg: broken}, ignore_errors: true}\n"
    (project.directory / "further.yml").write_text(play, encoding="utf-8")
    assert project.play(play, "further.yml").returncode == 0
    kept = [line for file in project.journal.glob("*.alerts") for line in file.read_text(encoding="utf-8").splitlines()]
    assert sorted(json.loads(line)["alert"]["origin"]["playbook"] for line in kept) == ["further.yml", "site.yml"]


def test_a_play_without_failures_makes_no_database(project: Project) -> None:
    ended = project.play("- hosts: all\n  gather_facts: false\n  tasks:\n    - ansible.builtin.debug: {msg: fine}\n")
    assert ended.returncode == 0
    assert "JOB TICKETS" not in ended.stdout
    assert not project.database.exists()


def test_a_rule_for_a_group_that_the_inventory_does_not_have_is_told_once_and_changes_nothing(project: Project) -> None:
    project.rules("thresholds:\n  - {group: wbe, limit: 3}\n  - {group: all, limit: 5}\n")
    play = "- hosts: all\n  gather_facts: false\n  tasks:\n    - ansible.builtin.debug: {msg: hello}\n"
    for ended in (project.play(play + play), project.tickets("list")):
        said = " ".join(ended.stderr.split())
        assert ended.returncode == 0
        assert said.count("rules.yml, line 2: thresholds[0].group: there is no group 'wbe'") == 1, ended.stderr
        assert "thresholds[1]" not in said


def test_what_is_over_and_old_is_removed_by_the_playbook(project: Project, mailbox: Mailbox) -> None:
    project.play(f"- hosts: one\n  gather_facts: false\n  tasks:\n    - ansible.builtin.command: {_FULL}\n")
    project.tickets("resolve", ticket="FC-1")
    assert len(mailbox.received) == 2
    assert "tickets_max_age" in project.tickets("prune").stdout
    assert "removed: 0 tickets" in project.tickets("prune", max_age="90d").stdout
    with closing(sqlite3.connect(project.database)) as connection:
        connection.execute("UPDATE ticket SET closed_at = '2020-01-01 00:00:00'")
        connection.commit()
    ended = project.tickets("prune", max_age="90d")
    assert ended.returncode == 0
    assert "removed: 1 tickets with 2 mails, 1 alerts, 0 failure records, 0 plans" in ended.stdout
    assert project.sql("SELECT count(*) FROM ticket") == [(0,)]
