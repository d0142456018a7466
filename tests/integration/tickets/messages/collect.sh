#!/bin/bash
# Collect real messages of apt, dpkg, dnf, rpm, ssh, sudo and Ansible's modules: run the scenes in a throw-away root.
#
# Usage (root, Debian): tests/integration/tickets/messages/collect.sh FILE
# Everything lives in namespaces and an overlay over the machine's root; nothing of the machine is changed.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
project=$(cd "$here/../../../.." && pwd)
out=$(realpath "$1")
work=$(mktemp -d /var/tmp/scenes.XXXXXX)
trap 'cp "$work/upper/scenes/messages.jsonl" "$out" || echo "nothing was collected" >&2; rm -rf --one-file-system "$work"' EXIT
mkdir "$work/root" "$work/upper" "$work/work"
unshare --mount sh -ec '
    mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work,index=off" "$1/root"
    mount --rbind /dev "$1/root/dev"
    chroot "$1/root" sh -ec "
        export DEBIAN_FRONTEND=noninteractive
        apt-get -qq update
        apt-get -qq install -y --no-install-recommends dnf python3-dnf rpm dpkg-dev apt-utils git python3-apt > /install.log 2>&1 || { cat /install.log; exit 1; }
    "
    exec unshare --net --pid --uts --ipc --fork --kill-child --mount-proc="$1/root/proc" chroot "$1/root" sh -ec "
        ip link set lo up
        hostname scenes
        bash $2/prepare.sh
        cd /scenes
        export COLLECT_FILE=/scenes/messages.jsonl ANSIBLE_CALLBACK_PLUGINS=$2/callback_plugins ANSIBLE_CALLBACKS_ENABLED=collect
        export ANSIBLE_LOCALHOST_WARNING=false LC_ALL=C.UTF-8 ANSIBLE_COLLECTIONS_PATH=$3/build/collections
        timeout 1500 $3/build/venv/bin/ansible-playbook -i $2/inventory.yml $2/scenes.yml || test \$? -eq 2 -o \$? -eq 4
    "
' sh "$work" "$here" "$project"
