# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `ansible` needs to reach the hosts of a lab: keys, known hosts, inventory."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterable
from pathlib import Path

from .host import Host
from .network import HOST_INTERFACE
from .system import run


def create_key(directory: Path) -> str:
    """Make the lab's key pair; return the public key."""
    key = directory / "key"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"lab {directory.name}", "-f", str(key))
    return key.with_suffix(".pub").read_text()


def write(directory: Path, hosts: Iterable[Host], host_keys: dict[str, str], interface: str, controller: tuple[str, str]) -> None:
    """Write `inventory.yml` and `known_hosts`, and `home`, a home directory for paramiko.

    ansible.builtin.paramiko_ssh reads known hosts from the home directory only.
    """
    hosts = list(hosts)
    known_hosts = directory / "known_hosts"
    known_hosts.write_text("".join(f"{host.name},{host.ipv4},{host.ipv6} {host_keys[host.name]}\n" for host in hosts))
    ssh_home = directory / "home" / ".ssh"
    ssh_home.mkdir(parents=True, mode=0o700)
    (ssh_home / "known_hosts").symlink_to("../../known_hosts")
    options = (
        f"UserKnownHostsFile={known_hosts}",
        "GlobalKnownHostsFile=/dev/null",
        "StrictHostKeyChecking=yes",
        "IdentitiesOnly=yes",
        "ServerAliveInterval=5",
        "ServerAliveCountMax=3",
    )
    group_vars = {
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(directory / "key"),
        "ansible_ssh_common_args": " ".join(f"-o {shlex.quote(option)}" for option in options),
        "ansible_python_interpreter": "/usr/bin/python3",
        "lab_interface": HOST_INTERFACE,
        "lab_controller_interface": interface,
        "lab_controller_ipv4": controller[0],
        "lab_controller_ipv6": controller[1],
    }
    lines = ["# Written by the lab.", "lab:", "  hosts:"]
    by_name = {host.name: host for host in hosts}
    for host in hosts:
        lines += [
            f"    {host.name}:",
            f"      ansible_host: {host.ipv4}",
            f"      ansible_control_path_dir: {host.control_sockets}",
            f"      lab_ipv6: {json.dumps(host.ipv6)}",
        ]
        if host.through:
            jump = _jump(directory, by_name[host.through], options)
            lines += [
                f"      lab_server: {host.through}",
                f"      ansible_ssh_common_args: {json.dumps(group_vars['ansible_ssh_common_args'] + ' ' + jump)}",
            ]
        elif len(host.cables) > 1:
            lines.append(f"      lab_site_interface: {host.cables[1].interface}")
    lines.append("  vars:")
    lines += [f"    {name}: {json.dumps(value)}" for name, value in group_vars.items()]
    if any(host.systemd for host in hosts):
        lines += ["lab_systemd:", "  hosts:", *(f"    {host.name}: {{}}" for host in hosts if host.systemd)]
    through = sorted({host.through for host in hosts if host.through}, key=lambda name: int(name.removeprefix("host")))
    if through:
        lines += ["lab_servers:", "  hosts:", *(f"    {name}: {{}}" for name in through)]
        lines += ["lab_recipients:", "  hosts:", *(f"    {host.name}: {{}}" for host in hosts if host.through)]
    (directory / "inventory.yml").write_text("\n".join(lines) + "\n")


def _jump(directory: Path, server: Host, options: Iterable[str]) -> str:
    """The ssh options with which a host is reached through a server, over one connection to it for all of its hosts."""
    shared = ("ControlMaster=auto", "ControlPersist=60", f"ControlPath={server.control_sockets}/jump", "ConnectTimeout=10")
    words = " ".join(f"-o {option}" for option in (*options, *shared))
    command = f"ssh -i {directory / 'key'} {words} -W [%h]:%p root@{server.ipv4}"
    return f"-o {shlex.quote(f'ProxyCommand={command}')}"


def hand_over(paths: Iterable[Path]) -> None:
    """Give files and directories to the user who called sudo, so that `ansible` needs no root."""
    if "SUDO_UID" not in os.environ:
        return
    for path in paths:
        os.chown(path, int(os.environ["SUDO_UID"]), int(os.environ["SUDO_GID"]), follow_symlinks=False)
