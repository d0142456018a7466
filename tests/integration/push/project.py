# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A user's project that pushes to a lab, and looks at hosts, links and table that share no code with the product."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.fleetcast.core.tests.lab import Lab

ROOT = Path(__file__).resolve().parents[3]
#: Seconds for one play. It ends long before on a quiet machine.
PLAY_TIMEOUT = 300
#: A directory of the hosts in which every test has one of its own.
_DESTINATIONS = "/srv/fleetcast-tests"
_RECAP = re.compile(r"^(\S+)\s+: ((?:\w+=\d+\s*)+)$", re.MULTILINE)


@dataclass(frozen=True)
class Played:
    """A play that has ended: its exit status and all that it printed."""

    status: int
    output: str

    @property
    def said(self) -> str:
        """What it printed, on one line: messages are wrapped where the terminal ends."""
        return " ".join(self.output.split())

    @property
    def recap(self) -> dict[str, dict[str, int]]:
        """host -> what PLAY RECAP counts: ok, changed, unreachable, failed, ..."""
        counted = self.output.rpartition("PLAY RECAP")[2]
        return {host: {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", counts)} for host, counts in _RECAP.findall(counted)}

    def changed(self) -> set[str]:
        """Hosts that the recap counts a change for."""
        return {host for host, counts in self.recap.items() if counts["changed"]}

    def failed(self) -> set[str]:
        return {host for host, counts in self.recap.items() if counts["failed"]}

    def done(self) -> Played:
        """Itself, when it ended without a failure."""
        assert self.status == 0, self.output
        return self


class Running:
    """A play in its own process group."""

    def __init__(self, command: list[str], environment: Mapping[str, str], log: Path) -> None:
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )

    @property
    def output(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def wait_for(self, condition: Callable[[], object], what: str) -> None:
        """Wait until the condition holds while the play goes on; fail when the play ends before."""
        seen: list[object] = []

        def seen_or_ended() -> object:
            seen.append(condition())
            return seen[-1] or not self.running

        wait_for(seen_or_ended, what)
        # What was seen once counts: a process that has just been started may hide for a moment while it becomes another.
        assert seen[-1] or condition(), f"the play ended without this: {what}\n{self.output}"

    def wait_for_task(self, name: str) -> None:
        """Wait until the task with this name has begun."""
        self.wait_for(lambda: re.search(rf"TASK \[(?:\S+ : )?{re.escape(name)}\]", self.output), f"task {name!r}")

    def kill(self) -> None:
        """End the controller's processes as the kernel does when memory is short: at once, all of the group."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(30)

    def ended(self) -> Played:
        """Wait for the play's end."""
        try:
            status = self._process.wait(PLAY_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the play does not end within {PLAY_TIMEOUT} s\n{self.output}") from None
        return Played(status, self.output)

    def close(self) -> None:
        if self.running:
            self.kill()


def _processes() -> Iterator[tuple[int, str]]:
    """Process ids and command lines of all that runs on this machine."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):  # it has ended
                yield int(entry.name), (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")


def _namespace(pid: int) -> Path | None:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/ns/pid").readlink()
    return None


def _environment(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/environ").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""


def wait_for(condition: Callable[[], object], what: str, timeout: float = 120.0) -> None:
    """Wait until the condition holds; fail after `timeout` seconds. What takes long to look at is looked at less often, to leave the machine to others,
    but often enough for what must be done while a transfer goes on."""
    deadline = time.monotonic() + timeout
    while True:
        began = time.monotonic()
        if condition():
            return
        assert time.monotonic() < deadline, f"not within {timeout:g} s: {what}"
        time.sleep(min(max(0.05, 3 * (time.monotonic() - began)), 0.5))


class Project:
    """Pushes to one lab from a directory of its own, with a status table of its own.

    `variables` are given to every play, and what a call adds wins over them. `destination` is the hosts' directory that
    belongs to this test; it is gone after it.
    """

    def __init__(self, directory: Path, lab: Lab) -> None:
        self.directory = directory
        self.lab = lab
        self.database = directory / "status.db"
        self.destination = f"{_DESTINATIONS}/{directory.name}/"
        self.inventories = [lab.inventory]
        # The project's own settings; but while a play waits, it does not look a thousand times in a second whether it may go on.
        config = directory / "project.cfg"
        settings = (ROOT / "ansible.cfg").read_text(encoding="utf-8")
        config.write_text(settings.replace("[defaults]\n", "[defaults]\ninternal_poll_interval = 0.01\n"), encoding="utf-8")
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "FLEETCAST_"))},
            "ANSIBLE_CONFIG": str(config),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "build/collections"),
            "ANSIBLE_HOME": str(directory / "ansible-home"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_FORKS": "8",
            "ANSIBLE_PIPELINING": "1",
            "ANSIBLE_SSH_RETRIES": "0",
            "ANSIBLE_TIMEOUT": "10",
            "ANSIBLE_DISPLAY_SKIPPED_HOSTS": "1",  # else a task is shown at its first result only
            "COLUMNS": "160",
            "FLEETCAST_DB_URL": f"sqlite:///{self.database}",
        }
        self.variables: dict[str, Any] = {
            "fleetcast_dest": self.destination,
            "fleetcast_interface": "{{ lab_interface }}",
            "fleetcast_sender_interface": "{{ lab_controller_interface }}",
            "fleetcast_ready_timeout": 10,
            "fleetcast_wait_timeout": 60,
            "fleetcast_timeout": 120,
            "fleetcast_host_timeout": 5,
        }
        #: What stands before the command line of every play, as one that runs it in another network.
        self.prefix: list[str] = []
        self._plays: list[Running] = []

    # --- plays ---

    def start(self, playbook: str, *arguments: str, **variables: Any) -> Running:
        command = [*self.prefix, str(Path(sys.executable).with_name("ansible-playbook"))]
        for inventory in self.inventories:
            command += ["-i", str(inventory)]
        command += [playbook, *arguments, "-e", json.dumps({**self.variables, **variables})]
        play = Running(command, self.environment, self.directory / f"play{len(self._plays)}.log")
        self._plays.append(play)
        return play

    def start_push(self, source: Path | str, *arguments: str, **variables: Any) -> Running:
        return self.start("fleetcast.core.push", *arguments, fleetcast_src=str(source), **variables)

    def push(self, source: Path | str, *arguments: str, **variables: Any) -> Played:
        return self.start_push(source, *arguments, **variables).ended()

    def catch_up(self, host: str | None = None, *arguments: str, **variables: Any) -> Played:
        """Run the playbook `catch_up`, which knows nothing of what the push was given."""
        chosen = {} if host is None else {"fleetcast_host": host}
        return self._start_with_only({}, "fleetcast.core.catch_up", *arguments, **chosen, **variables).ended()

    def redistribute(self, *arguments: str, **variables: Any) -> Played:
        """Run the playbook `redistribute`, which knows nothing of what the distribution was given, but for the hosts' interface."""
        return self.start_redistribute(*arguments, **variables).ended()

    def start_redistribute(self, *arguments: str, **variables: Any) -> Running:
        known = {"fleetcast_interface": self.variables["fleetcast_interface"]}
        return self._start_with_only(known, "fleetcast.core.redistribute", *arguments, **variables)

    def _start_with_only(self, known: dict[str, Any], playbook: str, *arguments: str, **variables: Any) -> Running:
        """Start a playbook without the project's usual variables."""
        usual, self.variables = self.variables, known
        try:
            return self.start(playbook, *arguments, **variables)
        finally:
            self.variables = usual

    def inventory(self, content: Mapping[str, Any]) -> None:
        """Add an inventory of this test's own to that of the lab."""
        path = self.directory / f"inventory{len(self.inventories)}.yml"
        path.write_text(yaml.safe_dump(dict(content)), encoding="utf-8")
        self.inventories.append(path)

    # --- sources and what arrived ---

    def file(self, name: str = "file.bin", size: int = 3_000_000, seed: int = 1) -> Path:
        path = self.directory / name
        path.write_bytes(random.Random(seed).randbytes(size))
        return path

    def sums(self, name: str, hosts: Iterable[str] | None = None) -> dict[str, str]:
        """host -> what sha256sum on the host says of this file of the destination; empty where there is none."""
        return {
            host: self.exec(host, "sha256sum", self.destination + name, check=False).partition(" ")[0] for host in (hosts or self.lab.hosts)
        }

    @staticmethod
    def sum_of(source: Path) -> str:
        return hashlib.sha256(source.read_bytes()).hexdigest()

    def assert_arrived(self, source: Path, hosts: Iterable[str] | None = None) -> None:
        expected = self.sum_of(source)
        wrong = {host: found for host, found in self.sums(source.name, hosts).items() if found != expected}
        assert not wrong

    def listing(self, host: str) -> list[str]:
        """All that lies below this test's destination on the host, hidden files too, without the part before."""
        return sorted(self.exec(host, "find", self.destination, "-mindepth", "1", "-printf", r"%P\n", check=False).splitlines())

    def leftovers(self, host: str) -> list[str]:
        """What an unfinished or careless transfer leaves below the destination."""
        return [name for name in self.listing(host) if "fleetcast" in name]

    def exec(self, host: str, *command: str, check: bool = True, **options: Any) -> str:
        done = self.lab.host(host).exec(command, capture_output=True, text=True, check=False, timeout=120, **options)
        assert not check or done.returncode == 0, (host, command, done.stdout, done.stderr)
        return str(done.stdout)

    def write(self, host: str, path: str, content: str, mode: int = 0o644) -> None:
        self.exec(host, "sh", "-ec", 'mkdir -p "$(dirname "$1")"; cat > "$1"; chmod "$2" "$1"', "sh", path, f"{mode:o}", input=content)

    # --- the lab's counters ---

    def sent_bytes(self, sender: str = "controller") -> int:
        """Bytes on the sender's link from it since the lab is up."""
        return self.lab.count_bytes(sender)[sender]["tx_bytes"]

    # --- the table ---

    def sql(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=30)
        try:
            return connection.execute(statement, parameters).fetchall()
        finally:
            connection.close()

    def rows(self, column: str) -> dict[str, Any]:
        """host -> this column of its current attempt in the newest distribution."""
        return dict(
            self.sql(
                f"SELECT v.name, a.{column} FROM target t JOIN device v ON v.id = t.device_id JOIN attempt a ON a.id = t.current_attempt_id "  # noqa: S608
                "JOIN distribution d ON d.id = t.distribution_id WHERE d.seq = (SELECT max(seq) FROM distribution)"
            )
        )

    def states(self, hosts: int | None = None) -> dict[str, str]:
        """host -> state in the newest distribution. The sums over the states of every distribution are checked to be its number of hosts."""
        for identifier, total in self.sql("SELECT id, total_hosts FROM distribution"):
            counted = self.sql("SELECT status, count(*) FROM target WHERE distribution_id = ? GROUP BY status", identifier)
            assert sum(count for _, count in counted) == total, (identifier, counted, total)
        differing = self.sql("SELECT t.status, a.status FROM target t JOIN attempt a ON a.id = t.current_attempt_id WHERE t.status != a.status")
        assert not differing
        found: dict[str, str] = self.rows("status")
        assert len(found) == (hosts or len(self.lab.hosts))
        return found

    def all_states(self, state: str, hosts: Iterable[str] | None = None) -> None:
        """The newest distribution has this state for all of these hosts (all of the lab), and has no others."""
        wanted = list(hosts or self.lab.hosts)
        assert self.states(len(wanted)) == dict.fromkeys(wanted, state)

    # --- what runs ---

    def receivers(self, host: str) -> list[int]:
        """Process ids, on the machine, of the receivers that run on a host, with their wrappers."""
        return self.running_on(host, "multicast_receive")

    def running_on(self, host: str, word: str) -> list[int]:
        """Process ids, on the machine, of what runs on a host with this in its command line."""
        init = self.lab.host(host).init
        namespace = Path(f"/proc/{init}/ns/pid").readlink()
        return [pid for pid, words in _processes() if word in words and _namespace(pid) == namespace]

    def senders(self) -> list[int]:
        """Process ids of the senders that this test has started on the controller."""
        mine = f"ANSIBLE_HOME={self.directory}"
        return [pid for pid, words in _processes() if "multicast_send" in words and mine in _environment(pid)]

    def close(self) -> None:
        """End what still runs, and remove what the hosts have of this test."""
        for play in self._plays:
            play.close()
        for host in self.lab.hosts.values():
            if host.init is not None:
                host.exec(["rm", "-rf", "--one-file-system", self.destination], check=False, timeout=60)
