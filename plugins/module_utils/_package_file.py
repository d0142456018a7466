# Copyright (c) 2026 The fleetcast authors
# SPDX-License-Identifier: BSD-2-Clause
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
"""Package files and the package manager's word about them: dpkg-deb(1), dpkg-query(1), rpm(8)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

#: First bytes of a file: deb(5) is an ar archive, rpm begins with the lead's magic.
_MAGIC = {b"!<arch>\n": "deb", b"\xed\xab\xee\xdb": "rpm"}
_RPM_FORMAT = r"%{NAME}\t%|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}\t%{ARCH}\n"


class PackageFileError(Exception):
    """The file is no package, is damaged, or the tool that could read it is missing."""


def package_file_info(module: AnsibleModule, path: str, package_format: str) -> dict[str, Any]:
    """The result of ``package_file_info``: what is in the file, and what is installed of it."""
    found = _format_of(path)
    if package_format == "auto" and found is None:
        raise PackageFileError(f"{path} is neither a deb nor an rpm package")
    if package_format not in ("auto", found):
        raise PackageFileError(f"{path} is not a {package_format} package" + (f" but a {found} package" if found else ""))
    inspect, installed = (_inspect_deb, _installed_deb) if found == "deb" else (_inspect_rpm, _installed_rpm)
    name, version, architecture = inspect(module, path)
    state, installed_version = installed(module, name, version, architecture)
    return {
        "format": found,
        "name": name,
        "version": version,
        "architecture": architecture,
        "installed_version": installed_version,
        "installed_state": state,
        "installed_same": state == "installed" and installed_version == version,
    }


def _format_of(path: str) -> str | None:
    try:
        with Path(path).open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise PackageFileError(f"cannot read {path}: {error.strerror}") from error
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), None)


def _run(module: AnsibleModule, tool: str, *arguments: str) -> tuple[int, str, str]:
    command = module.get_bin_path(tool)
    if command is None:
        raise PackageFileError(f"this host has no {tool}, so it cannot tell about packages of this kind")
    # Messages are shown, not parsed; still they should be in one language.
    code, out, err = module.run_command([command, *arguments], environ_update={"LC_ALL": "C", "LANGUAGE": "C"})
    return code, str(out), str(err)


def _fields(path: str, code: int, out: str, err: str) -> tuple[str, str, str]:
    fields = tuple(out.splitlines()[0].split("\t")) if out else ()
    if code != 0 or len(fields) != 3 or not all(fields):
        reason = err.strip() or "a name, a version or an architecture is missing in it"
        raise PackageFileError(f"{path} is damaged: {reason}")
    name, version, architecture = fields
    return name, version, architecture


def _inspect_deb(module: AnsibleModule, path: str) -> tuple[str, str, str]:
    return _fields(path, *_run(module, "dpkg-deb", "--show", "--showformat=${Package}\t${Version}\t${Architecture}\n", path))


def _installed_deb(module: AnsibleModule, name: str, _version: str, architecture: str) -> tuple[str, str | None]:
    code, out, err = _run(module, "dpkg-query", "--show", "--showformat=${db:Status-Status}\t${Version}\t${Architecture}\n", f"{name}:{architecture}")
    if code == 1:
        # "no packages found matching": dpkg-query(1) exits 1 for it and 2 for trouble.
        return "absent", None
    if code != 0:
        raise PackageFileError(f"dpkg-query cannot tell about {name}: {err.strip()}")
    state, installed_version, _architecture = out.splitlines()[0].split("\t")
    if state == "not-installed":
        return "absent", None
    return state, installed_version or None


def _inspect_rpm(module: AnsibleModule, path: str) -> tuple[str, str, str]:
    return _fields(path, *_run(module, "rpm", "--query", "--package", "--queryformat", _RPM_FORMAT, path))


def _installed_rpm(module: AnsibleModule, name: str, version: str, architecture: str) -> tuple[str, str | None]:
    code, out, err = _run(module, "rpm", "--query", "--queryformat", _RPM_FORMAT, f"{name}.{architecture}")
    versions = [line.split("\t")[1] for line in out.splitlines() if line.count("\t") == 2]
    if versions:
        # Several only where a package may be installed more than once, as kernels are.
        return "installed", version if version in versions else versions[-1]
    if "is not installed" in out + err:
        return "absent", None
    raise PackageFileError(f"rpm cannot tell about {name}: {(err or out).strip() or 'exit code %d' % code}")
