# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's hosts: over ssh, powered off and on, with disks and units of their own, and removed without a trace."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.fleetcast.core.tests.lab import Host, Lab, LabError, Labs, remove_labs_of_dead_runs

pytestmark = [pytest.mark.push, pytest.mark.lab]

ROOT = Path(__file__).resolve().parents[2]
CONNECTIONS = [
    name for name in ("ssh", "paramiko_ssh")
    if importlib.util.find_spec(f"ansible.plugins.connection.{name}")  # paramiko_ssh is gone in ansible-core 2.21
]


def ansible(lab: Lab, *arguments: str, **environment: str) -> str:
    """Run `ansible` on the lab from a directory that has nothing to do with it; return what it prints."""
    command = [str(Path(sys.executable).with_name("ansible")), "-i", str(lab.inventory), *arguments]
    result = subprocess.run(command, cwd="/", env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def ssh(lab: Lab, host: Host, command: str, user: str = "root") -> str:
    """Run a shell command over ssh with the lab's key and known hosts."""
    options = ["-i", str(lab.key), "-o", f"UserKnownHostsFile={lab.known_hosts}", "-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes"]
    argv = ["ssh", *options, f"{user}@{host.ipv4}", command]
    return subprocess.run(argv, capture_output=True, text=True, timeout=30, check=True).stdout.strip()


def command_line(*arguments: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the lab's command line."""
    argv = [sys.executable, "-m", "tests.lab", *arguments]
    result = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == expect, result.stdout + result.stderr
    return result


def traces(name: str) -> list[str]:
    """What is left of a lab on the machine, found without the lab's own code."""
    found = [f"namespace {line}" for line in subprocess.check_output(["ip", "netns"], text=True).splitlines() if line.startswith(f"fc-{name}")]
    found += [f"link {path.name}" for path in Path("/sys/class/net").glob(f"fc-{name}")]
    found += [f"state {path}" for path in (ROOT / "build" / "lab" / name, Path("/run/fleetcast-lab") / name) if path.exists()]
    found += [f"cgroup {path}" for path in Path("/sys/fs/cgroup").glob(f"**/fc-{name}-*")]
    found += [f"loop {line}" for line in subprocess.check_output(["losetup", "-a"], text=True).splitlines() if f"/lab/{name}/" in line]
    for environment in Path("/proc").glob("[1-9]*/environ"):
        with contextlib.suppress(OSError):  # a process may end while it is looked at
            if f"/lab/{name}/hosts/".encode() in environment.read_bytes():
                found.append(f"process {environment.parent.name}")
    return found


@pytest.fixture
def own_lab(labs: Labs) -> Iterator[Lab]:
    """A lab that is not built yet, for a test that builds and breaks it itself."""
    lab = labs.new()
    yield lab
    lab.down()
    assert traces(lab.name) == []


def build_deb(directory: Path, name: str) -> Path:
    """A package of one file, made by Debian's own tool."""
    tree = directory / name
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN" / "control").write_text(
        f"Package: {name}\nVersion: 1.0\nArchitecture: all\nMaintainer: Lab <lab@example.com>\nDescription: one file\n")
    (tree / "opt" / name).mkdir(parents=True)
    (tree / "opt" / name / "content").write_text("of the package\n")
    package = directory / f"{name}.deb"
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", str(tree), str(package)], check=True, capture_output=True, timeout=30)
    return package


def test_each_host_is_a_machine_of_its_own(labs: Labs) -> None:
    lab = labs.get(3, fresh=True)  # tests before may have left something on the disks, by killing what would have removed it
    assert list(lab.hosts) == ["host1", "host2", "host3"]
    for name, host in lab.hosts.items():
        assert ssh(lab, host, "hostname; id -un; ls -A /tmp").split() == [name, "root"]
        assert ssh(lab, host, f"mkdir -p {shlex.quote(str(ROOT))} && ls -A {shlex.quote(str(ROOT))}") == ""
        ssh(lab, host, f"echo {name} > {shlex.quote(str(ROOT))}/written; echo {name} > /etc/lab-test")
    keys = {ssh(lab, host, "cat /etc/ssh/ssh_host_ed25519_key.pub") for host in lab.hosts.values()}
    machine_ids = {ssh(lab, host, "cat /etc/machine-id") for host in lab.hosts.values()}
    assert len(keys) == len(machine_ids) == 3
    assert [ssh(lab, host, "cat /etc/lab-test") for host in lab.hosts.values()] == list(lab.hosts)
    assert not Path("/etc/lab-test").exists()
    assert not (ROOT / "written").exists()
    # Hosts see each other, over both protocols.
    for address in (lab.host("host2").ipv4, lab.host("host2").ipv6):
        assert ssh(lab, lab.host("host1"), f"exec 3<>/dev/tcp/{address}/22; head -c 4 <&3").startswith("SSH-")


def test_a_host_is_not_believed_without_its_key(lab: Lab) -> None:
    lines = lab.known_hosts.read_text().splitlines()
    keys = [line.split(maxsplit=1)[1] for line in lines]
    lab.known_hosts.write_text("".join(f"{line.split()[0]} {key}\n" for line, key in zip(lines, keys[1:] + keys[:1], strict=True)))
    try:
        with pytest.raises(subprocess.CalledProcessError) as refusal:
            ssh(lab, lab.host("host1"), "true")
        assert "Host key verification failed" in refusal.value.stderr
    finally:
        lab.known_hosts.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("connection", CONNECTIONS)
def test_ansible_reaches_the_hosts(lab: Lab, connection: str) -> None:
    # paramiko takes known hosts from the home directory only; the lab keeps one for it.
    output = ansible(lab, "all", "-c", connection, "-m", "command", "-a", "hostname", HOME=str(lab.home), ANSIBLE_HOST_KEY_CHECKING="True")
    assert {line for line in output.splitlines() if line in lab.hosts} == set(lab.hosts)
    output = ansible(lab, "host1", "-m", "debug", "-a", "msg={{ lab_interface }}/{{ lab_controller_interface }}")
    assert f"eth0/{lab.interface}" in output


def test_an_ordinary_user_becomes_root(lab: Lab) -> None:
    assert ssh(lab, lab.host("host1"), "id -un", user="fleet") == "fleet"
    output = ansible(lab, "host1", "-u", "fleet", "--become", "-m", "command", "-a", "id -un")
    assert output.splitlines()[-1] == "root"


def test_a_package_is_on_one_host_only_and_survives_power_cycles(lab: Lab, tmp_path: Path) -> None:
    package = build_deb(tmp_path, "lab-only")
    with package.open("rb") as file:
        lab.host("host1").exec(["tee", "/root/only.deb"], stdin=file, stdout=subprocess.DEVNULL, check=True)
    ansible(lab, "host1", "-m", "apt", "-a", "deb=/root/only.deb")
    query = "dpkg-query --show --showformat '${db:Status-Status}' lab-only || true"
    for power_cut in (False, True):
        host = lab.host("host1")
        host.power_off(power_cut=power_cut)
        assert not host.answers
        assert lab.status()[0]["power"] == "off"
        host.power_on()
        assert ssh(lab, host, query) == "installed"
        assert ssh(lab, host, "cat /opt/lab-only/content") == "of the package"
    assert ssh(lab, lab.host("host2"), query) == ""
    assert subprocess.run(["dpkg-query", "--status", "lab-only"], capture_output=True, timeout=30, check=False).returncode != 0


def test_no_stale_ssh_master_answers_for_a_host_that_is_off(lab: Lab) -> None:
    ansible(lab, "host2", "-m", "ping")
    assert list(lab.host("host2").control_sockets.iterdir()), "Ansible's ssh left no master"
    lab.host("host2").power_off(power_cut=True)
    assert list(lab.host("host2").control_sockets.iterdir()) == []
    with pytest.raises(AssertionError, match="UNREACHABLE"):
        ansible(lab, "host2", "-m", "ping", ANSIBLE_TIMEOUT="2")


def test_a_small_disk_is_full_keeps_what_it_has_and_grows(lab: Lab) -> None:
    host = lab.host("host3")
    fill = "head -c 60M /dev/zero > /root/big && echo fits || echo full"
    host.set_disk(40 * 1024**2)
    ssh(lab, host, "echo kept > /root/small")
    assert ssh(lab, host, fill) == "full"
    host.power_off(power_cut=True)
    host.power_on()
    assert ssh(lab, host, fill) == "full"
    host.set_disk(100 * 1024**2)
    assert ssh(lab, host, fill) == "fits"
    with pytest.raises(LabError, match="cannot shrink"):
        host.set_disk(50 * 1024**2)
    host.set_disk(0)
    assert ssh(lab, host, "cat /root/small; stat -c %s /root/big") == f"kept\n{60 * 1024**2}"
    ssh(lab, host, "rm /root/big")


def test_a_host_with_systemd_runs_its_units_at_every_boot(labs: Labs) -> None:
    lab = labs.get(1, systemd=True)
    host = lab.host("host1")
    unit = "[Unit]\nWants=network-online.target\nAfter=network-online.target\n[Service]\nType=oneshot\n" \
        "ExecStart=/bin/sh -c 'cat /proc/sys/kernel/random/boot_id >> /root/boots'\n[Install]\nWantedBy=multi-user.target\n"
    ssh(lab, host, f"printf %s {shlex.quote(unit)} > /etc/systemd/system/boots.service")
    ssh(lab, host, "systemctl enable boots")

    def boots(expected: int) -> None:
        ssh(lab, host, "systemctl is-system-running --wait")
        seen = ssh(lab, host, "cat /root/boots").split()
        assert len(seen) == len(set(seen)) == expected

    ansible(lab, "host1", "-m", "reboot", "-a", "reboot_timeout=30")
    boots(1)
    host.power_off(power_cut=True)
    host.power_on()
    boots(2)
    with contextlib.suppress(subprocess.CalledProcessError):  # the connection breaks
        ssh(lab, host, "systemctl poweroff")
    deadline = time.monotonic() + 20
    while lab.status()[0]["power"] == "on":
        assert time.monotonic() < deadline, "still on 20 s after systemctl poweroff"
        time.sleep(0.05)
    host.power_on()
    boots(3)


def test_two_labs_stand_side_by_side(lab: Lab, own_lab: Lab) -> None:
    own_lab.up(1)
    assert own_lab.host("host1").ipv4 != lab.host("host1").ipv4
    ssh(own_lab, own_lab.host("host1"), "touch /root/here")
    assert ssh(lab, lab.host("host1"), "ls /root/here 2>/dev/null || echo absent") == "absent"
    # They are two networks: nothing goes from one to the other.
    assert ssh(lab, lab.host("host1"), f"timeout 2 bash -c 'exec 3<>/dev/tcp/{own_lab.host('host1').ipv4}/22' 2>/dev/null || echo apart") == "apart"
    own_lab.down()
    assert ssh(lab, lab.host("host1"), "hostname") == "host1"


def test_up_again_begins_anew(own_lab: Lab) -> None:
    own_lab.up(2)
    ssh(own_lab, own_lab.host("host1"), "touch /root/old")
    own_lab.up(1)
    assert list(own_lab.hosts) == ["host1"]
    assert ssh(own_lab, own_lab.host("host1"), "ls /root/old 2>/dev/null || echo absent") == "absent"


def test_down_removes_what_a_crash_left(own_lab: Lab) -> None:
    own_lab.up(4, systemd=["host4"])
    own_lab.host("host2").set_disk(40 * 1024**2)
    for name in ("host1", "host4"):
        init = own_lab.host(name).init
        assert init
        os.kill(init, signal.SIGKILL)
    subprocess.run(["ip", "link", "delete", own_lab.interface], check=True, timeout=30)
    subprocess.run(["ip", "netns", "delete", own_lab.host("host1").namespace], check=True, timeout=30)
    (own_lab.directory / "state.json").unlink()
    assert own_lab.down() is True
    assert traces(own_lab.name) == []
    assert own_lab.down() is False


@pytest.mark.parametrize("wait_for", ["link", "hosts/host1/store", "hosts/host3/console.log"])
def test_a_builder_killed_half_way_leaves_nothing_that_down_does_not_find(own_lab: Lab, wait_for: str) -> None:
    builder = subprocess.Popen([sys.executable, "-m", "tests.lab", "up", "3", "--name", own_lab.name], cwd=ROOT)
    watched = Path(f"/sys/class/net/{own_lab.interface}") if wait_for == "link" else own_lab.directory / wait_for
    deadline = time.monotonic() + 20
    while not watched.exists():
        assert time.monotonic() < deadline, f"no {watched} after 20 s"
    builder.kill()
    builder.wait(10)
    assert traces(own_lab.name) != []
    assert "is removed" in command_line("down", "--name", own_lab.name).stdout
    assert traces(own_lab.name) == []
    assert "nothing to do" in command_line("down", "--name", own_lab.name).stdout


def test_what_a_killed_test_run_left_goes_with_the_next(labs: Labs) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    left, mine = Lab(f"t{ended.pid}z"), labs.get(3)
    left.up(1)
    remove_labs_of_dead_runs()
    assert traces(left.name) == []
    assert mine.host("host1").answers


def test_eight_hosts_answer_within_ten_seconds(own_lab: Lab) -> None:
    own_lab.up(8, timeout_s=10)
    assert all(host.answers for host in own_lab.hosts.values())


def test_the_command_line_does_it_all(own_lab: Lab) -> None:
    lab = ["--name", own_lab.name]
    assert "2 hosts answer ssh" in command_line("up", "2", "--systemd", "host2", *lab).stdout
    command_line("loss", "host1", "1.5", "--direction", "both", *lab)
    command_line("rate", "100", *lab)
    command_line("host-rate", "host2", "10", *lab)
    command_line("cut", "host2", *lab)
    command_line("power-off", "host1", *lab)
    first, second = json.loads(command_line("status", "--json", *lab).stdout)
    assert (first["power"], first["loss_to"], first["loss_from"], first["init"]) == ("off", 1.5, 1.5, "sshd")
    assert (second["link"], second["rate_to"], second["rate_from"], second["init"]) == ("cut", 10, 0, "systemd")
    assert "is off" in command_line("exec", *lab, "host1", "--", "true", expect=2).stderr
    command_line("rejoin", "host2", *lab)
    command_line("power-on", "host1", *lab)
    assert command_line("exec", *lab, "host1", "--", "hostname").stdout == "host1\n"
    assert command_line("in-network", *lab, "host1", "--", "ip", "-brief", "link", "show", "eth0").stdout.startswith("eth0")
    counters = json.loads(command_line("bytes", "--json", *lab).stdout)
    assert set(counters) == {"controller", "host1", "host2"}
    command_line("reset", *lab)
    first, second = json.loads(command_line("status", "--json", *lab).stdout)
    assert (first["loss_to"], second["rate_to"], second["link"]) == (0, 0, "up")
    command_line("down", *lab)


@pytest.mark.parametrize(("arguments", "words"), [
    (["up", "0"], "1 to 200 hosts"),
    (["up", "2", "--systemd", "host7"], "no such host: host7"),
    (["up", "2", "--name", "No-Name"], "a lab's name has"),
    (["status", "--name", "nosuch"], "there is no lab 'nosuch'"),
])
def test_bad_input_is_refused_with_a_way_out(arguments: list[str], words: str) -> None:
    assert words in command_line(*arguments, expect=2).stderr


def test_without_root_it_says_what_to_do(own_lab: Lab) -> None:
    argv = ["unshare", "--user", sys.executable, "-m", "tests.lab", "up", "2", "--name", own_lab.name]
    result = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert result.returncode == 2
    assert "sudo make lab-up" in result.stderr
    assert traces(own_lab.name) == []


def test_a_missing_tool_is_named_with_its_package(own_lab: Lab) -> None:
    script = 'mount --bind /dev/null "$(command -v nft)"; exec "$0" -m tests.lab up 2 --name "$1"'
    argv = ["unshare", "--mount", "sh", "-c", script, sys.executable, own_lab.name]
    result = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert result.returncode == 2
    assert "nft" in result.stderr
    assert "apt-get install nftables" in result.stderr
    assert traces(own_lab.name) == []
