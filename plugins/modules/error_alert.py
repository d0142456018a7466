#!/usr/bin/python
# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action of the same name, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: error_alert
short_description: Report an error alert from outside a play
description:
  - Takes an error alert that did not come from a play, as if the callback P(fleetcast.core.job_ticket#callback) had seen it. It is classified,
    located and counted; a job ticket is made when its threshold is exceeded.
  - An alert is given by its values, or as what another program wrote, which is lines of JSON, the body of an Alertmanager webhook, or mails.
  - An event in it that cannot be read as an alert does not keep the others from being recorded. The task fails then, and says which.
  - The ticket's mail is sent after the play, when the callback is enabled, or by M(fleetcast.core.ticket_deliver).
version_added: 0.1.0
author: The fleetcast authors (@fleetcast)
extends_documentation_fragment:
  - fleetcast.core.ticket
attributes:
  check_mode:
    description: Can run in check_mode and return changed status prediction without modifying target.
    support: full
    details: Reads and checks everything, and records nothing.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
options:
  device:
    description: Name of the device that failed, as the inventory has it.
    type: str
  text:
    description: What was reported. It is kept as it is and never templated a second time.
    type: str
    default: ""
  location:
    description: Where the device is, as reported.
    type: str
    default: ""
  distribution:
    description: Identifier of the distribution that failed.
    type: str
    default: ""
  server:
    description: The distribution server that serves the device.
    type: str
    default: ""
  failure_type:
    description: What kind of failure it is. Without it, the patterns of the rules decide.
    type: str
    default: ""
  key:
    description:
      - What makes this report different from all others. A second report with the same key is a replay and counts nothing.
      - Without it, reports on one device with the same text in the same minute are one. What stands in O(src) is one report, however often it
        is read.
    type: str
    default: ""
  occurred_at:
    description: When it happened, in ISO 8601 with an offset. Without it, now.
    type: str
  content:
    description:
      - What another program wrote, as text, or as data when it has been read already.
      - Do not put an event of a rulebook here. It is an extra variable, and Ansible runs the templates in it; use O(event).
    type: raw
  event:
    description:
      - What an event source of this collection (C(alert_lines), C(alertmanager), C(alert_mails)) has put into the key C(fleetcast_alert) of its
        event. It brings its format, and nothing in it is ever a template.
    type: str
  src:
    description: A file on the controller with O(content), or a directory with such files. Of a maildir, its folders C(new) and C(cur).
    type: path
  format:
    description:
      - What O(content) or O(src) is. V(json) is one JSON object per line, V(alertmanager) the body of an Alertmanager webhook (version 4),
        V(mail) a mail as it is on the wire (C(.eml)).
    type: str
    choices: [json, alertmanager, mail]
    default: json
  mapping:
    description:
      - Where in O(content) the values of an alert are, each as a path of keys joined by dots, a list of paths of which the first that leads to
        something counts, or C(from) (a path) with C(match) (a regular expression, of which the first group counts). A text in single quotes
        inside the value is meant as it is.
      - The keys are C(device), C(text), C(key), C(occurred_at), C(location), C(distribution), C(server), C(failure_type), C(module),
        C(return_code), and C(skip_if), a path that leads to something in events that are no alert.
      - What is not given is looked for where the format mostly has it.
    type: dict
    default: {}
seealso:
  - plugin: fleetcast.core.job_ticket
    plugin_type: callback
"""

EXAMPLES = r"""
- name: Report what a program of ours has noticed
  fleetcast.core.error_alert:
    device: web1
    text: RAID degraded, disk 3 failed
    location: Hamburg
    key: raid-web1-2026-11-22
  run_once: true

- name: Take in an event of a rulebook
  fleetcast.core.error_alert:
    event: "{{ ansible_eda.event.fleetcast_alert }}"
    mapping:
      location: labels.datacenter

- name: Take in alerts that came by mail
  fleetcast.core.error_alert:
    src: /var/mail/alerts
    format: mail
    mapping:
      device: {from: subject, match: 'ALERT (\\S+)'}
      location: "'Hamburg'"
  run_once: true
"""

RETURN = r"""
alerts:
  description: How many alerts there were in it.
  returned: always
  type: int
skipped:
  description: How many events were no alert, by the mapping, because they say that something is resolved, or because they are our own tickets.
  returned: always
  type: int
unreadable:
  description: Why events could not be read as alerts, each with its file and line.
  returned: always
  type: list
  elements: str
recorded:
  description: How many alerts were recorded.
  returned: always
  type: int
replayed:
  description: How many alerts were known already.
  returned: always
  type: int
failure_types:
  description: What was recorded, by failure type.
  returned: when not in check mode
  type: dict
  sample: {disk_full: 1}
opened:
  description: Labels of the tickets that were made.
  returned: always
  type: list
  elements: str
  sample: [FC-12]
"""
