# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""RPMs are installed by dnf, and verified by what rpm reports. Debian's dnf does that on the lab's hosts, with a database of its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.fleetcast.core.tests.integration.push.packages import NAME, build_rpm
from ansible_collections.fleetcast.core.tests.integration.push.project import Played, Project

pytestmark = [
    pytest.mark.push,
    pytest.mark.lab,
    pytest.mark.timeout(400),
    pytest.mark.skipif(not (shutil.which("dnf") and shutil.which("rpmbuild")), reason="needs the Debian packages rpm, dnf and python3-dnf (make packages)"),
]

_HOSTS = ["host1", "host2"]


#: Debian's facts name apt as the package manager, so that dnf must be told which of its kinds this is.
_PLAY = """\
- name: Push
  hosts: all
  gather_facts: false
  module_defaults:
    ansible.builtin.dnf:
      use_backend: dnf4
  roles:
    - role: fleetcast.core.push
"""


def _push(project: Project, package: Path, **variables: object) -> Played:
    playbook = project.directory / "push.yml"
    playbook.write_text(_PLAY, encoding="utf-8")
    return project.start(str(playbook), "--limit", "host1,host2", fleetcast_src=str(package), **variables).ended()


@pytest.fixture
def rpm_project(project: Project) -> Iterator[Project]:
    project.variables |= {"fleetcast_install": "rpm", "fleetcast_install_gpg_check": False}
    yield project
    for host in _HOSTS:
        project.exec(host, "rpm", "--erase", "--noscripts", NAME, check=False)


def _installed(project: Project) -> dict[str, str]:
    return {host: project.exec(host, "rpm", "-q", "--qf", "%{VERSION}-%{RELEASE}", NAME, check=False) for host in _HOSTS}


def test_a_package_is_installed_verified_and_upgraded(rpm_project: Project) -> None:
    project = rpm_project
    first = build_rpm(project.directory, "1.0")
    assert _push(project, first).done().changed() == set(_HOSTS)
    assert _installed(project) == dict.fromkeys(_HOSTS, "1.0-1")
    project.all_states("succeeded", _HOSTS)
    assert set(project.rows("version").values()) == {"1.0-1"}

    assert _push(project, first).done().changed() == set()
    project.all_states("already_installed", _HOSTS)

    second = build_rpm(project.directory, "1.1")
    assert _push(project, second).done().changed() == set(_HOSTS)
    assert _installed(project) == dict.fromkeys(_HOSTS, "1.1-1")
    assert set(project.rows("version").values()) == {"1.1-1"}


def test_a_package_without_a_trusted_signature_is_refused(rpm_project: Project) -> None:
    project = rpm_project
    package = build_rpm(project.directory, "2.0")
    played = _push(project, package, fleetcast_install_gpg_check=True)
    assert played.failed() == set(_HOSTS)
    project.all_states("failed", _HOSTS)
    for detail in project.rows("detail").values():
        assert package.name in detail or NAME in detail
        assert "validate GPG signature" in detail or "not signed" in detail, detail
    assert not any(version.startswith("2.0") for version in _installed(project).values())
