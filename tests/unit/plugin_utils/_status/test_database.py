# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opening the status table: made, brought up to date, refused, and never with a password in a message."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from ansible_collections.fleetcast.core.plugins.plugin_utils._status import database as database_module
from ansible_collections.fleetcast.core.plugins.plugin_utils._status import errors, run, schema
from ansible_collections.fleetcast.core.plugins.plugin_utils._status.database import open_database
from ansible_collections.fleetcast.core.tests.conftest import COLLECTION
from ansible_collections.fleetcast.core.tests.postgresql import PostgreSQL
from ansible_collections.fleetcast.core.tests.unit.plugin_utils._status.table import Table, at_once, new_play

pytestmark = pytest.mark.push

_PROCESSES = 8


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_missing_file_is_made_and_only_for_its_owner(tmp_path: Path) -> None:
    file = tmp_path / "home" / "fleetcast" / "status.db"
    before = os.umask(0)
    try:
        open_database(f"sqlite:///{file}")
        with sqlite3.connect(file) as held:
            held.execute("BEGIN IMMEDIATE")
            beside = {path.name for path in file.parent.iterdir()}
            modes = {_mode(path) for path in file.parent.iterdir()}
        held.close()
    finally:
        os.umask(before)
    assert "status.db-wal" in beside
    assert modes == {0o600}
    assert _mode(file.parent) == 0o700


def test_the_migrations_make_the_tables_that_the_code_uses(database_url: str) -> None:
    opened = open_database(database_url)
    with opened.read() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": schema.VERSION_TABLE, "compare_type": True})
        assert compare_metadata(context, schema.metadata) == []


def test_the_newest_migration_is_the_version_that_the_code_expects() -> None:
    assert ScriptDirectory(str(database_module._MIGRATIONS)).get_current_head() == schema.SCHEMA_VERSION


def _open_and_start(together: Barrier, url: str) -> str:
    together.wait(30)
    return Table(open_database(url)).start(new_play(), hosts=[f"h{os.getpid()}", "shared"], name=f"app{os.getpid()}").distribution_id


def test_first_plays_at_the_same_moment_do_not_collide(database_url: str) -> None:
    at_once(_PROCESSES, _open_and_start, database_url)
    table = Table(open_database(database_url))
    assert table.sql("SELECT count(*) FROM device") == [(_PROCESSES + 1,)]
    assert sorted(seq for (seq,) in table.sql("SELECT seq FROM distribution")) == list(range(1, _PROCESSES + 1))


def _connect_to_each(together: Barrier, files: list[Path]) -> None:
    for file in files:
        together.wait(30)
        with database_module._engine(sa.make_url(f"sqlite:///{file}"), 30).connect():
            pass


def test_a_new_file_is_made_ready_by_many_at_the_same_moment(tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.db" for number in range(50)]
    for file in files:
        file.touch()
    at_once(_PROCESSES, _connect_to_each, files)
    assert {sqlite3.connect(file).execute("PRAGMA journal_mode").fetchone()[0] for file in files} == {"wal"}


#: The version after the newest.
_NOW = schema.SCHEMA_VERSION
_FOLLOWING = f"{int(_NOW) + 1:04d}"
_NEXT = f'''
revision = "{_FOLLOWING}"
down_revision = "{_NOW}"


def upgrade() -> None:
    import sqlalchemy as sa
    from alembic import op

    with op.batch_alter_table("device") as device:
        device.add_column(sa.Column("site", sa.Text()))
'''


def test_an_older_schema_is_upgraded_and_a_newer_one_is_refused(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    distribution = Table(open_database(database_url)).start(new_play()).distribution_id
    following = tmp_path / "migrations"
    shutil.copytree(database_module._MIGRATIONS, following, ignore=shutil.ignore_patterns("__pycache__"))
    (following / "versions" / f"{_FOLLOWING}_site.py").write_text(_NEXT, encoding="utf-8")
    with monkeypatch.context() as later:
        later.setattr(database_module, "_MIGRATIONS", following)
        later.setattr(schema, "SCHEMA_VERSION", _FOLLOWING)
        with pytest.raises(errors.SchemaVersionError, match=rf"older schema version {_NOW}.*{_FOLLOWING}"):
            open_database(database_url, create=False)
        table = Table(open_database(database_url))
        assert table.sql("SELECT name, site FROM device ORDER BY name") == [("h1", None), ("h2", None), ("h3", None)]
        assert set(table.states(distribution).values()) == {"pending"}
    with pytest.raises(errors.SchemaVersionError, match=rf"schema version {_FOLLOWING}, made by a newer fleetcast.core.*up to {_NOW}.*Update the collection"):
        open_database(database_url)


def test_reading_makes_nothing(database_url: str, tmp_path: Path) -> None:
    opened = open_database(database_url, create=False)
    assert opened.missing
    assert Table(opened).pending("h1")["hosts"]["h1"]["known"] is False
    assert not (tmp_path / "status.db").exists()
    assert open_database(database_url, create=False).missing


def test_a_dry_run_writes_nothing(table: Table) -> None:
    with table.database.write(dry_run=True) as connection:
        connection.execute(sa.text("INSERT INTO artifact (digest, manifest, created_at) VALUES ('d', 'm', '2026-01-01')"))
    assert table.sql("SELECT * FROM artifact") == []


def test_a_locked_table_is_waited_for_but_not_for_ever(database_url: str) -> None:
    holder = open_database(database_url)
    with holder.write():
        begun = time.monotonic()
        waiting = open_database(database_url, wait_seconds=1)
        with pytest.raises(errors.DatabaseLockedError, match=r"locked by another process for more than 1 s"), waiting.write():
            pass
        assert time.monotonic() - begun >= 0.9
    with open_database(database_url, wait_seconds=1).write():
        pass


def test_what_waited_for_the_lock_sees_what_was_written_meanwhile(postgresql: PostgreSQL) -> None:
    url = postgresql.new_database()
    with open_database(url).write() as connection:
        # As some administrators have it. A transaction then sees the tables as they were at its first statement, the one that waits.
        connection.execute(sa.text(f'ALTER DATABASE "{sa.make_url(url).database}" SET default_transaction_isolation = "repeatable read"'))
    first, second = open_database(url), open_database(url)
    seen = []

    def count() -> None:
        with second.write() as waiting:
            seen.append(waiting.execute(sa.text("SELECT count(*) FROM artifact")).scalar())

    with first.write() as connection:
        thread = threading.Thread(target=count)
        thread.start()
        while not connection.execute(sa.text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")).scalar():
            time.sleep(0.01)
        connection.execute(sa.text("INSERT INTO artifact (digest, manifest, created_at) VALUES ('d', 'm', '2026-01-01')"))
    thread.join(30)
    assert seen == [1]


def test_a_writer_that_is_not_there_any_more_does_not_hold_the_lock_for_hours(postgresql: PostgreSQL) -> None:
    url = postgresql.new_database()
    open_database(url)
    ready, go = os.pipe()
    child = os.fork()
    if child == 0:
        with open_database(url, wait_seconds=0.2).write():
            os.write(go, b"x")
            # To the server this is what a machine without power is: the connection stands, and nothing comes.
            os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(1)
    try:
        os.read(ready, 1)
        with open_database(url, wait_seconds=10).write():
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


_A_SERVER_THAT_GOES = """
set -e
ip link set lo up
unshare --net sleep 60 & far=$!
until [ "$(readlink /proc/$far/ns/net)" != "$(readlink /proc/$$/ns/net)" ]; do sleep 0.01; done
ip link add near type veth peer name far netns $far && ip addr add 192.0.2.1/24 dev near && ip link set near up
nsenter --net=/proc/$far/ns/net sh -c 'ip addr add 192.0.2.2/24 dev far && ip link set far up'
timeout 60 nsenter --net=/proc/$far/ns/net "$1" -c "$2" "$4" & forwarder=$!
status=0
timeout 60 "$1" -c "$3" "$5" $far || status=$?
kill $forwarder $far
exit $status
"""
#: Between 192.0.2.2:5432 and the server's Unix socket.
_FORWARD = """
import socket, sys, threading
listening = socket.create_server(("192.0.2.2", 5432))
def pour(source, sink):
    while data := source.recv(65536):
        sink.sendall(data)
while True:
    client = listening.accept()[0]
    server = socket.socket(socket.AF_UNIX)
    server.connect(sys.argv[1])
    for pair in ((client, server), (server, client)):
        threading.Thread(target=pour, args=pair, daemon=True).start()
"""
_ASK_THEN_CUT = """
import subprocess, sys, threading, time
import sqlalchemy as sa
from ansible_collections.fleetcast.core.plugins.plugin_utils._status import database, errors
for number in range(100):
    try:
        opened = database.open_database(sys.argv[1], wait_seconds=3)
        break
    except errors.DatabaseUnavailableError:
        time.sleep(0.1)  # the forwarder is just beginning
cut = ["nsenter", f"--net=/proc/{sys.argv[2]}/ns/net", "ip", "link", "set", "far", "down"]
threading.Timer(1, subprocess.run, [cut]).start()
begun = time.monotonic()
try:
    with opened.write() as connection:
        connection.execute(sa.text("SELECT pg_sleep(5)"))
except errors.DatabaseUnavailableError as error:
    print(round(time.monotonic() - begun), error)
"""


@pytest.mark.lab
def test_a_server_that_goes_without_a_word_is_not_waited_for_for_hours(postgresql: PostgreSQL) -> None:
    url = sa.make_url(postgresql.new_database())
    far = url.set(host="192.0.2.2", query={}).render_as_string()
    socket_file = f"{postgresql.directory}/.s.PGSQL.5432"
    environment = {**os.environ, "PYTHONPATH": str(COLLECTION.parents[2])}
    arguments = [sys.executable, _FORWARD, _ASK_THEN_CUT, socket_file, far]
    ended = subprocess.run(
        ["unshare", "--net", "sh", "-c", _A_SERVER_THAT_GOES, "sh", *arguments], env=environment, capture_output=True, text=True, timeout=40, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert "cannot be used" in ended.stdout
    assert int(ended.stdout.split()[0]) <= 10


def test_readers_do_not_wait_for_the_writer(table: Table, play: run.Run) -> None:
    distribution = table.start(play).distribution_id
    with table.database.write() as connection:
        connection.execute(sa.text("UPDATE target SET status = 'failed'"))
        assert set(table.states(distribution).values()) == {"pending"}


@pytest.mark.parametrize("content", [b"this is no database, but a letter to the editor\n" * 100, b"SQLite format 3\x00" + b"\xff" * 5000])
def test_a_damaged_file_is_named_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "status.db"
    file.write_bytes(content)
    with pytest.raises(errors.DatabaseDamagedError, match=r"status\.db is damaged or no SQLite database.*put a backup"):
        open_database(f"sqlite:///{file}")
    assert file.read_bytes() == content


def test_pages_that_were_overwritten_are_noticed(tmp_path: Path) -> None:
    file = tmp_path / "status.db"
    table = Table(open_database(f"sqlite:///{file}"))
    table.start(new_play(), hosts=[f"h{number}" for number in range(300)])
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    size = file.stat().st_size
    with file.open("r+b") as opened:
        opened.seek(4096)
        opened.write(b"\xa5" * (size - 4096))
    with pytest.raises(errors.DatabaseDamagedError, match="damaged"):
        Table(open_database(f"sqlite:///{file}")).start(new_play())


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("no url at all", "no database URL"),
        ("sqlite://", "absolute path"),
        ("sqlite:///status.db", "absolute path"),
        ("mysql://root:geheim@db/x", "names a mysql database: sqlite and postgresql"),
        ("sqlite:////dev/null/status.db", "cannot be made: "),
        ("sqlite:////proc", "cannot be used: .*directory"),
    ],
)
def test_a_url_that_cannot_be_used(url: str, message: str) -> None:
    with pytest.raises(errors.StatusError, match=message) as raised:
        open_database(url)
    assert "geheim" not in str(raised.value)


def test_a_server_that_does_not_answer_is_named_without_the_password(tmp_path: Path) -> None:
    for url in (f"postgresql://fleet:geheim@/status?host={tmp_path}", "postgresql://fleet:geheim@127.0.0.1:1/status"):
        with pytest.raises(errors.DatabaseUnavailableError, match=r"fleet:\*\*\*@.*cannot be used") as raised:
            open_database(url, wait_seconds=2)
        assert "geheim" not in str(raised.value)


def test_the_password_is_not_shown(postgresql: PostgreSQL) -> None:
    url = postgresql.new_database().replace("postgres@", "postgres:geheim@")
    opened = open_database(url)
    assert "geheim" not in opened.shown and "***" in opened.shown
    with pytest.raises(errors.StatusError) as raised, opened.read() as connection:
        connection.execute(sa.text("SELECT 'geheim' FROM nowhere"))
    assert "geheim" not in str(raised.value)


_IN_ENCODING = "ENCODING '{}' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "UTF8"])
def test_a_database_of_any_encoding_that_takes_every_character(encoding: str, postgresql: PostgreSQL) -> None:
    table = Table(open_database(postgresql.new_database(_IN_ENCODING.format(encoding))))
    table.start(new_play(), hosts=["grün", "…漢字"])
    assert sorted(table.sql("SELECT name FROM device")) == [("grün",), ("…漢字",)]


def test_a_database_of_another_encoding_is_refused(postgresql: PostgreSQL) -> None:
    with pytest.raises(errors.DatabaseUrlError, match=r"has the encoding LATIN1.*made with ENCODING 'UTF8'"):
        open_database(postgresql.new_database(_IN_ENCODING.format("LATIN1")))


def test_a_table_of_another_program_in_the_same_database_is_left_alone(postgresql: PostgreSQL) -> None:
    url = postgresql.new_database()
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"), poolclass=sa.pool.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE alembic_version (version_num varchar)"))
        connection.execute(sa.text("INSERT INTO alembic_version VALUES ('theirs')"))
    assert Table(open_database(url)).start(new_play()).attempts
    with engine.begin() as connection:
        assert connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar() == "theirs"


def test_without_the_packages_the_error_names_them(tmp_path: Path) -> None:
    """In an interpreter of its own, which finds this code and Ansible, but not SQLAlchemy."""
    program = """
import importlib.util, sys
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "sqlalchemy" else find(name, *rest)
sys.modules["sqlalchemy"] = None
from ansible_collections.fleetcast.core.plugins.plugin_utils._status import database, distributions, queries, reconcile, recorder, rendering, schema
try:
    database.open_database("sqlite:////tmp/never.db")
except Exception as error:
    print(type(error).__name__, error)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True, cwd=tmp_path, env=environment)
    assert answer.stdout.startswith("MissingLibraryError")
    assert "sqlalchemy" in answer.stdout and "pip install -r requirements.txt" in answer.stdout
