# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Once against Debian's Postfix, with STARTTLS: installed in a throw-away root with a network of its own, gone with its namespaces."""

from __future__ import annotations

import mailbox
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.fleetcast.core.tests import mailservers
from ansible_collections.fleetcast.core.tests.integration.tickets.project import Project

pytestmark = [pytest.mark.tickets, pytest.mark.lab, pytest.mark.timeout(600)]

#: $1: directory of the throw-away root; $2: the project's directory; the rest: ansible-playbook with its arguments.
_SCRIPT = r"""
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work,index=off" "$1/root"
mount --rbind /dev "$1/root/dev"
chroot "$1/root" sh -ec '
    export DEBIAN_FRONTEND=noninteractive
    printf "#!/bin/sh\nexit 101\n" > /usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d
    apt-get -qq update
    apt-get -qq install -y --no-install-recommends postfix > /install.log 2>&1 || { cat /install.log; exit 1; }
'
export PROJECT="$2"
root="$1/root"; shift 2
exec unshare --net --pid --uts --ipc --fork --kill-child --mount-proc="$root/proc" chroot "$root" sh -ec '
    ip link set lo up
    hostname mail.example.org
    echo "127.0.0.1 localhost mail.example.org" > /etc/hosts
    useradd --create-home centre
    postconf -e myhostname=mail.example.org mydestination=example.org,localhost inet_interfaces=loopback-only inet_protocols=ipv4 \
        smtpd_tls_security_level=encrypt smtpd_tls_cert_file="$PROJECT/tls/server.pem" smtpd_tls_key_file="$PROJECT/tls/server.key" \
        compatibility_level=3.6 mailbox_size_limit=0 maillog_file=/var/log/postfix.log
    postfix start
    trap "postfix stop" EXIT
    cd "$PROJECT"
    "$@" || test $? -eq 2
    for _ in $(seq 100); do [ -s /var/mail/centre ] && break; sleep 0.2; done
    cp /var/mail/centre "$PROJECT/mailbox"
    cp /var/log/postfix.log "$PROJECT/"
' sh "$@"
"""


@pytest.fixture
def throw_away() -> Iterator[Path]:
    # Not in pytest's directory: the layers of an overlay may not lie in its own lower layer's way, and are large.
    directory = Path(tempfile.mkdtemp(prefix="fleetcast-postfix-", dir="/var/tmp"))
    for name in ("root", "upper", "work"):
        (directory / name).mkdir()
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


def test_postfix_takes_the_mail_and_refuses_who_is_not_there(throw_away: Path, tmp_path: Path) -> None:
    cert = mailservers.certificate(tmp_path / "tls")
    project = Project(tmp_path, {"delivery_wait": 60}, environment={"HOME": "/root"})
    project.hosts("web1")
    project.rules(
        "centres: [{name: c, addresses: [centre@example.org, gone@example.org], default: true}]\n"
        f"mail: {{from: desk@example.org, servers: [{{host: localhost, port: 25, security: starttls, ca_file: {cert.file}}}]}}\n"
    )
    argv, environment = project.command(
        "- hosts: all\n  gather_facts: false\n  tasks:\n    - ansible.builtin.command: sh -c 'echo No space left on device; exit 1'\n"
    )
    ended = subprocess.run(
        ["unshare", "--mount", "sh", "-ec", _SCRIPT, "sh", str(throw_away), str(tmp_path), *argv],
        env={**environment, "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    inside = throw_away / "upper" / tmp_path.relative_to("/")
    assert ended.returncode == 0, f"{shlex.join(argv)}\n{ended.stdout[-3000:]}\n{ended.stderr[-3000:]}"
    assert "opened: FC-1" in ended.stdout
    assert "FC-1 (opened) to gone@example.org: 550 5.1.1" in ended.stdout + ended.stderr, ended.stdout[-2000:]
    (mail,) = mailbox.mbox(inside / "mailbox")
    assert mail["Subject"] == "[FC-1] web1: disk full, location unknown"
    assert "with ESMTPS" in str(mail["Received"]), "it came over TLS"
    project.directory = inside
    rows = project.sql("SELECT address, status, code, enhanced, reply FROM mail_recipient ORDER BY address")
    assert [row[:4] for row in rows] == [("centre@example.org", "accepted", 250, "2.0.0"), ("gone@example.org", "rejected", 550, "5.1.1")]
    assert "queued as" in rows[0][4] and "User unknown" in rows[1][4]
