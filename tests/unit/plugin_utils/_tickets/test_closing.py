# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of a playbook, and the schema of the database that it finds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from ansible_collections.fleetcast.core.plugins.plugin_utils._status import database as database_module
from ansible_collections.fleetcast.core.plugins.plugin_utils._status import schema
from ansible_collections.fleetcast.core.plugins.plugin_utils._status.database import Database
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets import alert
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets.closing import Closing
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets.journal import Journal, JournalError, Passed
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets.rules import Rules

pytestmark = pytest.mark.tickets


def _older(url: str) -> None:
    """A database as it was before there were tickets, with a device in it."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(database_module._MIGRATIONS))
        config.attributes.update(metadata=schema.metadata, version_table=schema.VERSION_TABLE, connection=connection)
        command.upgrade(config, "0001")
        connection.execute(sa.text("INSERT INTO device (name, created_at) VALUES ('web1', '2026-01-01 00:00:00')"))
    engine.dispose()


@pytest.mark.parametrize("alerts", [0, 1])
def test_a_database_from_before_the_tickets_is_brought_up_to_date(alerts: int, tmp_path: Path, load_rules: Callable[[str], Rules]) -> None:
    url = f"sqlite:///{tmp_path}/status.db"
    _older(url)
    own = Journal(tmp_path / "alerts", "run")
    for number in range(alerts):
        own.add(alert.make("web1", "No space left on device", key=str(number)))
    said = Closing(tmp_path / "alerts", own, Passed("site.yml", ("web1",), datetime.now(UTC))).run(url, load_rules(""), 0, 0)
    assert said.problems == []
    assert ("opened: FC-1" in said.lines) is bool(alerts)
    with sa.create_engine(url).connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM device")).scalar() == 1
        assert connection.execute(sa.text("SELECT count(*) FROM error_record")).scalar() == alerts


def test_more_dead_runs_than_are_taken_in_at_once_are_all_taken_in(tmp_path: Path, load_rules: Callable[[str], Rules]) -> None:
    for number in range(250):
        dead = Journal(tmp_path / "alerts", f"dead{number}")
        dead.add(alert.make("web1", "No space left on device", key=str(number)))
        dead.close()
    own = Journal(tmp_path / "alerts", "run")
    own.add(alert.make("web1", "No space left on device", key="own"))
    url = f"sqlite:///{tmp_path}/status.db"
    said = Closing(tmp_path / "alerts", own, Passed("site.yml", (), datetime.now(UTC))).run(url, load_rules(""), 0, 0)
    own.close()
    assert (said.problems, said.lines) == ([], ["alerts: 251 disk_full (250 kept by earlier plays)", "opened: FC-1"])
    assert list((tmp_path / "alerts").iterdir()) == []
    with sa.create_engine(url).connect() as connection:
        assert connection.execute(sa.text("SELECT count FROM ticket")).scalar() == 251


def test_what_a_run_showed_to_be_over_is_not_forgotten_when_the_database_is_away(tmp_path: Path, load_rules: Callable[[str], Rules]) -> None:
    url = f"sqlite:///{tmp_path}/status.db"
    rules = load_rules("thresholds: [{limit: 5}, {failure_type: '*', limit: 5}]")
    failed = alert.make("web1", "No space left on device", key="1", origin={"playbook": "site.yml"})
    first = Journal(tmp_path / "alerts", "first")
    first.add(failed)
    assert Closing(tmp_path / "alerts", first, Passed("site.yml", (), datetime.now(UTC))).run(url, rules, 0, 0).problems == []
    first.close()
    at = datetime.now(UTC)
    second = Journal(tmp_path / "alerts", "second")
    said = Closing(tmp_path / "alerts", second, Passed("site.yml", ("web1",), at)).run(f"postgresql://nobody@/none?host={tmp_path}", rules, 0, 0)
    second.close()
    assert len(said.problems) == 1
    third = Journal(tmp_path / "alerts", "third")
    assert Closing(tmp_path / "alerts", third, Passed("other.yml", (), datetime.now(UTC))).run(url, rules, 0, 0).problems == []
    with sa.create_engine(url).connect() as connection:
        passed_at = connection.execute(sa.text("SELECT passed_at FROM error_counter")).scalar()
    assert passed_at == at.replace(tzinfo=None).isoformat(" ", "microseconds")
    assert list((tmp_path / "alerts").iterdir()) == []


def test_alerts_that_neither_file_nor_database_takes_are_said_to_be_lost(load_rules: Callable[[str], Rules]) -> None:
    nowhere = Path("/proc/nowhere")
    own = Journal(nowhere, "run")
    with pytest.raises(JournalError):
        own.add(alert.make("web1", "No space left on device", key="1"))
    said = Closing(nowhere, own, Passed("site.yml", ("web2",), datetime.now(UTC))).run("sqlite:////proc/nowhere/status.db", load_rules(""), 0, 0)
    problem, forgotten = said.problems
    assert forgotten.startswith("that devices have passed is forgotten: /proc/nowhere/run.alerts cannot be written")
    assert problem.startswith("alerts wait in /proc/nowhere for the next run, but for 1 that could not be written there and are lost: the status table")


def test_the_migrations_make_the_tables_that_the_code_knows(database: Database) -> None:
    with database.write() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": schema.VERSION_TABLE})
        assert compare_metadata(context, schema.metadata) == []
