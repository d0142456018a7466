# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays against mail servers that misbehave: the play is not slowed, no ticket is lost, nobody gets a mail with two Message-IDs."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fleetcast.core.plugins.plugin_utils._status.database import open_database
from ansible_collections.fleetcast.core.tests import mailservers
from ansible_collections.fleetcast.core.tests.integration.tickets.project import Project
from ansible_collections.fleetcast.core.tests.mailservers import Mailbox, misbehave, serve

pytestmark = [pytest.mark.tickets, pytest.mark.timeout(400)]

_PLAY = "- hosts: one\n  gather_facts: false\n  tasks:\n    - ansible.builtin.command: sh -c 'echo No space left on device >&2; exit 1'\n"
#: The order's limit: a hostile server slows the play by no more than this.
_SECONDS = 1.0

_SERVERS: dict[str, dict[str, Any]] = {
    "silent": {"greeting": mailservers.silence},
    "tarpit": {"greeting": mailservers.dribble},
    "421": {"greeting": "421 4.3.2 too busy"},
    "4xx": {"dot": "451 4.3.0 try again"},
    "dropped before the reply to DATA": {"dot": mailservers.hang_up},
    "no STARTTLS": {},
}


def _rules(project: Project, port: int, **server: Any) -> None:
    values = {"host": "127.0.0.1", "port": port, "security": "none", "timeout": "3s", **server}
    text = ", ".join(f"{key}: {value}" for key, value in values.items())
    project.rules(f"centres: [{{name: c, addresses: [here@example.org, there@example.org], default: true}}]\nmail: {{attempts: 3, servers: [{{{text}}}]}}\n")
    project.options.pop("mail_to", None)
    project.options.pop("mail_server", None)
    project.options["delivery_wait"] = 0.5


def _end_of_play(project: Project) -> float:
    """Seconds from the recap to the end of ansible-playbook, which is where the callback does its work."""
    import subprocess

    argv, environment = project.command(_PLAY)
    process = subprocess.Popen(argv, cwd=project.directory, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    recap = None
    for line in process.stdout:
        if line.startswith("PLAY RECAP"):
            recap = time.monotonic()
    process.wait(timeout=120)
    assert recap is not None
    return time.monotonic() - recap


def _slowed_by(project: Project, port: int, **server: Any) -> float:
    """Seconds by which the server slows the end of a play, against the same play with nothing to send. Other programs of the machine only make
    a play longer, so the shortest of several is compared."""
    made = project.directory / "made.db"
    open_database(f"sqlite:///{made}")

    def begin() -> None:
        """A table without anything in it: making one waits for the disk, again and again, and for how long depends on who else does."""
        project.database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for suffix in ("", "-wal", "-shm"):
            project.database.with_name(project.database.name + suffix).unlink(missing_ok=True)
        shutil.copy(made, project.database)

    usual = hostile = float("inf")
    for _ in range(6):
        _rules(project, port, **server)
        project.options["delivery_timeout"] = 0
        begin()
        usual = min(usual, _end_of_play(project))
        project.options["delivery_timeout"] = 60
        begin()
        hostile = min(hostile, _end_of_play(project))
        if hostile - usual <= _SECONDS:
            break
    return hostile - usual


# The others keep a play waiting and answer as these do; what each makes of a mail is tested beside smtp.py.
@pytest.mark.parametrize("case", [case if case in ("silent", "4xx", "no STARTTLS") else pytest.param(case, marks=pytest.mark.further) for case in _SERVERS])
def test_the_play_is_not_slowed_and_the_ticket_is_not_lost(case: str, project: Project) -> None:
    with misbehave(**_SERVERS[case]) as server:
        assert _slowed_by(project, server.port, security="starttls" if case == "no STARTTLS" else "none") <= _SECONDS
        project.wait_for_mail({"waiting": 1})
        ends = time.monotonic() + 60
        while not project.sql("SELECT 1 FROM mail WHERE attempts > 0 AND lease_token IS NULL"):
            assert time.monotonic() < ends, "the sending has no end"
            time.sleep(0.2)
        assert {status for (status,) in project.sql("SELECT status FROM mail_recipient")} == {"deferred"}
        if case == "no STARTTLS":
            assert server.mails == [], "nothing goes out in plain text"
    # The server is repaired: the next run delivers, with the Message-ID of the first attempt.
    ((message_id,),) = project.sql("SELECT message_id FROM mail")
    with serve(Mailbox()) as mailbox:
        _rules(project, mailbox.port)
        project.forget_waits()
        delivered = project.tickets("deliver")
        assert delivered.returncode == 0, delivered.stdout
    assert [str(mail.message["Message-ID"]) for mail in mailbox.received] == [message_id]
    assert project.sql("SELECT status FROM mail") == [("delivered",)]


def test_dead_mails_are_shown_at_the_end_of_every_play_and_make_the_playbook_fail(project: Project) -> None:
    mailbox = Mailbox(refuse=lambda address: "550 5.1.1 no such user" if address.startswith("there") else None)
    fine = "- hosts: two\n  gather_facts: false\n  tasks:\n    - ansible.builtin.debug: {msg: fine}\n"
    with serve(mailbox):
        _rules(project, mailbox.port)
        project.options["delivery_wait"] = 30
        project.play(_PLAY)
        for _ in range(2):
            ended = project.play(fine)
            assert ended.returncode == 0
            said = ended.stdout + ended.stderr
            assert "JOB TICKETS THAT DID NOT REACH THEIR CENTRE" in said
            assert "FC-1 (opened) to there@example.org: 550 5.1.1 no such user" in said
        failed = project.tickets("deliver")
        assert failed.returncode == 2
        assert "5.1.1 no such user" in failed.stdout + failed.stderr
        # A ticket about a mail that cannot be sent would be one more of them.
        assert project.sql("SELECT count(*) FROM ticket") == [(1,)]
        mailbox.refuse = lambda address: None
        resent = project.tickets("resend", ticket="FC-1")
        assert resent.returncode == 0, resent.stdout + resent.stderr
        assert project.tickets("deliver").returncode == 0
    assert [mail.recipients for mail in mailbox.received] == [["here@example.org"], ["there@example.org"]]
    assert len({str(mail.message["Message-ID"]) for mail in mailbox.received}) == 1


@pytest.mark.parametrize(("case", "words"), [("expired certificate", "expired"), ("wrong password", "535")])
def test_what_is_wrong_with_tls_or_the_login_is_said(case: str, words: str, project: Project, tmp_path: Path) -> None:
    cert = mailservers.certificate(tmp_path / "tls", days=-1 if case == "expired certificate" else 1)
    options = {"ssl_context": cert.context, "server_hostname": "localhost", "auth_require_tls": False, **mailservers.only_with_password("desk", "right")}
    with serve(Mailbox(), **options) as mailbox:
        project.environment["SMTP_PASSWORD"] = "wrong-secret-word"  # noqa: S105 - no secret
        _rules(project, mailbox.port, host="localhost", security="tls", ca_file=cert.file, user="desk", password_env="SMTP_PASSWORD")  # noqa: S106 - no secret
        project.options["delivery_wait"] = 30
        ended = project.play(_PLAY)
        shown = project.tickets("show", ticket="FC-1")
    assert words in shown.stdout
    assert mailbox.received == []
    assert "wrong-secret-word" not in ended.stdout + ended.stderr + shown.stdout + shown.stderr
    assert b"wrong-secret-word" not in project.database.read_bytes()
