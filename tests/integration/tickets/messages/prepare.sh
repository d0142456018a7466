#!/bin/bash
# Make what the scenes need, inside the throw-away root: packages that fail in every way, repositories, an SSH server.
set -eu
mkdir -p /scenes && cd /scenes
echo '127.0.0.1 localhost scenes' > /etc/hosts

deb() { # NAME CONTROL-LINES SCRIPT-NAME SCRIPT [FILE]
    local dir="deb-$1"
    mkdir -p "$dir/DEBIAN"
    printf 'Package: %s\nVersion: 1.0\nArchitecture: %s\nMaintainer: Scenes <scenes@example.org>\nDescription: scene\n' "$1" "${DEB_ARCH:-all}" > "$dir/DEBIAN/control"
    [ -z "$2" ] || printf '%s\n' "$2" >> "$dir/DEBIAN/control"
    if [ -n "${3:-}" ]; then printf '#!/bin/sh\n%s\n' "$4" > "$dir/DEBIAN/$3"; chmod 755 "$dir/DEBIAN/$3"; fi
    if [ -n "${5:-}" ]; then mkdir -p "$dir/$(dirname "$5")"; head -c "${6:-10}" /dev/urandom > "$dir/$5"; fi
    dpkg-deb --root-owner-group -Znone -b "$dir" "$1.deb" > /dev/null
}
deb scene-depends "Depends: no-such-library (>= 2.0)"
deb scene-conflicts "Conflicts: coreutils"
deb scene-breaks "Breaks: bash (<< 99)"
deb scene-postinst "" postinst "echo 'database migration failed: table customers is missing' >&2; exit 7"
deb scene-preinst "" preinst "echo 'this machine is not licensed' >&2; exit 3"
deb scene-prerm "" prerm "echo 'still in use' >&2; exit 5"
deb scene-overwrite "" "" "" bin/ls
deb scene-big "" "" "" opt/full/big.bin 6000000
DEB_ARCH=arm64 deb scene-arch ""
head -c 300 scene-postinst.deb > scene-truncated.deb
echo "no package at all" > scene-garbage.deb

rpm() { # NAME TAGS SCRIPTS FILE
    cat > "$1.spec" <<SPEC
Name: $1
Version: 1.0
Release: 1
Summary: scene
License: none
BuildArch: ${RPM_ARCH:-noarch}
$2
%description
scene
%install
mkdir -p %{buildroot}/opt/full
head -c ${4:-10} /dev/urandom > %{buildroot}/opt/full/${5:-$1}
$3
%files
/opt/full/${5:-$1}
SPEC
    rpmbuild --quiet --define "_topdir /scenes/rpmbuild" --define "_binary_payload w0.gzdio" -bb "$1.spec" > /scenes/rpmbuild.log 2>&1 || cat /scenes/rpmbuild.log
}
rpm scene-ok "" ""
rpm scene-rpm-depends "Requires: no-such-library >= 2.0" ""
rpm scene-rpm-conflicts "Conflicts: scene-ok" ""
rpm scene-rpm-post "" "%post
echo 'licence server not reachable' >&2; exit 9"
rpm scene-rpm-pre "" "%pre
echo 'refusing to install on this machine' >&2; exit 4"
rpm scene-rpm-file "" "" 12 scene-ok
rpm scene-rpm-big "" "" 6000000
find rpmbuild/RPMS -name '*.rpm' -exec mv {} . \;
cp scene-ok-1.0-1.noarch.rpm damaged.rpm
python3 - <<'PY'
data = bytearray(open("damaged.rpm", "rb").read()); data[-40] ^= 0xFF; open("damaged.rpm", "wb").write(data)
PY

# Repositories: one without a Release file, one whose index does not have the digest that its Release says.
mkdir -p repo-empty repo-wrong
cp scene-big.deb repo-wrong/
( cd repo-wrong && dpkg-scanpackages . > Packages 2>/dev/null && apt-ftparchive release . > ../Release.tmp && mv ../Release.tmp Release && echo "# changed" >> Packages )

useradd --create-home scene
printf 'scene:secret-of-scene' | chpasswd
mkdir -p /run/sshd /root/.ssh
rm -f /scenes/key* /scenes/host*
ssh-keygen -q -t ed25519 -N '' -f /scenes/key
ssh-keygen -q -t ed25519 -N '' -f /scenes/otherkey
ssh-keygen -q -t ed25519 -N '' -f /scenes/hostkey
install -d -o scene -m 700 /home/scene/.ssh
install -o scene -m 600 /scenes/key.pub /home/scene/.ssh/authorized_keys
cat > /scenes/sshd_config <<CONF
Port 2222
HostKey /scenes/hostkey
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
PidFile /scenes/sshd.pid
Subsystem sftp internal-sftp
CONF
/usr/sbin/sshd -f /scenes/sshd_config
echo "[127.0.0.1]:2222 $(cat hostkey.pub)" > known_hosts
echo "[127.0.0.1]:2222 $(cat otherkey.pub)" > known_hosts_changed
: > known_hosts_empty

# Servers that misbehave: one that closes at once, one that never says a word, one that sends HTTP errors and wrong bytes.
python3 - <<'PY' &
import socket, struct, threading
def serve(port, act):
    server = socket.create_server(("127.0.0.1", port))
    while True:
        client, _ = server.accept()
        threading.Thread(target=act, args=(client,), daemon=True).start()
def close(client): client.close()
def reset(client):
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)); client.close()
def silent(client):
    import time; time.sleep(600)
def http(client):
    request = client.recv(4096).split()[1].decode()
    status = {"/404": "404 Not Found", "/503": "503 Service Unavailable"}.get(request, "200 OK")
    body = b"other bytes"
    client.sendall(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body); client.close()
for port, act in ((2301, close), (2302, reset), (2303, silent), (2304, http)):
    threading.Thread(target=serve, args=(port, act), daemon=True).start()
import time; time.sleep(900)
PY

mkdir -p /opt/full /mnt/readonly
mount -t tmpfs -o size=1m tmpfs /opt/full
mount -t tmpfs -o ro tmpfs /mnt/readonly
cat > /scenes/lock.py <<'PY'
"""Hold the locks named as arguments for 25 s, as a package manager that runs meanwhile does (fcntl)."""
import fcntl, sys, time
files = []
for name in sys.argv[1:]:
    file = open(name, "a"); fcntl.lockf(file, fcntl.LOCK_EX); files.append(file)
print("held", flush=True); time.sleep(25)
PY
