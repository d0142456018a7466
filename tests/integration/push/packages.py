# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages and archives that tests build on the spot."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

NAME = "fleetcast-sample"


def build_deb(directory: Path, version: str, *, payload: bytes = b"payload\n", postinst: str = "", depends: str = "") -> Path:
    """A package that installs /opt/fleetcast-sample/payload; `postinst` is a shell script."""
    tree = directory / f"deb-{version}"
    shutil.rmtree(tree, ignore_errors=True)
    (tree / "DEBIAN").mkdir(parents=True)
    control = [f"Package: {NAME}", f"Version: {version}", "Architecture: all", "Maintainer: Nobody <nobody@example.com>"]
    if depends:
        control.append(f"Depends: {depends}")
    (tree / "DEBIAN/control").write_text("\n".join([*control, "Description: a sample package"]) + "\n", encoding="utf-8")
    if postinst:
        script = tree / "DEBIAN/postinst"
        script.write_text(f"#!/bin/sh\nset -e\n{postinst}\n", encoding="utf-8")
        script.chmod(0o755)
    (tree / "opt" / NAME).mkdir(parents=True)
    (tree / "opt" / NAME / "payload").write_bytes(payload)
    package = directory / f"{NAME}_{version}_all.deb"
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", "-Znone", str(tree), str(package)], check=True, capture_output=True)
    return package


def build_rpm(directory: Path, version: str, *, payload: bytes = b"payload\n") -> Path:
    """The same as an RPM. It has no scriptlets: these need /bin/sh, which no RPM provides on Debian."""
    top = directory / f"rpm-{version}"
    shutil.rmtree(top, ignore_errors=True)
    top.mkdir()
    (top / "payload").write_bytes(payload)
    spec = top / "sample.spec"
    spec.write_text(
        f"""\
Name: {NAME}
Version: {version}
Release: 1
Summary: a sample package
License: MIT
BuildArch: noarch
%description
A sample package.
%install
install -D -m 644 {top}/payload %{{buildroot}}/opt/{NAME}/payload
%files
/opt/{NAME}/payload
""",
        encoding="utf-8",
    )
    definitions = ["--define", f"_topdir {top}", "--define", "_dbpath " + str(top / "db"), "--define", f"_rpmdir {top}", "--define", f"_tmppath {top}"]
    subprocess.run(["rpmbuild", "-bb", *definitions, str(spec)], check=True, capture_output=True, cwd=top)
    (built,) = top.glob("noarch/*.rpm")
    return built.rename(directory / built.name)
