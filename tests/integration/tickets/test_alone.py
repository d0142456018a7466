# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Five lines of configuration are enough: those of the documentation, as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.fleetcast.core.tests.integration.tickets.project import ROOT
from ansible_collections.fleetcast.core.tests.mailservers import Mailbox

pytestmark = [pytest.mark.tickets, pytest.mark.timeout(300)]

_PAGE = ROOT / "docs/tickets_only.md"


def test_the_five_lines_of_the_documentation_work(mailbox: Mailbox, tmp_path: Path) -> None:
    (block,) = re.findall(r"```ini\n(.*?)```", _PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(block.strip().splitlines()) == 5
    # Only the name of the mail server is another one here.
    lines = block.replace("smtp://mail.example.org", f"smtp://localhost:{mailbox.port}")
    assert lines != block
    (tmp_path / "ansible.cfg").write_text(lines, encoding="utf-8")
    (tmp_path / "hosts").write_text("web1 ansible_connection=local ansible_python_interpreter=/usr/bin/python3\n", encoding="utf-8")
    (tmp_path / "site.yml").write_text("- hosts: all\n  gather_facts: false\n  tasks:\n    - ansible.builtin.command: /bin/false\n", encoding="utf-8")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "FLEETCAST_"))}
    environment = {**kept, "ANSIBLE_HOME": str(tmp_path / "home"), "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "build/collections")}
    played = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "hosts", "site.yml"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert played.returncode == 2
    assert "opened: FC-1" in played.stdout, played.stdout + played.stderr
    for _ in range(300):
        if mailbox.received:
            break
        import time

        time.sleep(0.1)
    (mail,) = mailbox.received
    assert mail.recipients == ["maintenance@example.org"]
    assert mail.subject.startswith("[FC-1] web1: ")
