# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is still to be done for a host, and what has been done."""

from __future__ import annotations

import pytest
from ansible_collections.fleetcast.core.plugins.plugin_utils._status import run
from ansible_collections.fleetcast.core.plugins.plugin_utils._status.attempts import Report
from ansible_collections.fleetcast.core.plugins.plugin_utils._status.errors import RequestError
from ansible_collections.fleetcast.core.plugins.plugin_utils._status.text import bounded, plain
from ansible_collections.fleetcast.core.tests.unit.plugin_utils._status.table import Table, new_play

pytestmark = pytest.mark.push


def test_a_host_that_was_never_heard_of(table: Table, play: run.Run) -> None:
    table.start(play)
    found = table.pending("nobody", "h1")["hosts"]
    assert found["nobody"] == {"known": False, "completed": 0, "pending": []}
    assert found["h1"]["known"]


def test_what_is_pending_comes_with_all_that_finishing_it_needs(table: Table, play: run.Run) -> None:
    distribution = table.start(play).distribution_id
    table.record(play, distribution, h1=Report("failed", code="disk_full", detail="No space"), h2="already_installed", h3="transferring")
    found = table.pending("h1", "h2", "h3")
    assert found["hosts"]["h1"]["pending"] == [
        {"distribution": distribution, "name": "app", "status": "failed", "attempt": 1, "code": "disk_full", "detail": "No space", "in_progress": False}
    ]
    assert found["hosts"]["h2"] == {"known": True, "completed": 1, "pending": []}
    assert found["hosts"]["h3"]["pending"][0]["in_progress"]
    assert list(found["distributions"]) == [distribution]
    entry = found["distributions"][distribution]
    assert (entry["name"], entry["digest"], entry["manifest"], entry["commands"]) == ("app", "d1", "manifest of d1", {"src": "/srv/a", "dest": "/opt/a"})


@pytest.mark.parametrize("state", ["failed", "unreachable", "timed_out", "canceled", "unknown", "pending"])
def test_whatever_is_not_known_to_have_succeeded_is_pending(table: Table, play: run.Run, state: str) -> None:
    distribution = table.start(play, hosts=["h1"], lease=1).distribution_id
    if state == "unknown":
        table.reconcile(at=10)
    elif state != "pending":
        table.record(play, distribution, h1=state)
    assert [entry["status"] for entry in table.pending("h1")["hosts"]["h1"]["pending"]] == [state]
    assert list(table.pending()["hosts"]) == ["h1"]


def test_of_each_name_only_the_newest(table: Table, play: run.Run) -> None:
    for name, digest in (("app", "d1"), ("conf", "c1"), ("app", "d2")):
        table.start(new_play(), name=name, digest=digest)
    entries = table.pending("h1")["hosts"]["h1"]["pending"]
    assert [(entry["name"], table.pending("h1")["distributions"][entry["distribution"]]["digest"]) for entry in entries] == [("conf", "c1"), ("app", "d2")]


def test_of_one_distribution_only(table: Table, play: run.Run) -> None:
    conf = table.start(new_play(), name="conf", digest="c1").distribution_id
    app = table.start(play).distribution_id
    table.record(play, app, h1="already_installed")
    found = table.pending("h1", "h2", only=app[:8])
    assert found["hosts"]["h1"] == {"known": True, "completed": 1, "pending": []}
    assert [entry["distribution"] for entry in found["hosts"]["h2"]["pending"]] == [app]
    assert list(found["distributions"]) == [app]
    assert table.pending("h1", only=conf)["hosts"]["h1"]["completed"] == 0
    with pytest.raises(RequestError, match="there is no distribution 'nowhere0'"):
        table.pending("h1", only="nowhere0")


def test_an_older_one_does_not_come_back_when_the_newest_is_done(table: Table, play: run.Run) -> None:
    table.record(play, table.start(play).distribution_id, h1="failed")
    table.record(play, table.start(play, digest="d2").distribution_id, h1="already_installed")
    assert table.pending("h1")["hosts"]["h1"] == {"known": True, "completed": 1, "pending": []}


def test_a_manifest_is_stored_and_returned_once(table: Table, play: run.Run) -> None:
    for _ in range(3):
        table.start(new_play())
    assert table.sql("SELECT count(*) FROM artifact") == [(1,)]
    assert len(table.pending()["distributions"]) == 1


def test_filters_leave_the_counts_alone(table: Table, play: run.Run) -> None:
    distribution = table.start(play).distribution_id
    table.record(play, distribution, h1="failed", h2="dispatched")
    shown = table.status("last", only=["failed"])
    assert [row["host"] for row in shown["hosts"]] == ["h1"]
    assert shown["counts"] == {"pending": 1, "dispatched": 1, "failed": 1}
    assert [row["host"] for row in table.status(distribution[:8], hosts=["h2", "nobody"])["hosts"]] == ["h2"]
    assert table.status("last", summary=True)["hosts"] == []


def test_a_distribution_through_servers_says_how_many_of_them_have_it(table: Table, play: run.Run) -> None:
    to_servers = table.start(play, ["s1", "s2"], name="app (servers)").distribution_id
    table.record(play, to_servers, s1="dispatched")
    table.record(play, to_servers, s1="succeeded")
    table.start(play, parent=to_servers[:8])
    assert table.status("last")["parent"] == {"distribution": to_servers, "total_hosts": 2, "completed": 1}
    assert table.status(to_servers)["parent"] is None


def test_text_that_a_database_would_refuse_is_kept_as_far_as_it_can_be(table: Table, play: run.Run) -> None:
    distribution = table.start(play).distribution_id
    table.record(play, distribution, h1=Report("failed", detail=bounded("a\x00b\ud800c" + "x" * 5000 + "end")))
    detail = table.status(distribution, hosts=["h1"])["hosts"][0]["detail"]
    assert len(detail) == 2000 and detail.startswith("a\ufffdb") and detail.endswith("end")


def test_plain_leaves_only_types_of_json() -> None:
    class Tagged(str):
        pass

    class Container(dict):  # type: ignore[type-arg]  # what Ansible's lazy containers look like
        pass

    bare = plain(Container({Tagged("a"): [Tagged("b"), 1, 1.5, True, None, (2,)]}))
    assert bare == {"a": ["b", 1, 1.5, True, None, [2]]}
    assert type(bare) is dict and [type(key) for key in bare] == [str] and type(bare["a"][0]) is str
