# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is on the hosts' disks: a layer of each host over the machine's root.

It is an ordinary overlayfs layer (Documentation/filesystems/overlayfs.rst): a directory marked opaque hides what the
machine has under the same name. All start as copies of one base, which can be no layer itself: no lower layer may lie
inside another.
"""

from __future__ import annotations

import os
import shutil
import uuid
from pathlib import Path

from .system import LabError, run, wait_until

USER = "fleet"  # ordinary user on every host

_PROJECT = Path(__file__).resolve().parents[2]

# A host starts without what the machine's own life has left in these.
_EMPTY = {
    "root": 0o700,
    "home": 0o755,
    "tmp": 0o1777,
    "var/tmp": 0o1777,
    "var/log": 0o755,
    # No host has a way to a package archive: lists of archives would only make every call of apt slow.
    "var/lib/apt/lists": 0o755,
    "var/lib/systemd": 0o755,
    "etc/ssh": 0o755,
    "etc/systemd/system": 0o755,
    "etc/rc2.d": 0o755,
    "etc/rc3.d": 0o755,
    "etc/rc5.d": 0o755,
    "etc/rcS.d": 0o755,
}

_SSHD_CONFIG = """\
HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
PrintMotd no
MaxStartups 200
MaxSessions 200
Subsystem sftp internal-sftp
"""

# Units of the machine's packages that are for a machine with consoles and a kernel of its own.
_MASKED_UNITS = (
    "dev-hugepages.mount",
    "getty.target",
    "proc-sys-fs-binfmt_misc.automount",
    "sys-fs-fuse-connections.mount",
    "sys-kernel-config.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "systemd-firstboot.service",
    "systemd-modules-load.service",
    "systemd-networkd.service",
    "systemd-udevd.service",
)


def _directory(layer: Path, inside: str) -> Path:
    """Make a directory in a layer; its parents get owner and mode of those on the machine, which they cover."""
    path = layer
    for part in Path(inside).parts:
        path = path / part
        if not path.is_dir():
            path.mkdir(mode=0o755)
            original = Path("/") / path.relative_to(layer)
            if original.is_dir():
                status = original.stat()
                os.chown(path, status.st_uid, status.st_gid)
                path.chmod(status.st_mode & 0o7777)
    return path


def _opaque(layer: Path, inside: str, mode: int) -> None:
    path = _directory(layer, inside)
    path.chmod(mode)
    os.setxattr(path, "trusted.overlay.opaque", b"y")


def _write(layer: Path, inside: str, text: str, mode: int = 0o644) -> None:
    path = _directory(layer, str(Path(inside).parent)) / Path(inside).name
    path.write_text(text)
    path.chmod(mode)


def create_base(base: Path, public_key: str, addresses: dict[str, tuple[str, str]]) -> None:
    """Make what all hosts of a lab start with. `addresses`: IPv4 and IPv6 by name, for /etc/hosts."""
    base.mkdir(parents=True)
    base.chmod(0o755)
    for inside, mode in _EMPTY.items():
        _opaque(base, inside, mode)
    project = str(_PROJECT.relative_to("/"))
    if not any(project == inside or project.startswith(inside + "/") for inside in _EMPTY):
        _opaque(base, project, 0o755)  # a host is a machine that has never seen the project
    _directory(base, "var/log/apt")

    names = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
    for name, pair in addresses.items():
        names += [f"{address} {name}" for address in pair]
    _write(base, "etc/hosts", "\n".join(names) + "\n")
    _write(base, "etc/fstab", "")
    _write(base, "etc/ssh/sshd_config", _SSHD_CONFIG)
    _write(base, "root/.ssh/authorized_keys", public_key, 0o600)
    wants = "etc/systemd/system/multi-user.target.wants"
    _directory(base, wants)
    (base / wants / "ssh.service").symlink_to("/lib/systemd/system/ssh.service")
    (base / "etc/systemd/system/default.target").symlink_to("/lib/systemd/system/multi-user.target")
    for unit in _MASKED_UNITS:
        (base / "etc/systemd/system" / unit).symlink_to("/dev/null")
    if shutil.which("sudo"):
        _write(base, f"etc/sudoers.d/{USER}", f"{USER} ALL=(ALL) NOPASSWD: ALL\n", 0o440)
    _add_user(base)


def _add_user(base: Path) -> None:
    """Add the ordinary user with the machine's own useradd, in a root made of the layer over the machine's."""
    merged, work = base.with_name("base.root"), base.with_name("base.work")
    merged.mkdir()
    work.mkdir()
    home = f"/home/{USER}"
    script = f"""
        mount -t overlay overlay -o "lowerdir=/,upperdir=$1,workdir=$2,index=off" "$3"
        exec chroot "$3" /bin/sh -ec '
            useradd --create-home --shell /bin/bash --password "*" {USER}
            install -d -m 700 -o {USER} -g {USER} {home}/.ssh
            install -m 600 -o {USER} -g {USER} /root/.ssh/authorized_keys {home}/.ssh/authorized_keys
        '
    """
    run("unshare", "--mount", "sh", "-ec", script, "sh", str(base), str(work), str(merged))
    shutil.rmtree(work)
    merged.rmdir()


def create_host(base: Path, directory: Path, name: str) -> str:
    """Make a host's own layer, from the base, and its mount points under `directory`; return its public host key."""
    upper = directory / "store" / "upper"
    for path in (directory / "store" / "work", directory / "root"):
        path.mkdir(parents=True)
    run("cp", "-a", str(base), str(upper))
    _write(upper, "etc/hostname", f"{name}\n")
    _write(upper, "etc/machine-id", f"{uuid.uuid4().hex}\n", 0o444)
    key = _directory(upper, "etc/ssh") / "ssh_host_ed25519_key"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(key))
    return key.with_suffix(".pub").read_text().strip()


def limit_disk(directory: Path, size: int) -> None:
    """Give a host that is off a disk of `size` bytes in all, or grow the one it has."""
    image = directory / "disk.img"
    if image.exists():
        _wait_for_release(image)
        _grow(image, size)
        return
    store = directory / "store"
    with image.open("wb") as file:
        file.truncate(size)
    try:
        # The caches see to it that nothing is lost in a power cut of the lab; a journal would only take room.
        run("mkfs.ext4", "-q", "-F", "-m", "0", "-b", "4096", "-O", "^has_journal", str(image))
        _with_image(image, store, 'cp -a "$2/." "$disk/"')
    except LabError as error:
        image.unlink()
        raise LabError(f"what is on the host's disk does not fit into {size} bytes, or these are too few: {error}") from error
    shutil.rmtree(store)
    store.mkdir()


def unlimit_disk(directory: Path) -> None:
    """Put a host that is off back on a disk as large as the machine's; what is on its disk stays."""
    image = directory / "disk.img"
    if image.exists():
        _wait_for_release(image)
        _with_image(image, directory / "store", 'cp -a "$disk/upper" "$disk/work" "$2/"')
        image.unlink()


def _with_image(image: Path, store: Path, command: str) -> None:
    """Run a shell command with the image mounted at `$disk`, and the host's store as `$2`."""
    script = f"""
        disk="$1.mount"
        mkdir "$disk"
        trap 'umount "$disk"; rmdir "$disk"' EXIT
        mount -o loop "$1" "$disk"
        {command}
    """
    run("unshare", "--mount", "sh", "-ec", script, "sh", str(image), str(store), timeout_s=300)


def _grow(image: Path, size: int) -> None:
    now = image.stat().st_size
    if size < now:
        raise LabError(f"the disk has {now} bytes and cannot shrink to {size}: it only grows, or has no limit (0)")
    os.truncate(image, size)
    # e2fsck ends with 1 when it put something right, and resize2fs insists on it.
    run("sh", "-ec", 'e2fsck -f -p "$1" || [ $? -eq 1 ]; resize2fs "$1"', "sh", str(image), timeout_s=120)


def _wait_for_release(image: Path) -> None:
    """Wait until the kernel has let go of the image of a host that just went down."""
    if not wait_until(lambda: not run("losetup", "--noheadings", "--associated", str(image)).strip(), 10):
        raise LabError(f"{image} is still in use: `losetup --associated {image}` shows the device")
