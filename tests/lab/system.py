# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab asks of the machine: commands, processes by network namespace, waiting with a limit."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

NETNS_DIRECTORY = Path("/run/netns")

_PACKAGE_OF_TOOL = {
    "chroot": "coreutils",
    "e2fsck": "e2fsprogs",
    "ethtool": "ethtool",
    "ip": "iproute2",
    "losetup": "mount",
    "mkfs.ext4": "e2fsprogs",
    "mount": "mount",
    "nft": "nftables",
    "nsenter": "util-linux",
    "resize2fs": "e2fsprogs",
    "setsid": "util-linux",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "sshd": "openssh-server",
    "tc": "iproute2",
    "unshare": "util-linux",
    "useradd": "passwd",
}


class LabError(Exception):
    """The lab cannot do what was asked; the message names the thing and the way out."""


def check_machine() -> None:
    """Raise LabError unless this process is root and every tool of the lab is installed."""
    if os.geteuid() != 0:
        raise LabError("the lab makes network namespaces and mounts, and needs root: run `sudo make lab-up HOSTS=8`")
    os.environ["PATH"] = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    missing = sorted(tool for tool in _PACKAGE_OF_TOOL if shutil.which(tool) is None)
    if missing:
        packages = sorted({_PACKAGE_OF_TOOL[tool] for tool in missing})
        raise LabError(f"missing on this machine: {', '.join(missing)}: run `apt-get install {' '.join(packages)}`")


def run(*argv: str, stdin: str | None = None, timeout_s: float = 60) -> str:
    """Run a command and return its standard output; LabError with its standard error when it fails."""
    try:
        result = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired as error:
        raise LabError(f"no end after {timeout_s:g} s: {' '.join(argv)}") from error
    if result.returncode != 0:
        raise LabError(f"`{' '.join(argv)}` failed with {result.returncode}: {result.stderr.strip() or result.stdout.strip()}")
    return result.stdout


def wait_until(condition: Callable[[], bool], timeout_s: float, interval_s: float = 0.02) -> bool:
    """Whether `condition` became true within `timeout_s` seconds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(interval_s)
    return True


def network_namespaces(pattern: str) -> list[str]:
    """Names of the named network namespaces that match the regular expression `pattern` as a whole."""
    if not NETNS_DIRECTORY.is_dir():
        return []
    return sorted(entry.name for entry in NETNS_DIRECTORY.iterdir() if re.fullmatch(pattern, entry.name))


def processes_in(namespaces: Iterable[str]) -> dict[str, list[int]]:
    """Process ids in each of the named network namespaces, this process left out."""
    names = {}
    for name in namespaces:
        with contextlib.suppress(FileNotFoundError):
            names[(NETNS_DIRECTORY / name).stat().st_ino] = name
    found: dict[str, list[int]] = {name: [] for name in names.values()}
    for process in Path("/proc").glob("[1-9]*"):
        with contextlib.suppress(OSError):  # a process may end while it is looked at
            inode = (process / "ns" / "net").stat().st_ino
            if inode in names and int(process.name) != os.getpid():
                found[names[inode]].append(int(process.name))
    return found


def nested_pids(pid: int) -> list[int]:
    """The process's id in its own and every outer PID namespace, outermost first (NSpid, proc(5)); empty when it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return []
    line = re.search(r"^NSpid:(.*)$", status, re.MULTILINE)
    return [int(number) for number in line.group(1).split()] if line else []


def command_line(pid: int) -> list[str]:
    """The process's arguments; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def cgroup2_mounts() -> list[Path]:
    """Where the machine's cgroup2 tree is mounted."""
    mounts = (line.split() for line in Path("/proc/self/mounts").read_text().splitlines())
    return [Path(mount_point) for _, mount_point, kind, *_ in mounts if kind == "cgroup2"]


def kill(pids: Iterable[int], signal_number: int = signal.SIGKILL) -> None:
    """Send a signal to processes of which some may be gone already."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal_number)


def in_network(namespace: str, argv: Sequence[str]) -> list[str]:
    """The command line that runs `argv` in a named network namespace and nothing else changed.

    `ip netns exec` would also make a mount namespace, in which namespaces made later stay invisible outside.
    """
    return ["nsenter", f"--net={NETNS_DIRECTORY / namespace}", *argv]
