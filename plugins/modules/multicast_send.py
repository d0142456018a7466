#!/usr/bin/python
# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sending end of a multicast session."""

from __future__ import annotations

DOCUMENTATION = r"""
module: multicast_send
short_description: Send a file or a directory to many hosts at once by multicast
description:
  - Sends what the manifest describes to a closed list of receivers, each of which runs M(fleetcast.core.multicast_receive).
  - Repairs losses with parity that serves all receivers at once, so that the cost of a loss does not grow with their number.
  - Says for every receiver whether it has everything, or how much it lacks and why. A receiver that is too slow, silent or broken
    never holds up the others beyond its time limit.
  - Run it on the host where the source lies, with C(delegate_to) and C(run_once). While it runs, a line shows how far it is.
version_added: 0.1.0
author: The fleetcast authors (@fleetcast)
extends_documentation_fragment:
  - fleetcast.core.multicast
attributes:
  check_mode:
    description: Can run in check_mode and return changed status prediction without modifying target.
    support: full
    details:
      - Opens its sockets as it would, so that a wrong address, interface or port is found, and sends nothing.
      - Without O(manifest) it then digests O(src) and returns RV(artifact), so that one task makes sure of the source and of the network.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
    details: What changes on a receiver is shown by M(fleetcast.core.multicast_receive).
options:
  src:
    description:
      - The file or directory, on the host where the module runs. It must be what the manifest was made of.
    type: path
    required: true
  manifest:
    description:
      - What is sent, as returned by M(fleetcast.core.artifact_info). Needed unless in check mode.
    type: str
    required: false
  receivers:
    description:
      - The names of all receivers of the session, in the same order as every receiver is given them. Nobody else is listened to.
    type: list
    elements: str
    required: true
  without:
    description:
      - Names among the O(receivers) that take no part. Everybody keeps the seat that the list gives him, nobody waits for these.
      - So receivers can be started before it is known which hosts need to receive.
    type: list
    elements: str
    default: []
    version_added: 0.1.0
  session_key:
    description:
      - The secret of this session, 64 hexadecimal digits, made anew for every session. Needed unless in check mode.
    type: str
  feedback_port:
    description:
      - The UDP port on which the sender hears its receivers, for firewalls that must know it. V(0) lets the system choose.
    type: int
    default: 0
  ttl:
    description:
      - How many routers the packets may pass, plus one (RFC 1112). V(1) stays in the sender's network.
    type: int
    default: 8
  rate:
    description:
      - The most that is sent, in bits per second, headers included. A number may end in C(k), C(M) or C(G), as in V(200M).
      - Without it the sender goes as fast as the network and the receivers take it.
    type: str
  label:
    description:
      - Whose progress is shown, where several senders work side by side.
    type: str
    version_added: 0.1.0
  progress_file:
    description:
      - A file in which the module writes, once a second, how far the session is, as one JSON object.
      - Whoever watches removes it after reading. If it is left there for 30 seconds nobody watches any more, and the session ends.
      - The controller's half of this module sets it. It is of no use in a playbook.
    type: path
  ready_timeout:
    description:
      - How long the sender waits for all receivers to say that they are ready, in seconds. Whoever is later joins in the middle.
    type: float
    default: 15
  host_timeout:
    description:
      - How long a receiver may be silent, in seconds, before the session goes on without it.
    type: float
    default: 10
  symbol_size:
    description:
      - See O(fleetcast.core.artifact_info#module:symbol_size). Only for what is digested here, in check mode without a O(manifest).
    type: int
    default: 1400
    version_added: 0.1.0
seealso:
  - module: fleetcast.core.artifact_info
  - module: fleetcast.core.multicast_receive
"""

EXAMPLES = r"""
- name: Send to the hosts of the play, from the controller
  fleetcast.core.multicast_send:
    src: /srv/packages/app_1.2_amd64.deb
    manifest: "{{ artifact.manifest }}"
    receivers: "{{ ansible_play_hosts }}"
    session_key: "{{ session_key }}"
    interface: eth1
    rate: 200M
  delegate_to: localhost
  run_once: true
  register: sent

- name: See who has it
  ansible.builtin.debug:
    msg: "{{ sent.hosts }}"
  run_once: true
"""

RETURN = r"""
hosts:
  description: The verdict on every receiver, by name.
  returned: always, but in check mode
  type: dict
  contains:
    completed:
      description: Whether the host has everything, verified by its digests.
      type: bool
    missing_bytes:
      description: What the host still lacks, as far as the sender knows.
      type: int
    reason:
      description:
        - V(completed), or why it lacks something. V(not_ready), it did not answer in time; V(silence), it stopped answering; V(disk), it cannot write;
          V(network_loss) or V(socket_overflow), it was too slow, and where its packets were lost; V(deadline) or V(canceled), the session ended before.
      type: str
    detail:
      description: What the host said of it.
      type: str
    lost_packets:
      description: Packets that did not arrive.
      type: int
    overflow_packets:
      description: The part of them that the host's own socket dropped.
      type: int
  sample:
    web1: {completed: true, missing_bytes: 0, reason: completed, detail: "", lost_packets: 31, overflow_packets: 0}
    web2: {completed: false, missing_bytes: 4194304, reason: silence, detail: "", lost_packets: 12, overflow_packets: 0}
completed:
  description: The number of receivers that have everything.
  returned: always, but in check mode
  type: int
link_bytes:
  description: Bytes on the sender's link, all headers included.
  returned: always, but in check mode
  type: int
artifact:
  description: What M(fleetcast.core.artifact_info) returns of O(src).
  returned: in check mode, without O(manifest)
  type: dict
  sample:
    manifest: eNqrVkrOz0vLLE...
    digest: 7df5e938b3c301d70842bf9858b396e4ff570aa9a9263bcee86a11b4f7849e4c
    checksum: 57512ac567969f639283f9b894144fefff757988ab07975c4b14a1a0f4b953da
    kind: file
    name: app_1.2_amd64.deb
    size: 52428800
    files: 1
    sections: 14
size:
  description: Bytes of the artifact.
  returned: always
  type: int
seconds:
  description: From the first announcement to the end of the session.
  returned: always, but in check mode
  type: float
session:
  description: What the sender counted, for whoever looks for the cause of losses.
  returned: always, but in check mode
  type: dict
  sample:
    data_packets: 149797
    parity_packets: 4130
    control_packets: 96
    feedback_bytes: 88210
    no_buffer_events: 0
    secured: false
    segmentation_offload: true
"""

import json
import re
import signal
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.manifest import Manifest
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.scan import scan, source_files
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.stream import StreamReader
from ansible_collections.fleetcast.core.plugins.module_utils._manifest_module import MANIFEST_OPTION, described, reporting_errors
from ansible_collections.fleetcast.core.plugins.module_utils._multicast.auth import SessionKeys
from ansible_collections.fleetcast.core.plugins.module_utils._multicast.errors import BadSession
from ansible_collections.fleetcast.core.plugins.module_utils._multicast.sender import Sender
from ansible_collections.fleetcast.core.plugins.module_utils._multicast.session import Limits, Network, Progress, SendReport
from ansible_collections.fleetcast.core.plugins.module_utils._multicast.sockets import SenderSocket
from ansible_collections.fleetcast.core.plugins.module_utils._multicast_module import network_argument_spec, network_of

#: Seconds between two notes of progress.
_PROGRESS_INTERVAL = 1.0
#: Seconds for which a note may lie unread before the session counts as abandoned: its play was killed.
_ABANDONED = 30.0
_RATE = re.compile(r"(\d+(?:\.\d+)?)([kMG]?)\Z")
_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}


class ProgressNote:
    """How far the session is, in a file for whoever watches; notices when nobody does."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._next = 0.0
        self._phase = ""
        self._last = (time.time(), 0)

    def write(self, progress: Progress, sender: Sender) -> None:
        now = time.time()
        try:
            if now - self._path.stat().st_mtime > _ABANDONED:
                sender.stop()
            return
        except FileNotFoundError:
            if now < self._next and progress.phase == self._phase:
                return
        self._next, self._phase = now + _PROGRESS_INTERVAL, progress.phase
        before, sent = self._last
        self._last = (now, progress.done)
        note = {
            "phase": progress.phase,
            "sent_bytes": progress.done,
            "total_bytes": progress.total,
            "rate": 8 * (progress.done - sent) / max(now - before, 1e-3),
            "completed": progress.hosts_done,
            "hosts": progress.hosts,
        }
        staged = self._path.with_suffix(".new")
        staged.write_text(json.dumps(note), encoding="utf-8")
        staged.rename(self._path)


def rate_of(text: str | None) -> float | None:
    """Bits per second of a rate such as `200M`; None is no ceiling. :raises BadSession: it is no rate."""
    if text is None:
        return None
    match = _RATE.match(text)
    if match is None or float(match.group(1)) <= 0:
        raise BadSession(f"rate must be a number of bits per second greater than 0, such as 200M or 1.5G, not {text!r}")
    return float(match.group(1)) * _UNITS[match.group(2)]


def send(module: AnsibleModule, manifest: Manifest, network: Network, rate: float | None) -> SendReport:
    """Hold the session; the report of it, also of one that failed, which then is the module's failure."""
    params = module.params
    with StreamReader(source_files(manifest, params["src"])) as source:
        sender = Sender(
            network,
            SessionKeys.from_hex(params["session_key"]),
            params["receivers"],
            manifest.layout,
            manifest.section_digests,
            source,
            ceiling_bits=rate,
            without=params["without"],
            limits=Limits(ready=params["ready_timeout"], session=params["timeout"], host=params["host_timeout"]),
            progress=(lambda progress: note.write(progress, sender)) if params["progress_file"] else None,
        )
        # Without a file nobody watches, and nothing is noted.
        note = ProgressNote(params["progress_file"] or "")
        signal.signal(signal.SIGTERM, lambda _number, _frame: sender.stop())
        with reporting_errors(module, lambda: outcome(sender.report)):
            return sender.run()


def outcome(report: SendReport) -> dict[str, Any]:
    """The module's result of a session."""
    counters = ("data_packets", "parity_packets", "control_packets", "feedback_bytes", "no_buffer_events", "secured", "segmentation_offload")
    verdict_keys = ("completed", "missing_bytes", "reason", "detail", "lost_packets", "overflow_packets")
    return {
        "hosts": {name: {key: getattr(verdict, key) for key in verdict_keys} for name, verdict in report.verdicts.items()},
        "completed": len(report.completed),
        "link_bytes": report.link_bytes,
        "size": report.size,
        "seconds": round(report.seconds, 3),
        "session": {key: getattr(report, key) for key in counters},
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "src": {"type": "path", "required": True},
            "manifest": {**MANIFEST_OPTION, "required": False},
            "receivers": {"type": "list", "elements": "str", "required": True},
            "without": {"type": "list", "elements": "str", "default": []},
            "session_key": {"type": "str", "no_log": True},
            "symbol_size": {"type": "int", "default": 1400},
            "feedback_port": {"type": "int", "default": 0},
            "ttl": {"type": "int", "default": 8},
            "rate": {"type": "str"},
            "ready_timeout": {"type": "float", "default": 15},
            "host_timeout": {"type": "float", "default": 10},
            "label": {"type": "str"},
            "progress_file": {"type": "path"},
            **network_argument_spec(),
        },
        supports_check_mode=True,
    )
    with reporting_errors(module):
        encoded = module.params["manifest"]
        manifest = Manifest.decode(encoded) if encoded is not None else None
        network = network_of(module.params)
        rate = rate_of(module.params["rate"])
        if module.check_mode:
            SenderSocket(network).close()
            made = {} if manifest else {"artifact": described(scan(module.params["src"], symbol_size=module.params["symbol_size"]))}
            module.exit_json(changed=False, size=manifest.size if manifest else made["artifact"]["size"], **made)
        if manifest is None:
            raise BadSession("manifest is missing: what artifact_info returned of src, the same for the sender and the receivers")
        if module.params["session_key"] is None:
            raise BadSession("session_key is missing: 64 hexadecimal digits, the same for the sender and the receivers")
        report = send(module, manifest, network, rate)
    module.exit_json(changed=bool(report.completed), **outcome(report))


if __name__ == "__main__":
    main()
