# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A push that was interrupted and is started again sends what any host still lacks, once, and nothing else."""

from __future__ import annotations

import contextlib
import os
import signal

import pytest
from ansible_collections.fleetcast.core.tests.integration.push.project import Project, wait_for

pytestmark = [pytest.mark.engine, pytest.mark.push, pytest.mark.lab, pytest.mark.timeout(400)]

_SYMBOL = 350
_SECTION = _SYMBOL * 44 * 64
_SECTIONS = 24
_SIZE = _SECTIONS * _SECTION
#: Bytes on the link per byte of the file: 58 of headers with a symbol.
_WIRE = (_SYMBOL + 58) / _SYMBOL
#: What a play's connections take for each host, with the modules and manifests that they carry.
_PLAY = 1_500_000


def _lacking(project: Project, host: str) -> set[int]:
    """The sections of which the host's spool lacks something, read from its map: 64 bytes, a flag per section, and a byte per symbol, 0 where it is missing."""
    script = "cat .*.fleetcast-map | od -An -v -tu1 -w1 | tr -d ' '"
    held = [int(value) for value in project.exec(host, "sh", "-c", f"cd {project.destination} && {script}").split()]
    marks = held[64 + _SECTIONS :]
    assert len(marks) == _SIZE // _SYMBOL
    step = len(marks) // _SECTIONS
    return {section for section in range(_SECTIONS) if 0 in marks[section * step : (section + 1) * step]}


def test_only_the_union_of_what_is_missing_is_sent_again(project: Project) -> None:
    hosts = list(project.lab.hosts)
    source = project.file("big.bin", _SIZE)
    project.variables["fleetcast_symbol_size"] = _SYMBOL
    play = project.start_push(source, fleetcast_rate="30M")
    play.wait_for_task("Send to all receivers at once")
    begin = project.sent_bytes()
    play.wait_for(lambda: project.sent_bytes() - begin > 0.3 * _SIZE, "a third is sent")
    # From here on host3 hears nothing any more.
    project.lab.cut("host3")
    play.wait_for(lambda: project.sent_bytes() - begin > 0.8 * _SIZE, "most is sent")
    play.kill()
    # As when the machine of the controller dies: the sender does not notice for a while that its play was killed.
    for pid in project.senders():
        with contextlib.suppress(ProcessLookupError):  # it has noticed, or ended with the one before
            os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not project.senders() and not any(project.receivers(host) for host in hosts), "sender and receivers have ended", 200)
    project.lab.rejoin("host3")

    lacking = {host: _lacking(project, host) for host in hosts}
    union = set.union(*lacking.values())
    assert len(lacking["host1"]) < len(lacking["host3"]) < _SECTIONS, "each has a part, and not the same"
    before = project.sent_bytes()
    project.push(source).done()
    sent = project.sent_bytes() - before
    project.assert_arrived(source)
    project.all_states("succeeded")
    assert set(project.rows("bytes_unicast").values()) == {0}
    received: dict[str, int] = project.rows("bytes_multicast")
    for host in hosts:
        assert 0 < received[host] <= len(lacking[host]) * _SECTION, (host, lacking[host])
    assert sent <= len(union) * _SECTION * _WIRE * 1.05 + len(hosts) * _PLAY, (sent, union)
    assert not any(project.leftovers(host) for host in hosts)
