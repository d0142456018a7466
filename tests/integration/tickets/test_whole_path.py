# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole path on real hosts: three causes, thresholds 0, 1 and 2, the right centres, at the alert that exceeds and not before."""

from __future__ import annotations

import re

import pytest
from ansible_collections.fleetcast.core.tests.integration.tickets.project import Project
from ansible_collections.fleetcast.core.tests.lab import Lab
from ansible_collections.fleetcast.core.tests.mailservers import Mailbox

pytestmark = [pytest.mark.tickets, pytest.mark.lab, pytest.mark.timeout(600)]

_RULES = """
locations: [{name: Hamburg}, {name: "Berlin, Hall 2", aliases: [BER2]}, {name: München}]
centres:
  - {name: north, addresses: [north@example.org, duty@example.org], language: de, locations: [Hamburg]}
  - {name: east, addresses: east@example.org, locations: ["Berlin, Hall 2"]}
  - {name: head, addresses: head@example.org, default: true}
thresholds:
  - {failure_type: disk_full, limit: 0}
  - {failure_type: permission, limit: 1}
  - {failure_type: "unreachable*", limit: 2}
mail: {follow_up_every: 1s}
"""
#: One cause per host: a disk that is full, an ordinary user where root is needed, a cable that was pulled.
_PLAY = """
- hosts: lab
  gather_facts: false
  tasks:
    - name: Copy the release
      ansible.builtin.command: dd if=/dev/zero of=/mnt/small/release bs=1M count=4
      when: inventory_hostname == 'host1'
    - name: Write the configuration
      ansible.builtin.copy:
        content: "[app]"
        dest: /etc/app.conf
        mode: "0644"
      become: true
      become_user: fleet
      when: inventory_hostname == 'host2'
    - name: Restart the service
      ansible.builtin.command: "true"
      when: inventory_hostname == 'host3'
"""
_REPORTED = {"host1": "Hambrug", "host2": "Halle 2, Berlin", "host3": "Atlantis"}


@pytest.fixture
def site(project: Project, lab: Lab) -> Project:
    lines = ["---", "lab:", "  hosts:", *(f"    {host}: {{fleetcast_location: '{place}'}}" for host, place in _REPORTED.items())]
    (project.directory / "places.yml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    project.inventory = lab.directory / "inventory.yml"
    project.rules(_RULES)
    del project.options["mail_to"]
    project.settings["timeout"] = 6
    return project


def test_three_causes_reach_three_centres_at_the_alert_that_exceeds(site: Project, lab: Lab, mailbox: Mailbox) -> None:
    places = ("-i", str(site.directory / "places.yml"))
    prepared = site.play(
        "- hosts: host1\n  gather_facts: false\n  tasks:\n    - ansible.builtin.shell: mkdir -p /mnt/small && mount -t tmpfs -o size=1m tmpfs /mnt/small\n"
    )
    assert prepared.returncode == 0, prepared.stdout + prepared.stderr
    lab.cut("host3")

    arrived: list[set[tuple[str, str]]] = []
    for _ in range(3):
        before = len(mailbox.received)
        site.play(_PLAY, *places)
        new = [mail for mail in mailbox.received[before:] if not mail.subject.startswith("Re:")]
        arrived.append({(recipient, mail.subject.split("] ")[1]) for mail in new for recipient in mail.recipients})
    assert arrived == [
        {("north@example.org", "host1: Datenträger voll, Hamburg"), ("duty@example.org", "host1: Datenträger voll, Hamburg")},
        {("east@example.org", "host2: no permission, Berlin, Hall 2")},
        {("head@example.org", "host3: not reachable: no answer, Atlantis (unmatched)")},
    ]
    # Counts N and N + 1 are what decided; further alerts of the first two only raised the counts of their tickets.
    assert site.sql("SELECT failure_type, threshold, count FROM ticket ORDER BY id") == [
        ("disk_full", 0, 3),
        ("permission", 1, 3),
        ("unreachable_timeout", 2, 3),
    ]

    by_device = {re.split(r"[ :]", mail.subject.split("] ")[1])[0]: mail for mail in reversed(mailbox.received)}
    assert 'Standort:  Hamburg (gemeldet als "Hambrug", berichtigt mit' in by_device["host1"].text
    assert "No space left on device" in by_device["host1"].text
    assert 'Location:  Berlin, Hall 2 (reported as "Halle 2, Berlin", corrected with' in by_device["host2"].text
    assert 'in the task "Write the configuration" of site.yml' in by_device["host2"].text
    assert 'Location:  "Atlantis": UNMATCHED' in by_device["host3"].text
    assert "Centre:    head (by default, as the location is not known)" in by_device["host3"].text

    # Repaired and closed: the centre reads it in the same thread, and the count starts again.
    lab.rejoin("host3")
    number = site.sql("SELECT id FROM ticket WHERE failure_type = 'unreachable_timeout'")[0][0]
    closed = site.tickets("resolve", ticket=f"FC-{number}", resolution="cable replaced")
    assert closed.returncode == 0, closed.stdout + closed.stderr
    last = mailbox.received[-1]
    assert last.recipients == ["head@example.org"]
    assert "This ticket is resolved: cable replaced" in last.text
    assert str(last.message["References"]) == str(by_device["host3"].message["Message-ID"])
    lab.cut("host3")
    before = len(mailbox.received)
    site.play("- hosts: host3\n  gather_facts: false\n  tasks:\n    - ansible.builtin.ping:\n", *places)
    assert mailbox.received[before:] == []
