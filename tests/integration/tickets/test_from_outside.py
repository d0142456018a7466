# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alerts that did not come from a play, and playbooks/tickets.yml: a user's way through both."""

from __future__ import annotations

import base64
import json

import pytest
from ansible_collections.fleetcast.core.tests.integration.tickets.project import ROOT, Project
from ansible_collections.fleetcast.core.tests.mailservers import Mailbox

pytestmark = [pytest.mark.tickets, pytest.mark.timeout(400)]


def _play(*tasks: str) -> str:
    return "- hosts: localhost\n  connection: local\n  gather_facts: false\n  tasks:\n" + "".join(tasks)


def test_an_alert_by_its_values_is_a_ticket_and_its_replay_is_not_counted(project: Project, mailbox: Mailbox) -> None:
    task = (
        "    - fleetcast.core.error_alert:\n        device: web1\n        location: Hamburg\n        key: raid-1\n"
        "        text: RAID degraded {{ '{{' }} 7 * 7 {{ '}}' }}\n"
    )
    ended = project.play(_play(task, task))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "changed=1" in ended.stdout
    (mail,) = mailbox.received
    assert "RAID degraded {{ 7 * 7 }}" in mail.text
    assert project.sql("SELECT source, reported_location FROM error_record") == [("module", "Hamburg")]
    project.play(_play(task))
    assert project.sql("SELECT count FROM error_counter") == [(1,)]


def test_check_mode_reads_everything_and_records_nothing(project: Project) -> None:
    ended = project.play(_play("    - fleetcast.core.error_alert:\n        device: web1\n        text: x\n"), "--check")
    assert ended.returncode == 0 and "changed=1" in ended.stdout
    assert not project.database.exists()


def test_a_maildir_lines_of_json_and_alertmanager(project: Project, mailbox: Mailbox) -> None:
    new = project.directory / "alerts/new"
    new.mkdir(parents=True)
    (project.directory / "alerts/cur").mkdir()
    for number in (1, 2):
        mail = (
            f"From: mon@example.org\nSubject: ALERT db{number}\nMessage-ID: <{number}@mon>\nDate: Mon, 02 Mar 2026 13:00:00 +0100\n\nNo space left on device\n"
        )
        (new / f"{number}.mail").write_text(mail, encoding="ascii")
    (project.directory / "lines.json").write_text('{"device": "sw1", "text": "link down", "id": 5}\n', encoding="utf-8")
    body = {
        "alerts": [
            {
                "status": "firing",
                "labels": {"instance": "web1:9100"},
                "annotations": {"summary": "Permission denied"},
                "startsAt": "2026-03-02T12:00:00Z",
                "fingerprint": "f",
            }
        ]
    }
    (project.directory / "body.json").write_text(json.dumps(body), encoding="utf-8")
    tasks = _play(
        "    - fleetcast.core.error_alert: {src: alerts, format: mail, mapping: {device: {from: subject, match: 'ALERT (\\S+)'}}}\n",
        "    - fleetcast.core.error_alert: {src: lines.json}\n",
        "    - fleetcast.core.error_alert:\n        content: \"{{ lookup('file', 'body.json') | from_json }}\"\n        format: alertmanager\n",
    )
    for expected in (3, 0):
        ended = project.play(tasks)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert f"changed={expected}" in ended.stdout
    rows = project.sql("SELECT d.name, r.failure_type, r.source FROM error_record r JOIN device d ON d.id = r.device_id ORDER BY d.name")
    assert rows == [("db1", "disk_full", "mail"), ("db2", "disk_full", "mail"), ("sw1", "unclassified", "json"), ("web1", "permission", "alertmanager")]
    assert len(mailbox.received) == 4


#: What is asked, and what is said to it.
_NO_ALERTS = [
    ("{text: x}", "one of the following is required: device, content, src, event"),
    ("{device: a, src: b}", "mutually exclusive: device|content|src|event"),
    ("{event: 'json:no base64'}", "event: must be what an event source of this collection has put into its event"),
    ("{src: none.json}", "src: none.json cannot be read"),
    ("{content: '{broken'}", "line 1: is not JSON"),
    ("{content: '{}', mapping: {devise: x}}", "mapping: unknown key 'devise'"),
    ("{device: a, occurred_at: yesterday}", "'yesterday' is no time"),
]


def test_what_is_no_alert_is_an_error_that_says_why(project: Project) -> None:
    tasks = [f"    - {{name: Case {number}, fleetcast.core.error_alert: {options}, ignore_errors: true}}\n" for number, (options, _) in enumerate(_NO_ALERTS)]
    ended = project.play(_play(*tasks))
    assert f"ignored={len(_NO_ALERTS)} " in ended.stdout
    said = ended.stdout.partition("PLAY RECAP")[0].split("TASK [Case ")[1:]
    assert len(said) == len(_NO_ALERTS)
    for (options, words), output in zip(_NO_ALERTS, said, strict=True):
        assert "fatal: " in output and words in " ".join(output.split()), (options, output)


def test_an_event_of_a_rulebook_is_never_a_template(project: Project, mailbox: Mailbox) -> None:
    came = {"device": "sw1", "text": "link {{ lookup('pipe', 'touch ran') }} down", "id": 5}
    encoded = base64.b64encode(json.dumps(came).encode()).decode()
    # As ansible-rulebook hands it over: as an extra variable, in which templates are evaluated.
    event = {"ansible_eda": {"event": {**came, "fleetcast_alert": f"json:{encoded}"}}}
    ended = project.play(ROOT / "playbooks/alert.yml", "-e", json.dumps(event))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    (mail,) = mailbox.received
    assert "link {{ lookup('pipe', 'touch ran') }} down" in mail.text
    assert not (project.directory / "ran").exists()


def test_one_event_that_is_none_does_not_cost_the_others(project: Project, mailbox: Mailbox) -> None:
    (project.directory / "lines.json").write_text('{"device": "a", "text": "x"}\n{broken\n{"device": "b", "text": "x"}\n', encoding="utf-8")
    for _ in range(2):
        ended = project.play(_play("    - fleetcast.core.error_alert: {src: lines.json}\n"))
        assert ended.returncode == 2
        assert "1 event(s) are no alerts: lines.json, line 2: is not JSON" in " ".join((ended.stdout + ended.stderr).split())
    assert len(mailbox.received) == 2
    assert project.sql("SELECT count(*) FROM error_record") == [(2,)], "a line of a file is one report, however often it is read"


def test_the_playbook_lists_shows_and_resolves(project: Project, mailbox: Mailbox) -> None:
    project.play(_play("    - fleetcast.core.error_alert: {device: web1, text: No space left on device}\n"))
    assert "FC-1     open      web1 " in project.tickets("list").stdout
    shown = project.tickets("show", ticket="FC-1").stdout
    assert "centre@example.org: accepted 250" in shown and "| No space left on device" in shown
    resolved = project.tickets("resolve", ticket="FC-1", resolution="bigger disk", by="ann")
    assert resolved.returncode == 0 and "mails: 1 delivered" in resolved.stdout
    assert "No tickets." in project.tickets("list").stdout
    assert "FC-1     resolved  web1 " in project.tickets("list", status="all", device="web1").stdout
    assert "No tickets." in project.tickets("list", status="all", device="web2").stdout
    assert [("resolved" in mail.subject, "By:        ann" in mail.text) for mail in mailbox.received] == [(False, False), (True, True)]
    for action, variables, words in (
        ("resolve", {"ticket": "FC-1"}, "is resolved already"),
        ("show", {"ticket": "FC-9"}, "there is no ticket FC-9"),
        ("show", {"ticket": "nine"}, "'nine' is no ticket"),
        ("resend", {}, "To show, resolve or resend needs tickets_ticket"),
        ("prune", {}, "to prune needs tickets_max_age"),
        ("explode", {}, "tickets_action is deliver, list"),
    ):
        ended = project.tickets(action, **variables)
        assert ended.returncode == 2 and words in " ".join((ended.stdout + ended.stderr).split()), (action, ended.stdout)
    assert project.sql("SELECT count(*) FROM ticket") == [(1,)], "own failures are no alerts"


def test_a_play_that_is_killed_loses_nothing(project: Project, mailbox: Mailbox) -> None:
    import os
    import signal
    import subprocess
    import time

    argv, environment = project.command(
        "- hosts: all\n  gather_facts: false\n  tasks:\n    - ansible.builtin.command: sh -c 'echo No space left on device; exit 1'\n"
        "      when: inventory_hostname == 'one'\n    - ansible.builtin.command: sleep 60\n"
    )
    process = subprocess.Popen(argv, cwd=project.directory, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        ends = time.monotonic() + 60
        while not any(path.stat().st_size for path in project.journal.glob("*.alerts")):
            assert time.monotonic() < ends
            time.sleep(0.1)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert not project.database.exists()
    # Its workers live on: what they wait for has nothing to do with the alerts.
    assert project.tickets("deliver").returncode == 0
    (mail,) = mailbox.received
    assert mail.subject == "[FC-1] one: disk full, location unknown"
    assert project.sql("SELECT count(*) FROM error_record") == [(1,)]
    assert list(project.journal.glob("*.alerts")) == []
