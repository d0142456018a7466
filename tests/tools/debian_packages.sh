#!/bin/sh
# Installs the Debian packages named in the given files (one name per line, # starts a comment) that are missing.
# Without root, or without apt, it says what is missing and lets the caller go on: what needs it is skipped by the tests.
# usage: debian_packages.sh PYTHON FILE...
set -eu

python=$1
shift
wanted=$(cat "$@" | sed 's/#.*//')
# Debian ships ensurepip apart from Python; a Python from elsewhere has it.
"$python" -c 'import ensurepip, venv' 2>/dev/null || wanted="$wanted python3-venv"

if ! command -v dpkg-query >/dev/null; then
    echo "This is not a Debian system: the tests want what Debian calls" $wanted
    exit 0
fi

missing=
for package in $wanted; do
    state=$(dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null) || state=unknown
    [ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
    echo "Missing Debian packages:$missing"
    echo "'sudo make packages' installs them; going on without, with what works."
    exit 0
fi

# The tests want the programs, not services of this machine: no package may start one while this runs.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 1' INT TERM HUP
    printf '#!/bin/sh\n# Written by debian_packages.sh of fleetcast while it installs packages; safe to remove.\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

echo "Installing Debian packages:$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update --quiet --quiet </dev/null || echo "apt-get update failed; trying with the lists that are there." >&2
apt-get install --yes --quiet --quiet --no-install-recommends -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 $missing </dev/null >/dev/null || {
    echo "Could not install:$missing. Install them by hand, then run make again." >&2
    exit 1
}
