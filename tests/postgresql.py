# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real PostgreSQL server of Debian's package, for as long as the tests run."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from pathlib import Path

import psycopg

_BINARIES = Path("/usr/lib/postgresql/15/bin")
_START_SECONDS = 60
_STOP_SECONDS = 30
#: Runs the server ($1 and its arguments) in the directory $0, and removes that when it is told to end: whoever tells it may be gone.
_SERVE = """
trap 'kill -QUIT "$server"; wait "$server"; cd /; rm -rf "$0"; exit' INT QUIT
"$@" &
server=$!
wait "$server"
"""


class PostgreSQL:
    """A server on a Unix socket in a directory of its own. It runs as a user other than root, and goes with this process, its directory too."""

    def __init__(self) -> None:
        if not (_BINARIES / "postgres").exists():
            raise RuntimeError(f"{_BINARIES}/postgres is missing: apt-get install postgresql-15")
        # Not pytest's tmp_path: the path of a Unix socket has at most 107 bytes, and the server's user must get there.
        self.directory = Path(tempfile.mkdtemp(prefix="fleetcast-pg-", dir="/tmp"))
        self._prefix = ["setpriv", "--pdeathsig=INT"]
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            os.chown(self.directory, account.pw_uid, account.pw_gid)
            self._prefix += [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
        self._server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Make the cluster, start the server and wait until it answers."""
        data = self.directory / "data"
        self._run("initdb", "-A", "trust", "-U", "postgres", "--no-sync", "-D", str(data))
        options = ["listen_addresses=", f"unix_socket_directories={self.directory}", "fsync=off", "max_connections=60"]
        self._server = subprocess.Popen(
            [
                *self._prefix,
                *("sh", "-c", _SERVE, str(self.directory)),
                *(str(_BINARIES / "postgres"), "-D", str(data)),
                *(part for option in options for part in ("-c", option)),
            ],
            stdout=subprocess.DEVNULL,
            stderr=(self.directory / "log").open("wb"),
            cwd=self.directory,
        )
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                psycopg.connect(self._conninfo("postgres"), connect_timeout=_START_SECONDS).close()
                return
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline or self._server.poll() is not None:
                    raise RuntimeError(f"PostgreSQL does not answer: {(self.directory / 'log').read_text()}") from error
                time.sleep(0.05)

    def stop(self) -> None:
        """End the server and remove everything of it."""
        try:
            if self._server:
                self._server.send_signal(signal.SIGQUIT)  # without a last checkpoint: nothing is kept
                self._server.wait(_STOP_SECONDS)
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)

    def new_database(self, options: str = "") -> str:
        """SQLAlchemy URL of a new, empty database; `options` are those of CREATE DATABASE."""
        name = f"t{uuid.uuid4().hex}"
        self._execute(f"CREATE DATABASE {name} {options}")
        return f"postgresql://postgres@/{name}?host={self.directory}"

    def drop_database(self, url: str) -> None:
        """Remove a database, which has some megabytes, before the machine writes it to its disk."""
        name = url.partition("@/")[2].partition("?")[0]
        self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self._conninfo("postgres"), autocommit=True) as connection:
            connection.execute(statement)

    def _conninfo(self, name: str) -> str:
        return f"host={self.directory} user=postgres dbname={name}"

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run([*self._prefix, str(_BINARIES / program), *arguments], check=True, capture_output=True, cwd=self.directory, timeout=_START_SECONDS)
