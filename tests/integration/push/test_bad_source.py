# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sources that cannot be sent, and those that change while they are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.fleetcast.core.tests.integration.push.project import Project

pytestmark = [pytest.mark.push, pytest.mark.lab, pytest.mark.timeout(400)]


def test_a_source_that_is_missing(project: Project) -> None:
    source = project.directory / "nothing_1.0.deb"
    played = project.push(source, "--limit", "host1")
    assert played.status != 0
    assert f"{source} does not exist" in played.said
    assert "Open the distribution" not in played.output, "no distribution is begun"


def test_a_source_that_may_not_be_read(project: Project) -> None:
    # Who reads is an ordinary user on another host: root may read everything.
    source = f"{project.destination}secret.bin"
    project.write("host1", source, "secret\n", 0o600)
    project.inventory({"lab": {"hosts": {"host1": {"ansible_user": "fleet"}}}})
    played = project.push(source, "--limit", "host2", fleetcast_sender="host1", fleetcast_sender_interface="{{ lab_interface }}")
    assert played.status != 0
    assert source in played.said
    assert "ermission denied" in played.said

    # With the privileges that it needs it is read.
    project.push(
        source, "--limit", "host2", fleetcast_sender="host1", fleetcast_sender_interface="{{ lab_interface }}", fleetcast_sender_become=True,
        fleetcast_dest=f"{project.destination}inbox/",
    ).done()
    assert project.exec("host2", "cat", f"{project.destination}inbox/secret.bin") == "secret\n"
    project.all_states("succeeded", ["host2"])


def test_a_source_that_changes_while_it_is_sent(project: Project) -> None:
    source = project.file("big.bin", 12_000_000)
    play = project.start_push(source, fleetcast_rate="20M")
    play.wait_for_task("Send to all receivers at once")
    before = project.sent_bytes()
    play.wait_for(lambda: project.sent_bytes() - before > 3_000_000, "a part is sent")
    with source.open("r+b") as file:
        file.seek(8_000_000)
        file.write(os.urandom(3_000_000))
    played = play.ended()
    assert played.failed() == {"host1", "host2", "host3"}
    project.all_states("failed")
    assert set(project.sums("big.bin").values()) == {""}, "what nobody asked for is not in place"
    for detail in project.rows("detail").values():
        assert "changed" in detail, detail

    # Put back, it can be pushed again.
    again = project.file("big.bin", 12_000_000)
    project.push(again).done()
    project.assert_arrived(again)
    project.all_states("succeeded")


def test_a_source_that_shrinks_before_catch_up(project: Project) -> None:
    source, other = project.file("file.bin", 1_000_000), project.file("other.bin", seed=2)
    project.lab.host("host2").power_off()
    project.push(source, "--limit", "host1,host2")
    project.push(other, "--limit", "host2")
    project.lab.host("host2").power_on()
    os.truncate(source, 10_000)
    played = project.catch_up("host2")
    assert played.failed() == {"host2"}
    ended = project.sql(
        "SELECT v.name, a.status, a.detail FROM target t JOIN device v ON v.id = t.device_id JOIN attempt a ON a.id = t.current_attempt_id "
        "JOIN distribution d ON d.id = t.distribution_id WHERE d.seq = (SELECT min(seq) FROM distribution) ORDER BY v.name"
    )
    assert [row[:2] for row in ended] == [("host1", "succeeded"), ("host2", "failed")]
    assert str(source) in ended[1][2]
    assert project.sums("file.bin", ["host2"]) == {"host2": ""}
    # What nobody has any more does not keep the rest from the host.
    project.all_states("unreachable", ["host2"])
    ((newest,),) = project.sql("SELECT id FROM distribution ORDER BY seq DESC LIMIT 1")
    project.catch_up("host2", fleetcast_distribution=newest[:8]).done()
    project.assert_arrived(other, ["host2"])
    project.all_states("succeeded", ["host2"])


def test_something_that_is_neither_file_nor_directory(project: Project) -> None:
    source = Path(project.directory / "pipe")
    os.mkfifo(source)
    played = project.push(source, "--limit", "host1")
    assert played.status != 0
    assert f"{source} is a FIFO: only files, directories and symlinks can be distributed" in played.said
