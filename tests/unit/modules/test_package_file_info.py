# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real packages, built on the spot, and a package manager's database of the test's own."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fleetcast.core.tests.unit.module_process import PYTHONS, run_module

pytestmark = pytest.mark.push

needs_dpkg = pytest.mark.skipif(shutil.which("dpkg-deb") is None or os.geteuid() != 0, reason="needs dpkg, and root to run dpkg --install")
needs_rpm = pytest.mark.skipif(shutil.which("rpm") is None or shutil.which("rpmbuild") is None, reason="needs rpm and rpmbuild")


def build_deb(folder: Path, version: str, architecture: str = "all", postinst: str = "exit 0") -> Path:
    content = folder / f"content-{version}"
    (content / "DEBIAN").mkdir(parents=True)
    (content / "DEBIAN" / "control").write_text(
        f"Package: fc-sample\nVersion: {version}\nArchitecture: {architecture}\nMaintainer: nobody <nobody@example.org>\nDescription: sample\n"
    )
    (content / "DEBIAN" / "postinst").write_text(f"#!/bin/sh\n{postinst}\n")
    (content / "DEBIAN" / "postinst").chmod(0o755)
    (content / "DEBIAN" / "conffiles").write_text("/etc/fc-sample.conf\n")
    (content / "etc").mkdir()
    (content / "etc" / "fc-sample.conf").write_text("x\n")
    package = folder / f"sample-{version.replace(':', '')}"
    subprocess.run(["dpkg-deb", "--build", str(content), str(package)], check=True, capture_output=True, timeout=60)
    return package


@pytest.fixture
def dpkg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """dpkg with an empty database and a root directory of its own, that modules see too."""
    root = tmp_path / "root"
    for folder in ("var/lib/dpkg/info", "var/lib/dpkg/updates"):
        (root / folder).mkdir(parents=True)
    (root / "var/lib/dpkg/status").touch()
    monkeypatch.setenv("DPKG_ADMINDIR", str(root / "var/lib/dpkg"))

    def run(*arguments: str | Path, check: bool = True) -> None:
        command = ["dpkg", f"--admindir={root}/var/lib/dpkg", f"--instdir={root}", "--force-script-chrootless", *map(str, arguments)]
        subprocess.run(command, check=check, capture_output=True, timeout=60)

    return run


@needs_dpkg
@pytest.mark.parametrize("python", PYTHONS, ids=["newest", "oldest"][: len(PYTHONS)])
def test_deb_before_and_after_it_is_installed(tmp_path: Path, dpkg: Any, python: str) -> None:
    first, second = build_deb(tmp_path, "1.0-1"), build_deb(tmp_path, "2:1.1~rc1-3")
    result = run_module("package_file_info", {"path": str(second)}, python=python)
    assert (result["format"], result["name"], result["version"], result["architecture"]) == ("deb", "fc-sample", "2:1.1~rc1-3", "all")
    assert (result["installed_state"], result["installed_version"], result["installed_same"]) == ("absent", None, False)
    dpkg("--install", first)
    result = run_module("package_file_info", {"path": str(second), "format": "deb"}, python=python)
    assert (result["installed_state"], result["installed_version"], result["installed_same"]) == ("installed", "1.0-1", False)
    dpkg("--install", second)
    result = run_module("package_file_info", {"path": str(second)}, python=python)
    assert (result["installed_state"], result["installed_version"], result["installed_same"]) == ("installed", "2:1.1~rc1-3", True)
    assert result["changed"] is False
    dpkg("--remove", "fc-sample")
    result = run_module("package_file_info", {"path": str(second)}, python=python)
    assert (result["installed_state"], result["installed_same"]) == ("config-files", False)


@needs_dpkg
def test_deb_of_this_architecture_that_is_unpacked_or_fails_to_install(tmp_path: Path, dpkg: Any) -> None:
    architecture = subprocess.run(["dpkg", "--print-architecture"], check=True, capture_output=True, text=True, timeout=60).stdout.strip()
    package = build_deb(tmp_path, "3", architecture, postinst="exit 1")
    dpkg("--unpack", package)
    result = run_module("package_file_info", {"path": str(package)})
    assert (result["installed_state"], result["installed_version"], result["installed_same"]) == ("unpacked", "3", False)
    dpkg("--install", package, check=False)
    result = run_module("package_file_info", {"path": str(package)})
    assert (result["installed_state"], result["installed_same"]) == ("half-configured", False)


@needs_dpkg
def test_damaged_deb(tmp_path: Path) -> None:
    package = build_deb(tmp_path, "1")
    package.write_bytes(package.read_bytes()[:100])
    result = run_module("package_file_info", {"path": str(package)})
    assert result["failed"]
    assert result["msg"].startswith(f"{package} is damaged: dpkg-deb: error: ")


def test_what_is_no_package(tmp_path: Path) -> None:
    (tmp_path / "text.deb").write_text("just text")
    assert run_module("package_file_info", {"path": str(tmp_path / "text.deb")})["msg"] == f"{tmp_path}/text.deb is neither a deb nor an rpm package"
    (tmp_path / "arch").write_bytes(b"!<arch>\n")
    result = run_module("package_file_info", {"path": str(tmp_path / "arch"), "format": "rpm"})
    assert result["msg"] == f"{tmp_path}/arch is not a rpm package but a deb package"
    assert run_module("package_file_info", {"path": str(tmp_path / "gone")})["msg"] == f"cannot read {tmp_path}/gone: No such file or directory"


def test_tool_that_is_missing(tmp_path: Path) -> None:
    if shutil.which("rpm"):
        pytest.skip("this machine has rpm")
    (tmp_path / "x.rpm").write_bytes(b"\xed\xab\xee\xdb" + bytes(200))
    result = run_module("package_file_info", {"path": str(tmp_path / "x.rpm")})
    assert result["msg"] == "this host has no rpm, so it cannot tell about packages of this kind"


@needs_rpm
def test_rpm_before_and_after_it_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    (home / ".rpmmacros").write_text(f"%_dbpath {tmp_path}/db\n%_topdir {tmp_path}/build\n")
    spec = tmp_path / "sample.spec"
    packages = []
    for epoch, version in (("", "1.0"), ("Epoch: 2\n", "1.1")):
        spec.write_text(
            f"Name: fc-sample\nVersion: {version}\n{epoch}Release: 3\nSummary: sample\nLicense: MIT\nBuildArch: noarch\n%description\nsample\n%files\n"
        )
        subprocess.run(["rpmbuild", "-bb", str(spec)], check=True, capture_output=True, timeout=100)
        packages.append(str(tmp_path / f"build/RPMS/noarch/fc-sample-{version}-3.noarch.rpm"))
    result = run_module("package_file_info", {"path": packages[1]})
    assert (result["format"], result["name"], result["version"], result["architecture"]) == ("rpm", "fc-sample", "2:1.1-3", "noarch")
    assert (result["installed_state"], result["installed_version"], result["installed_same"]) == ("absent", None, False)
    subprocess.run(["rpm", "--install", "--justdb", packages[0]], check=True, capture_output=True, timeout=100)
    result = run_module("package_file_info", {"path": packages[1]})
    assert (result["installed_state"], result["installed_version"], result["installed_same"]) == ("installed", "1.0-3", False)
    subprocess.run(["rpm", "--upgrade", "--justdb", packages[1]], check=True, capture_output=True, timeout=100)
    result = run_module("package_file_info", {"path": packages[1]})
    assert (result["installed_state"], result["installed_version"], result["installed_same"]) == ("installed", "2:1.1-3", True)
    damaged = tmp_path / "damaged.rpm"
    damaged.write_bytes(Path(packages[1]).read_bytes()[:300])
    assert f"{damaged} is damaged" in run_module("package_file_info", {"path": str(damaged)})["msg"]
