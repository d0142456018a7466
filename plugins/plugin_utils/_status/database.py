# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opening the status table, and the two ways of using it: reading, and writing one transaction at a time.

Connections are never kept: Ansible forks, and a connection shared by two processes corrupts both their conversations.
Writers take one lock for the whole table (SQLite: BEGIN IMMEDIATE; PostgreSQL: an advisory lock of the transaction). Plays are few
and a transaction takes milliseconds, so nothing is lost by it, and no two plays can deadlock or decide on what is stale.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from .._redistribution import tables as _redistribution  # noqa: F401 - so that the metadata has all tables  # pylint: disable=unused-import
from .._tickets import tables  # noqa: F401 - so that the metadata has all tables of the schema  # pylint: disable=unused-import
from . import errors, schema
from .libraries import AVAILABLE, require

if AVAILABLE:
    import sqlalchemy as sa
    from sqlalchemy import event, exc, pool

if TYPE_CHECKING:
    from collections.abc import Callable

#: Seconds that an action waits for the lock, and for a server to answer.
WAIT_SECONDS = 30.0
#: Key of PostgreSQL's advisory lock: "fleet" in ASCII.
_ADVISORY_LOCK = 0x666C656574
#: Seconds until a file is looked at again that another connection is just making ready.
_LOOK_AGAIN_SECONDS = 0.01
#: How many times the wait for the lock PostgreSQL keeps a transaction open whose client does nothing: one that has lost its power or its network holds the
#: writers' lock, and the server's system notices that after hours (tcp_keepalives_idle is two by default).
_IDLE_WAITS = 6
#: Of databases that take every character; SQL_ASCII, which initdb chooses where the locale is C, takes all bytes.
_ENCODINGS = ("UTF8", "SQL_ASCII")
_READ_ONLY = "fleetcast_read_only"
_MIGRATIONS = Path(__file__).with_name("migrations")


class Database:
    """An open status table whose schema is up to date. Holds no connection."""

    def __init__(self, engine: sa.Engine, url: sa.URL, wait_seconds: float, missing: bool = False) -> None:
        self._engine = engine
        self._url = url
        self.wait_seconds = wait_seconds
        #: True when the database is not there yet, and an empty one in memory stands for it.
        self.missing = missing

    @property
    def shown(self) -> str:
        """The URL as it may be printed: with three stars for the password."""
        return _shown(self._url)

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection with one consistent view, never blocked by a writer."""
        with self._translated(), self._engine.connect() as plain:
            connection = plain.execution_options(**{_READ_ONLY: True})
            with connection.begin():
                if connection.dialect.name == "postgresql":
                    connection.execute(sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
                yield connection

    @contextmanager
    def write(self, dry_run: bool = False) -> Iterator[sa.Connection]:
        """The one writer's connection; committed at the end, rolled back by an exception or when `dry_run` (check mode)."""
        with self._translated(), self._engine.connect() as connection, connection.begin() as transaction:
            if connection.dialect.name == "postgresql":
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
            yield connection
            if dry_run:
                transaction.rollback()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except exc.DBAPIError as error:
            raise translated(error, self._url, self.wait_seconds) from error


def open_database(url_text: str, wait_seconds: float = WAIT_SECONDS, create: bool = True) -> Database:
    """Open the status table; make the database or bring its schema up to date when it has to be.

    With `create` false (check mode, reading) nothing is made: a database that is not there yet is stood in for by an empty one
    in memory, an older schema is refused.

    Raises a :class:`~.errors.StatusError`: the URL, a missing library, a locked, damaged, newer or unreachable database.
    """
    require()
    url = _parsed(url_text)
    file = Path(url.database or "") if url.get_backend_name() == "sqlite" else None
    if file is not None and not file.exists():
        if not create:
            return _stand_in(url)
        _make_private_file(file)
    database = Database(_engine(url, wait_seconds), url, wait_seconds)
    version = _version(database)
    if version == schema.SCHEMA_VERSION:
        return database
    if version is not None and version not in _known_versions():
        raise errors.SchemaVersionError(
            f"the status table {database.shown} has schema version {version}, made by a newer fleetcast.core; "
            f"this one knows versions up to {schema.SCHEMA_VERSION}. Update the collection on this controller, or let db_url name another database"
        )
    if create:
        _upgrade(database)
        return database
    if version is None:
        return _stand_in(url)
    raise errors.SchemaVersionError(
        f"the status table {database.shown} has the older schema version {version}, and is not brought to {schema.SCHEMA_VERSION} "
        "in check mode or for reading: any play that starts a distribution does that"
    )


def _parsed(url_text: str) -> sa.URL:
    # The text is never repeated in a message: where it cannot be parsed, a password in it cannot be found either.
    try:
        url = sa.make_url(url_text)
    except exc.ArgumentError:
        raise errors.DatabaseUrlError(
            "db_url of the status table is no database URL: write sqlite:////absolute/path/status.db or postgresql://user:password@host/database"
        ) from None
    backend = url.get_backend_name()
    if backend in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise errors.DatabaseUrlError(f"db_url of the status table names a {backend} database: sqlite and postgresql are supported")
    path = Path(url.database or "").expanduser()
    if not url.database or not path.is_absolute():
        raise errors.DatabaseUrlError(
            f"db_url of the status table must name a file by its absolute path, not {url.database!r}: sqlite:////var/lib/fleetcast/status.db (four slashes)"
        )
    return url.set(drivername="sqlite+pysqlite", database=str(path))


def _shown(url: sa.URL) -> str:
    """The URL as its user wrote it, but for the password."""
    return url.set(drivername=url.get_backend_name()).render_as_string(hide_password=True)


def _make_private_file(file: Path) -> None:
    """Make the empty database, readable by its owner only: it holds error messages of every host."""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600, exist_ok=True)
    except OSError as error:
        raise errors.DatabaseUnavailableError(
            f"the status table {file} cannot be made: {error.strerror or error}. Make its directory writable for this user, or let db_url name another database"
        ) from error


def _engine(url: sa.URL, wait_seconds: float) -> sa.Engine:
    return _sqlite_engine(url, wait_seconds) if url.get_backend_name() == "sqlite" else _postgresql_engine(url, wait_seconds)


def _sqlite_engine(url: sa.URL, wait_seconds: float) -> sa.Engine:
    # mode=rw (sqlite.org/uri.html): a file that has gone away is an error, and not made anew, empty, behind everybody's back.
    file = f"file:{quote(str(url.database))}?mode=rw"

    def connect() -> sqlite3.Connection:
        # isolation_level None: the driver starts no transaction of its own, `_begin_sqlite` does (SQLAlchemy, "Pysqlite: transactions").
        return sqlite3.connect(file, uri=True, timeout=wait_seconds, isolation_level=None)

    engine = sa.create_engine(url, creator=connect, poolclass=pool.NullPool, hide_parameters=True)
    event.listen(engine, "connect", _configure_sqlite(wait_seconds))
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _postgresql_engine(url: sa.URL, wait_seconds: float) -> sa.Engine:
    milliseconds = int(wait_seconds * 1000)
    # libpq's connect_timeout is in whole seconds, at least 2 (PostgreSQL documentation, "Parameter Key Words"). Without the probes, an answer of a
    # server that has gone without a word would be waited for for hours: tcp_user_timeout is about what we have sent, or probed (tcp(7)).
    probe = max(1, int(wait_seconds / 3))
    limits = {
        "connect_timeout": max(2, int(wait_seconds)),
        "tcp_user_timeout": milliseconds,
        "keepalives_idle": probe,
        "keepalives_interval": probe,
        # Or a database of the encoding SQL_ASCII would give bytes instead of text.
        "client_encoding": "utf8",
        "application_name": "fleetcast",
    }
    try:
        engine = sa.create_engine(url, connect_args=limits, poolclass=pool.NullPool, hide_parameters=True)
    except ImportError:
        raise errors.MissingLibraryError(
            "a status table in PostgreSQL needs the Python package psycopg where Ansible runs: "
            "install it into Ansible's own environment with `python -m pip install -r requirements-postgresql.txt`, or `'psycopg[binary]>=3.2,<4'`"
        ) from None
    event.listen(engine, "connect", _check_encoding_of_postgresql(_shown(url)))
    event.listen(engine, "connect", _limit_waits_of_postgresql(milliseconds))
    return engine


def _configure_sqlite(wait_seconds: float) -> Callable[[Any, object], None]:
    def configure(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA foreign_keys = ON").close()
        deadline = time.monotonic() + wait_seconds
        while not _in_wal_mode(connection, last_attempt=time.monotonic() >= deadline):
            time.sleep(_LOOK_AGAIN_SECONDS)

    return configure


def _in_wal_mode(connection: Any, last_attempt: bool) -> bool:
    """Have readers not block the writer; False when another connection is just changing the mode, too.

    Where the file system cannot do it (NFS), SQLite stays in the mode it has, which is correct too.
    Of two connections that both read the file and want to change its mode, one would wait for the other for ever; SQLite tells it
    at once that the file is locked, and does not wait as it does for a transaction (sqlite.org/c3ref/busy_handler.html).
    """
    try:
        if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            connection.execute("PRAGMA journal_mode = WAL").close()
    except sqlite3.OperationalError as error:
        if last_attempt or error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        return False
    return True


def _begin_sqlite(connection: sa.Connection) -> None:
    read_only = connection.get_execution_options().get(_READ_ONLY, False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


def _check_encoding_of_postgresql(shown: str) -> Callable[[Any, object], None]:
    def check(connection: Any, _record: object) -> None:
        encoding = connection.info.parameter_status("server_encoding")
        if encoding not in _ENCODINGS:
            raise errors.DatabaseUrlError(
                f"the status table {shown} has the encoding {encoding}, in which not all that hosts say can be written: "
                "let db_url name a database that was made with ENCODING 'UTF8' TEMPLATE template0"
            )

    return check


def _limit_waits_of_postgresql(milliseconds: int) -> Callable[[Any, object], None]:
    # Read committed also where an administrator has set another default: with it, what comes after the wait for the lock would see the tables as they
    # were before the wait.
    settings = {
        "lock_timeout": milliseconds,
        "statement_timeout": 2 * milliseconds,
        "idle_in_transaction_session_timeout": _IDLE_WAITS * milliseconds,
        "default_transaction_isolation": "'read committed'",
    }

    def configure(connection: Any, _record: object) -> None:
        connection.execute("; ".join(f"SET {name} = {value}" for name, value in settings.items()))
        connection.commit()

    return configure


def _stand_in(url: sa.URL) -> Database:
    engine = sa.create_engine("sqlite://", poolclass=pool.StaticPool)
    schema.metadata.create_all(engine)
    return Database(engine, url, WAIT_SECONDS, missing=True)


def _version(database: Database) -> str | None:
    """The schema's version in the database; None when there is no status table in it."""
    with database.read() as connection:
        if not sa.inspect(connection).has_table(schema.VERSION_TABLE):
            return None
        row = connection.execute(sa.text(f"SELECT version_num FROM {schema.VERSION_TABLE}")).first()  # noqa: S608 - a constant of ours
        return None if row is None else str(row[0])


def _known_versions() -> set[str]:
    from alembic.script import ScriptDirectory

    return {revision.revision for revision in ScriptDirectory(str(_MIGRATIONS)).walk_revisions()}


def _upgrade(database: Database) -> None:
    """Run the migrations that are missing, in one transaction and under the writers' lock: a second play waits and finds nothing to do."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes.update(metadata=schema.metadata, version_table=schema.VERSION_TABLE)
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def translated(error: exc.DBAPIError, url: sa.URL, wait_seconds: float) -> errors.StatusError:
    """The database driver's error as one of ours, with the way out, without the password."""
    shown = _shown(url)
    reason = " ".join(str(error.orig).split())
    if url.password:
        reason = reason.replace(str(url.password), "***")
    state = getattr(error.orig, "sqlstate", None)
    if re.search(r"database (table )?is locked|is busy", reason) or state in ("55P03", "57014"):
        return errors.DatabaseLockedError(
            f"the status table {shown} has been locked by another process for more than {wait_seconds:g} s ({reason}): "
            "end whatever holds it (a database shell, a backup), then run this again"
        )
    if "not a database" in reason or "malformed" in reason:
        return errors.DatabaseDamagedError(
            f"the status table {shown} is damaged or no SQLite database ({reason}): put a backup in its place, "
            "or move the file away, then a new, empty table is made and what was recorded is lost"
        )
    if isinstance(error, (exc.OperationalError, exc.InterfaceError)):
        return errors.DatabaseUnavailableError(
            f"the status table {shown} cannot be used: {reason}. Check that the server answers or the file and its directory are writable "
            "with space left, and that db_url is right"
        )
    return errors.StatusError(f"the status table {shown} refused a statement: {reason}")
