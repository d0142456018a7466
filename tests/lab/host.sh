#!/bin/sh
# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# One host of the lab, started in its network namespace as `host.sh supervise`. The other two steps follow by
# themselves: `boot` in new namespaces, `enter` in a cgroup namespace as well, and the last exec is the host's init.
#
# HOST_NAME       host name
# HOST_DIR        the host's state: store/ (its disk: upper/, work/), disk.img (a disk of limited size), root/ (mount point)
# HOST_INIT       sshd or systemd
# HOST_CGROUP     for systemd: the host's name in the machine's cgroup2 tree
set -eu

supervise() {
    while :; do
        code=0
        unshare --mount --uts --ipc --pid --fork --kill-child sh "$0" boot || code=$?
        # reboot(2) in a PID namespace ends its init: with SIGHUP for a reboot, with SIGINT for power-off.
        [ "$code" -eq 129 ] || break
        echo "$HOST_NAME reboots"
    done
    echo "$HOST_NAME is off ($code)"
    ip link set eth0 down
}

boot() {
    if [ -f "$HOST_DIR/disk.img" ]; then
        mount -o loop "$HOST_DIR/disk.img" "$HOST_DIR/store"
    fi
    mount -t overlay overlay "$HOST_DIR/root" \
        -o "lowerdir=/,upperdir=$HOST_DIR/store/upper,workdir=$HOST_DIR/store/work,index=off"
    hostname "$HOST_NAME"
    if [ "$HOST_INIT" = systemd ]; then
        tree=$(findmnt --noheadings --first-only --types cgroup2 --output TARGET) || {
            echo "systemd needs the machine's cgroup2 tree, and none is mounted"
            exit 1
        }
        mkdir -p "$tree/$HOST_CGROUP"
        echo 0 > "$tree/$HOST_CGROUP/cgroup.procs"
        exec unshare --cgroup sh "$0" enter
    fi
    enter
}

enter() {
    cd "$HOST_DIR/root"
    find tmp -mindepth 1 -delete

    mount -t tmpfs -o mode=755 tmpfs run
    mkdir -p run/sshd run/lock run/old

    mount -t proc proc proc
    cat proc/sys/kernel/random/uuid > run/boot_id
    # The kernel's settings are the machine's; only those of the network are the host's own.
    mount --bind proc/sys proc/sys
    mount --bind proc/sys/net proc/sys/net
    mount --bind run/boot_id proc/sys/kernel/random/boot_id
    mount -o remount,bind,ro proc/sys
    if [ -e proc/sysrq-trigger ]; then
        mount --bind proc/sysrq-trigger proc/sysrq-trigger
        mount -o remount,bind,ro proc/sysrq-trigger
    fi

    mount -t sysfs -o ro sysfs sys
    if [ "$HOST_INIT" = systemd ]; then
        mount -t cgroup2 cgroup2 sys/fs/cgroup
    fi

    mount -t tmpfs -o mode=755 tmpfs dev
    mkdir dev/pts dev/shm dev/mqueue
    mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts dev/pts
    mount -t tmpfs -o mode=1777 tmpfs dev/shm
    mount -t mqueue mqueue dev/mqueue
    mknod -m 666 dev/null c 1 3
    mknod -m 666 dev/zero c 1 5
    mknod -m 666 dev/full c 1 7
    mknod -m 666 dev/random c 1 8
    mknod -m 666 dev/urandom c 1 9
    mknod -m 666 dev/tty c 5 0
    ln -s pts/ptmx dev/ptmx
    ln -s /proc/self/fd dev/fd
    ln -s fd/0 dev/stdin
    ln -s fd/1 dev/stdout
    ln -s fd/2 dev/stderr

    pivot_root . run/old
    cd /
    umount -l /run/old
    rmdir /run/old
    set -- env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    if [ "$HOST_INIT" = systemd ]; then
        exec "$@" container=lab /lib/systemd/systemd --log-target=journal
    fi
    exec "$@" /usr/sbin/sshd -D -e
}

"$1"
