# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A user's directory: ansible.cfg and inventory; running playbooks in it as the user sees them; its status table, read directly."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import select
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .screen import DemoError, Screen

COLLECTIONS = Path(__file__).resolve().parents[2] / "build" / "collections"

#: In the environment of everything that the demo starts, so that it can be found and ended.
_MARK = "FLEETCAST_DEMO"
_PLAYBOOK_SECONDS = 300
_PATIENCE_SECONDS = 10.0
_CONFIGURATION = f"""\
[defaults]
inventory = inventory
collections_path = {COLLECTIONS}
callbacks_enabled = fleetcast.core.distribution_status
forks = 8
display_skipped_hosts = False
callback_result_format = yaml

[connection]
pipelining = True

[ssh_connection]
# One try for a file that does not fit on a disk: Ansible's default makes three, and `copy` would look worse than it is.
transfer_method = sftp
"""


class Project:
    """The directory `directory`, in which `ansible-playbook` is run; everything that Ansible keeps is below it."""

    def __init__(self, directory: Path, screen: Screen) -> None:
        self.directory = directory
        self._screen = screen
        self._environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "FLEETCAST_", "PYTHONPATH"))},
            "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}",
            "ANSIBLE_HOME": str(directory / "ansible"),
            "LC_ALL": "C.UTF-8",
            "TMPDIR": str(directory),
            _MARK: str(directory),
        }
        (directory / "inventory").mkdir()
        (directory / "ansible.cfg").write_text(_CONFIGURATION)

    def variables(self, values: Mapping[str, Any]) -> None:
        """Set variables for all hosts."""
        group_vars = self.directory / "inventory" / "group_vars"
        group_vars.mkdir(exist_ok=True)
        (group_vars / "all.json").write_text(json.dumps(values))

    def play(self, playbook: str, *arguments: str, status: int = 0) -> float:
        """Run a playbook and show it; the seconds that it took.

        :param status: the exit status that is expected.
        :raises DemoError: it ended with another one, or not within its time.
        """
        argv = ["ansible-playbook", playbook, *arguments]
        self._screen.command(" ".join(argv))
        began = time.monotonic()
        ended = self._show(argv)
        if ended != status:
            raise DemoError(f"the playbook {playbook} ended with status {ended}, and {status} was expected")
        return time.monotonic() - began

    def _show(self, argv: list[str]) -> int:
        """Run a command. Where the demo writes to a terminal the command does too, so that it looks as it would by hand."""
        terminal = sys.stdout.isatty()
        ours, theirs = pty.openpty() if terminal else os.pipe()
        if terminal:
            fcntl.ioctl(theirs, termios.TIOCSWINSZ, _window_size())
        try:
            # A session of its own: an interrupt comes through us, once.
            process = subprocess.Popen(
                argv, cwd=self.directory, env=self._environment, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, start_new_session=True
            )
        finally:
            os.close(theirs)
        try:
            deadline = time.monotonic() + _PLAYBOOK_SECONDS
            while process.poll() is None or select.select([ours], [], [], 0)[0]:
                if time.monotonic() > deadline:
                    raise DemoError(f"no end after {_PLAYBOOK_SECONDS} s: {' '.join(argv)}")
                if select.select([ours], [], [], 0.1)[0] and not _pass_on(ours):
                    break
            return process.wait(_PATIENCE_SECONDS)
        except BaseException:
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_PATIENCE_SECONDS)
            raise
        finally:
            process.kill()
            process.wait()
            os.close(ours)

    def statuses(self) -> dict[str, str]:
        """host -> state in the newest distribution, read from the database file with no code of the collection."""
        with contextlib.closing(sqlite3.connect(f"file:{self.directory}/ansible/fleetcast/status.db?mode=ro", uri=True)) as database:
            rows = database.execute(
                "SELECT device.name, target.status FROM target JOIN device ON device.id = target.device_id "
                "JOIN distribution ON distribution.id = target.distribution_id "
                "WHERE distribution.seq = (SELECT max(seq) FROM distribution)"
            )
            return dict(rows.fetchall())

    @staticmethod
    def remove(directory: Path) -> None:
        """End what still runs of the demo in `directory`, and remove it."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while left := _processes(directory):
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if time.monotonic() > deadline:
                raise DemoError(f"these processes do not end after kill -9: {left}")
            time.sleep(0.1)
        shutil.rmtree(directory)


def _processes(directory: Path) -> list[int]:
    """Process ids of what a demo has started."""
    mark = f"{_MARK}={directory}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended meanwhile, or is somebody else's
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found


def _window_size() -> bytes:
    """Rows and columns for TIOCSWINSZ (tty_ioctl(4))."""
    size = shutil.get_terminal_size((100, 30))
    return struct.pack("HHHH", size.lines, size.columns, 0, 0)


def _pass_on(source: int) -> bool:
    """Write what `source` has to our standard output; False at its end (a terminal says so with EIO)."""
    try:
        data = os.read(source, 65536)
    except OSError:
        return False
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
    return bool(data)
