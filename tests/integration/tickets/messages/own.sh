#!/bin/bash
# Collect what this collection's own modules say when they fail: run own.yml in namespaces of its own.
#
# Usage (root): tests/integration/tickets/messages/own.sh FILE
set -eu
here=$(cd "$(dirname "$0")" && pwd)
project=$(cd "$here/../../../.." && pwd)
out=$(realpath "$1")
: > "$out"
exec unshare --net --pid --fork --kill-child --mount-proc sh -ec '
    ip link set lo up multicast on
    ip route add 224.0.0.0/4 dev lo
    mount -t tmpfs tmpfs /mnt
    mkdir /mnt/scenes
    sed "s|/scenes|/mnt/scenes|g" "$1/own.yml" > /mnt/own.yml
    cd /mnt
    export COLLECT_FILE=$3 ANSIBLE_CALLBACK_PLUGINS=$1/callback_plugins ANSIBLE_CALLBACKS_ENABLED=collect ANSIBLE_LOCALHOST_WARNING=false
    export ANSIBLE_COLLECTIONS_PATH=$2/build/collections ANSIBLE_HOME=/mnt/home
    timeout 200 "$2/build/venv/bin/ansible-playbook" /mnt/own.yml
' sh "$here" "$project" "$out"
