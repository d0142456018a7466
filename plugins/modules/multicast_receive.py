#!/usr/bin/python
# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The receiving end of a multicast session."""

from __future__ import annotations

DOCUMENTATION = r"""
module: multicast_receive
short_description: Receive a file or a directory by multicast, and put it in its place
description:
  - Joins the group, waits for M(fleetcast.core.multicast_send) to begin, receives, verifies every section by its digest, and places the artifact as
    M(ansible.builtin.copy) would.
  - A host that holds the artifact already takes no part.
  - What could not be completed within the limits is kept beside O(dest), and the module fails with what is missing and why.
    M(fleetcast.core.artifact_missing_info), M(fleetcast.core.artifact_extract) and M(fleetcast.core.artifact_apply) finish it, or another session does.
  - Receivers wait for the sender, so run it with C(async) and C(poll=0), start the sender, and ask M(ansible.builtin.async_status) for the outcome.
version_added: 0.1.0
author: The fleetcast authors (@fleetcast)
extends_documentation_fragment:
  - fleetcast.core.multicast
  - fleetcast.core.placing
attributes:
  check_mode:
    description: Can run in check_mode and return changed status prediction without modifying target.
    support: full
    details: Says what would be placed, and receives nothing.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: full
options:
  receivers:
    description:
      - The names of all receivers of the session as in the inventory, in the same order as the sender is given them.
    type: list
    elements: str
  session_key:
    description:
      - The secret of this session, 64 hexadecimal digits, the same as for the sender. It does not leave the controller.
        A receiver gets only what is derived from it for that receiver, so that none can speak for another.
    type: str
  seat:
    description:
      - What the controller's half of this module makes of O(receivers) and O(session_key) for this host. Not for playbooks.
    type: dict
    suboptions:
      number:
        description: This host's position in the list of receivers.
        type: int
        required: true
      count:
        description: The length of the list of receivers.
        type: int
        required: true
      keys:
        description: The keys that were derived for this receiver.
        type: str
        required: true
  wait_timeout:
    description:
      - How long to wait for the sender to begin, in seconds.
    type: float
    default: 600
  host_timeout:
    description:
      - How long the sender may be silent, in seconds, before it is given up.
    type: float
    default: 30
  reuse:
    description:
      - Whether to take from an older version at O(dest) what it contains of the artifact, section by section at the same place, so that it need not be sent.
      - That reads the older version once, before the host listens.
    type: bool
    default: true
  listen:
    description:
      - V(false) does only what comes before the session. It puts in order what is at O(dest) if the artifact is there already, takes over what an older
        version has (see O(reuse)), and returns what is missing then.
    type: bool
    default: true
    version_added: 0.1.0
  answer_fd:
    description:
      - The file descriptor to which the module writes what is missing once it listens.
      - The controller's half of this module sets it. It is of no use in a playbook.
    type: int
    version_added: 0.1.0
seealso:
  - module: fleetcast.core.multicast_send
  - module: ansible.builtin.copy
"""

EXAMPLES = r"""
- name: Digest what is sent
  fleetcast.core.artifact_info:
    src: /srv/packages/app_1.2_amd64.deb
  delegate_to: localhost
  run_once: true
  register: artifact

- name: Start the receivers
  fleetcast.core.multicast_receive:
    manifest: "{{ artifact.manifest }}"
    dest: /var/cache/fleetcast/
    receivers: "{{ ansible_play_hosts }}"
    session_key: "{{ session_key }}"
    interface: eth1
  async: 4000
  poll: 0
  register: receiver

- name: Send to all of them
  fleetcast.core.multicast_send:
    src: /srv/packages/app_1.2_amd64.deb
    manifest: "{{ artifact.manifest }}"
    receivers: "{{ ansible_play_hosts }}"
    session_key: "{{ session_key }}"
    interface: eth1
  delegate_to: localhost
  run_once: true

- name: Take the outcome
  ansible.builtin.async_status:
    jid: "{{ receiver.ansible_job_id }}"
  register: received
  until: received is finished
  retries: 4000
  delay: 1
  when: receiver.ansible_job_id is defined
"""

RETURN = r"""
ansible_job_id:
  description:
    - The receiver that is at work on the host and listens, for M(fleetcast.core.multicast_receive_info) or M(ansible.builtin.async_status).
    - The other values say then what is missing before the session.
  returned: with C(async), unless nothing is missing
  type: str
  sample: j586411953124
complete:
  description: Whether everything is received, verified and in its place.
  returned: always
  type: bool
missing_bytes:
  description: What is missing.
  returned: always
  type: int
reason:
  description:
    - Why something is missing.
  returned: when something is missing
  type: str
  sample: deadline
bytes_received:
  description: Bytes of the artifact that came by multicast.
  returned: always
  type: int
bytes_reused:
  description: Bytes of the artifact that were copied from an older version at O(dest).
  returned: always
  type: int
dest:
  description: Where the artifact is.
  returned: always
  type: str
  sample: /var/cache/fleetcast/app_1.2_amd64.deb
digest:
  description: SHA-256 of the manifest, the artifact's identity.
  returned: always
  type: str
checksum:
  description: SHA-256 of the file, if the artifact is one.
  returned: always
  type: str
backup_file:
  description: The backup of a file that was replaced.
  returned: when O(backup=true) and a file was replaced
  type: str
backup_files:
  description: The backups of files that were replaced in a tree.
  returned: when O(backup=true) and files were replaced in a tree
  type: list
  elements: str
receiver:
  description: What the receiver counted, for whoever looks for the cause of losses.
  returned: when it took part in a session
  type: dict
  sample:
    received_packets: 149797
    duplicate_packets: 0
    rejected_packets: 0
    overflow_packets: 0
    rcvbuf: 8388608
    coalesced: true
"""

import json
import os
import signal
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.errors import SpoolBusy
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.lock import GIVE_WAY
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.manifest import Manifest
from ansible_collections.fleetcast.core.plugins.module_utils._artifact_module import already_held, incomplete, open_spool, place_complete, placing_argument_spec
from ansible_collections.fleetcast.core.plugins.module_utils._manifest_module import read_manifest, reporting_errors
from ansible_collections.fleetcast.core.plugins.module_utils._multicast.auth import ReceiverKeys
from ansible_collections.fleetcast.core.plugins.module_utils._multicast.receiver import Receiver
from ansible_collections.fleetcast.core.plugins.module_utils._multicast.session import Limits
from ansible_collections.fleetcast.core.plugins.module_utils._multicast_module import network_argument_spec, network_of

_COUNTERS = ("received_packets", "duplicate_packets", "rejected_packets", "overflow_packets", "polluted_sections", "decoded_symbols", "rcvbuf", "coalesced")


def answer(descriptor: int | None, what: dict[str, Any]) -> None:
    """Tell the controller's half, if it waits for that."""
    if descriptor is not None:
        os.write(descriptor, json.dumps(what).encode() + b"\n")
        os.close(descriptor)


def receive(module: AnsibleModule, manifest: Manifest) -> dict[str, Any]:
    """Take part in the session unless an older version has everything, and place it; the module's result, or its failure."""
    params = module.params
    seat = params["seat"]
    try:
        spool, reused = open_spool(module, manifest, reuse=params["reuse"], patience=0)
    except SpoolBusy:
        spool, reused = open_spool(module, manifest, reuse=params["reuse"])
        # Whoever held it may have completed it meanwhile.
        placed = already_held(module, manifest)
        if placed is not None:
            spool.discard()
            return placed
    with spool:
        lacked = spool.missing_bytes
        if not lacked:
            return {**place_complete(module, manifest, spool), "bytes_reused": reused}
        before = incomplete(module, manifest, lacked, 0, reused)
        if not params["listen"]:
            if lacked == manifest.size and not spool.resumed:
                spool.discard()
            return before
        receiver = Receiver(
            network_of(params),
            ReceiverKeys.from_hex(seat["keys"]),
            seat["number"],
            seat["count"],
            spool,
            Limits(wait=params["wait_timeout"], session=params["timeout"], host=params["host_timeout"]),
        )
        signal.signal(signal.SIGTERM, lambda _number, _frame: receiver.stop())
        signal.signal(GIVE_WAY, lambda _number, _frame: receiver.give_way())
        report = receiver.run(lambda: answer(params["answer_fd"], before))
        session = {
            "bytes_received": lacked - report.missing_bytes,
            "bytes_reused": reused,
            "receiver": {key: getattr(report, key) for key in _COUNTERS},
        }
        if not report.completed:
            module.fail_json(
                msg=f"{report.missing_bytes} of {manifest.size} bytes are missing: {report.detail or report.reason}",
                complete=False,
                missing_bytes=report.missing_bytes,
                reason=report.reason,
                dest=params["dest"],
                digest=manifest.digest,
                checksum=manifest.checksum,
                **session,
            )
        return {**place_complete(module, manifest, spool), **session}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **placing_argument_spec(),
            **network_argument_spec(),
            "receivers": {"type": "list", "elements": "str"},
            "session_key": {"type": "str", "no_log": True},
            "seat": {
                "type": "dict",
                "no_log": False,
                "options": {
                    "number": {"type": "int", "required": True},
                    "count": {"type": "int", "required": True},
                    "keys": {"type": "str", "required": True, "no_log": True},
                },
            },
            "wait_timeout": {"type": "float", "default": 600},
            "host_timeout": {"type": "float", "default": 30},
            "reuse": {"type": "bool", "default": True},
            "listen": {"type": "bool", "default": True},
            "answer_fd": {"type": "int"},
        },
        supports_check_mode=True,
    )
    with reporting_errors(module):
        manifest = read_manifest(module)
        result = already_held(module, manifest) or receive(module, manifest)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
