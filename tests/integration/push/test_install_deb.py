# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian packages are installed by the host's package manager, and verified by what it reports."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from ansible_collections.fleetcast.core.tests.integration.push.packages import NAME, build_deb
from ansible_collections.fleetcast.core.tests.integration.push.project import Project

pytestmark = [pytest.mark.push, pytest.mark.lab, pytest.mark.timeout(400)]

_HOSTS = ["host1", "host2"]
_LIMIT = ("--limit", "host1,host2")
_PAYLOAD = random.Random(7).randbytes(2_000_000)


@pytest.fixture
def deb_project(project: Project) -> Iterator[Project]:
    """A project that installs packages; they are removed after the test."""
    project.variables["fleetcast_install"] = "deb"
    yield project
    for host in project.lab.hosts.values():
        host.exec(["dpkg", "--purge", "--force-all", NAME], capture_output=True, check=False, timeout=60)
        host.exec(["rm", "-f", "/etc/refuse-sample"], check=False, timeout=60)


def _installed(project: Project) -> dict[str, str]:
    return {host: project.exec(host, "dpkg-query", "-W", "-f", "${Version} ${db:Status-Status}", NAME, check=False) for host in _HOSTS}


def test_a_package_is_installed_verified_and_upgraded(deb_project: Project) -> None:
    project = deb_project
    first = build_deb(project.directory, "1.0-1", payload=_PAYLOAD)
    assert project.push(first, *_LIMIT).done().changed() == set(_HOSTS)
    assert _installed(project) == dict.fromkeys(_HOSTS, "1.0-1 installed")
    project.assert_arrived(first, _HOSTS)
    project.all_states("succeeded", _HOSTS)
    assert project.rows("version") == dict.fromkeys(_HOSTS, "1.0-1")
    assert project.sql("SELECT name, kind FROM distribution") == [(NAME, "deb")]

    before = project.sent_bytes()
    again = project.push(first, *_LIMIT).done()
    assert {host: counts["changed"] for host, counts in again.recap.items()} == dict.fromkeys(_HOSTS, 0)
    assert project.sent_bytes() - before < len(_PAYLOAD), "the artifact was not sent"
    project.all_states("already_installed", _HOSTS)

    # A host on which the new version does not install; the cause is removed later.
    project.write("host2", "/etc/refuse-sample", "")
    second = build_deb(
        project.directory, "1.1-1", payload=_PAYLOAD[::-1], postinst="if [ -e /etc/refuse-sample ]; then echo 'licence server says no' >&2; exit 3; fi"
    )
    upgraded = project.push(second, *_LIMIT)
    assert upgraded.failed() == {"host2"}
    assert project.states(2) == {"host1": "succeeded", "host2": "failed"}
    assert project.rows("version") == {"host1": "1.1-1", "host2": None}
    assert project.rows("phase")["host2"] == "installing"
    detail = project.rows("detail")["host2"]
    assert "licence server says no" in detail, detail
    project.assert_arrived(second, _HOSTS)

    project.exec("host2", "rm", "/etc/refuse-sample")
    before = project.sent_bytes()
    project.catch_up("host2").done()
    assert project.sent_bytes() - before < len(_PAYLOAD), "it lies on the host already"
    assert _installed(project) == dict.fromkeys(_HOSTS, "1.1-1 installed")
    project.all_states("succeeded", _HOSTS)
    assert set(project.rows("version").values()) == {"1.1-1"}


def test_a_dependency_that_cannot_be_met_fails_with_the_package_managers_words(deb_project: Project) -> None:
    project = deb_project
    package = build_deb(project.directory, "2.0-1", depends="no-such-package-anywhere (>= 3)")
    played = project.push(package, *_LIMIT)
    assert played.failed() == {"host1", "host2"}
    project.all_states("failed", ["host1", "host2"])
    for detail in project.rows("detail").values():
        assert "no-such-package-anywhere" in detail
    assert "installed" not in "".join(_installed(project).values())


def test_a_file_that_is_no_package_fails_before_the_package_manager(deb_project: Project) -> None:
    project = deb_project
    source = project.file("broken_1.0_all.deb", 5_000)
    played = project.push(source, "--limit", "host1")
    assert played.failed() == {"host1"}
    project.all_states("failed", ["host1"])
    assert "broken_1.0_all.deb" in project.rows("detail")["host1"]


def test_check_mode_sends_and_installs_nothing(deb_project: Project) -> None:
    project = deb_project
    package = build_deb(project.directory, "1.0-1", payload=_PAYLOAD)
    before = project.sent_bytes()
    checked = project.push(package, "--check", "--limit", "host1").done()
    assert checked.changed() == {"host1"}, "it says what it would do"
    assert project.sent_bytes() - before < len(_PAYLOAD)
    assert project.listing("host1") == []
    assert not project.database.exists() or project.sql("SELECT count(*) FROM distribution") == [(0,)]
