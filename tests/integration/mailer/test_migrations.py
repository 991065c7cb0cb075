"""Migrations: they make the tables that the models describe, wholly or not at all, on both engines."""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click.testing
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from campaigns.deliveries import workers
from cli import mailer as command
from mailer.backup.snapshot import take
from mailer.database import Database, schema, schema_version, sqlite_file
from mailer.errors import ConfigurationError, MailerError, TryAgainLater
from mailer.plain_database import REVISIONS, VERSION_TABLE
from tests.support.schema import SCHEMA


@pytest.fixture(params=["sqlite", "postgresql"])
def bare(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database without tables."""
    if request.param == "sqlite":
        database = Database(f"sqlite:///{tmp_path / 'bare.db'}")
        yield database
        database.close()
        return
    database = request.getfixturevalue("postgresql_database")
    with database.engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    yield database


def test_the_migrated_tables_are_those_of_the_models(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={"compare_type": True, "compare_server_default": True, "version_table": VERSION_TABLE},
        )
        assert compare_metadata(context, SCHEMA) == []


def test_constraints_bear_the_same_names_in_models_and_migrations(database: Database) -> None:
    inspector = inspect(database.engine)
    for table in SCHEMA.sorted_tables:
        # SQLite keeps no name for the key of an AUTOINCREMENT table.
        expected = {
            str(constraint.name)
            for constraint in (table.constraints - {table.primary_key}).union(
                *(c.constraints for c in table.c)
            )
        }
        found = {
            *(unique["name"] for unique in inspector.get_unique_constraints(table.name)),
            *(foreign["name"] for foreign in inspector.get_foreign_keys(table.name)),
            *(check["name"] for check in inspector.get_check_constraints(table.name)),
        }
        assert found == expected, table.name


def test_migrating_says_whether_there_was_anything_to_do(bare: Database) -> None:
    assert bare.create() is True
    assert bare.is_current()
    assert bare.create() is False


def test_two_that_migrate_at_once_do_it_once(bare: Database) -> None:
    others = [Database(bare.url.render_as_string(hide_password=False)) for _ in range(4)]
    results: list[bool] = []
    threads = [
        threading.Thread(target=lambda other=other: results.append(other.create())) for other in others
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for other in others:
        other.close()
    assert sorted(results) == [False, False, False, True]


def test_a_migration_that_fails_leaves_nothing_behind(
    bare: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = tmp_path / "migrations" / "versions"
    versions.mkdir(parents=True)
    env = (schema.MIGRATIONS / "env.py").read_text(encoding="utf-8")
    (versions.parent / "env.py").write_text(env, encoding="utf-8")
    (versions / "0001_broken.py").write_text(
        "from alembic import op\n"
        "revision, down_revision = '0001', None\n"
        "def upgrade():\n"
        "    op.execute('CREATE TABLE half_way (id INTEGER)')\n"
        "    op.execute('CREATE TABLE half_way (id INTEGER)')\n",
        encoding="utf-8",
    )
    monkeypatch.setattr(schema, "MIGRATIONS", versions.parent)
    with pytest.raises(MailerError):
        bare.create()
    assert inspect(bare.engine).get_table_names() == []


def set_version(database: Database, version: str) -> None:
    with database.engine.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = :version"), {"version": version})


def use(database: Database) -> None:
    with database.write():
        pytest.fail("a transaction began on tables of another version")


def test_tables_of_a_newer_version_are_refused_everywhere(database: Database) -> None:
    set_version(database, "release_mailer_9999")
    assert not database.is_current()
    for act in (database.create, database.upgrade, database.require_current, lambda: use(database)):
        with pytest.raises(ConfigurationError, match=r"newer version.*\nUpgrade this installation"):
            act()


def test_tables_of_an_earlier_version_are_refused_until_they_are_upgraded(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema_version, "REVISIONS", (*REVISIONS, "release_mailer_0002"))
    for act in (database.create, database.require_current, lambda: use(database)):
        with pytest.raises(ConfigurationError, match=r"earlier version.*\nRun `mailer upgrade`"):
            act()


def test_a_program_that_is_running_stops_writing_when_another_has_upgraded(database: Database) -> None:
    with database.write() as connection:
        connection.execute(text("SELECT 1"))
    set_version(database, "release_mailer_9999")
    with pytest.raises(ConfigurationError, match="newer version"):
        use(database)


def test_a_database_without_tables_is_not_away_but_empty(bare: Database) -> None:
    if bare.is_sqlite:
        Path(bare.url.database or "").touch()
    for act in (bare.upgrade, bare.require_current, lambda: use(bare)):
        with pytest.raises(ConfigurationError, match=r"no tables.*\nRun `mailer init`"):
            act()


def test_a_version_table_without_a_version_is_damaged(database: Database) -> None:
    with database.engine.begin() as connection:
        connection.execute(text(f"DELETE FROM {VERSION_TABLE}"))
    for act in (database.create, database.upgrade, lambda: use(database)):
        with pytest.raises(ConfigurationError, match="damaged"):
            act()


def test_a_layout_from_before_the_first_release_is_recognised(database: Database) -> None:
    with database.engine.begin() as connection:
        connection.execute(text(f"DROP TABLE {VERSION_TABLE}"))
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32))"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('0001')"))
    for act in (database.create, database.upgrade, database.require_current):
        with pytest.raises(ConfigurationError, match=r"before the first release.*\nKeep it"):
            act()


def test_another_programs_version_table_is_left_alone(bare: Database) -> None:
    if bare.is_sqlite:
        Path(bare.url.database or "").touch()
    with bare.engine.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32))"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('0001')"))
    assert bare.create() is True
    assert bare.is_current()
    with bare.engine.begin() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == "0001"


def test_the_revisions_that_are_known_without_alembic_are_alembics() -> None:
    script = ScriptDirectory(str(schema.MIGRATIONS))
    revisions = [revision.revision for revision in script.walk_revisions()]
    assert tuple(reversed(revisions)) == REVISIONS


@pytest.fixture
def second_migration(
    sqlite_template: Path,
    postgresql_template: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A program that is one migration ahead of the database."""
    folder = tmp_path / "migrations"
    shutil.copytree(schema.MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / "0002_next.py").write_text(
        "from alembic import op\n"
        "revision, down_revision = 'release_mailer_0002', 'release_mailer_0001'\n"
        "def upgrade():\n"
        "    op.execute('CREATE TABLE next_one (id INTEGER)')\n",
        encoding="utf-8",
    )
    monkeypatch.setattr(schema, "MIGRATIONS", folder)
    monkeypatch.setattr(schema_version, "REVISIONS", (*REVISIONS, "release_mailer_0002"))


@pytest.mark.usefixtures("second_migration")
def test_an_upgrade_brings_an_earlier_version_to_this_one_once(database: Database) -> None:
    assert database.upgrade() is True
    assert database.upgrade() is False
    with database.write() as connection:
        connection.execute(text("SELECT id FROM next_one"))


@pytest.mark.usefixtures("second_migration")
def test_no_upgrade_while_a_worker_is_sending(database: Database) -> None:
    with database.engine.begin() as connection:
        now = datetime.now(UTC)
        workers.register(connection, workers.Process("host", "1"), 1, now, timedelta(minutes=1))
    with pytest.raises(TryAgainLater, match="is sending mail"):
        database.upgrade()
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE worker SET lease_until = '2026-01-01 00:00:00+00:00'"))
    assert database.upgrade() is True


@pytest.mark.usefixtures("second_migration")
def test_the_upgrade_command_copies_a_file_first(
    sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAILER_DATABASE_URL", f"sqlite:///{sqlite_database.url.database}")
    run = click.testing.CliRunner().invoke
    reports = [json.loads(run(command, ["upgrade", "--json"]).stdout) for _ in range(2)]
    assert [report["database"] for report in reports] == ["upgraded", "unchanged"]
    assert reports[1]["backup"] is None
    with closing(sqlite3.connect(reports[0]["backup"])) as copy:
        assert copy.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchall() == [
            ("release_mailer_0001",)
        ]


def test_a_copy_of_a_file_holds_what_was_committed_and_is_private(
    sqlite_database: Database, tmp_path: Path
) -> None:
    with sqlite_database.write() as connection:
        connection.execute(text("INSERT INTO throttle VALUES ('relay smtp', '{}')"))
    target = tmp_path / "copy.db"
    take(sqlite_database, target)
    copy = Database(f"sqlite:///{target}")
    with copy.read() as connection:
        assert connection.execute(text("SELECT name FROM throttle")).scalar_one() == "relay smtp"
    copy.close()
    assert target.stat().st_mode & 0o777 == 0o600
    with pytest.raises(ConfigurationError, match="exists already"):
        take(sqlite_database, target)


@pytest.mark.usefixtures("second_migration")
@pytest.mark.parametrize("is_damaged", [False, True])
def test_the_copy_before_an_upgrade_is_whole_or_there_is_no_upgrade(
    sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_damaged: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAILER_DATABASE_URL", f"sqlite:///{sqlite_database.url.database}")
    copy = sqlite_file.copy

    def copy_half(source: sqlite3.Connection, target: Path, name: Path) -> None:
        assert ".before-upgrade-" in target.name
        assert target.suffix == ".new"
        copy(source, target, name)
        if is_damaged:
            with target.open("r+b") as file:
                file.truncate(file.seek(0, 2) // 2)

    monkeypatch.setattr(sqlite_file, "copy", copy_half)
    done = click.testing.CliRunner().invoke(command, ["upgrade", "--json"])
    copies = {path.suffix for path in tmp_path.glob("*.before-upgrade-*")}
    assert len(copies) == (0 if is_damaged else 2)
    assert (done.exception is not None) == is_damaged
    with closing(sqlite3.connect(str(sqlite_database.url.database))) as connection:
        version = connection.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchone()
    assert version == ("release_mailer_0001" if is_damaged else "release_mailer_0002",)


@pytest.mark.parametrize("table", ["consent_event", "wording"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET {} = 'x'", "DELETE FROM {}"])
def test_the_proof_of_consent_can_not_be_changed_or_deleted(
    database: Database, table: str, statement: str
) -> None:
    column = {"consent_event": "topic", "wording": "text"}[table]
    with database.write() as connection:
        connection.execute(
            text(
                "INSERT INTO wording (commitment, sha256, text, language, version, topic, first_used_at)"
                " VALUES ('a', 'a', 'b', '', '', 't', :now)"
            ),
            {"now": "2026-01-01 00:00:00+00:00"},
        )
        connection.execute(
            text(
                "INSERT INTO consent_event (id, subscriber_id, topic, kind, occurred_at, recorded_at, channel,"
                " wording, subject, hash) VALUES (1, 1, 't', 'granted', :now, :now, 'api', 'a', 's', 'h')"
            ),
            {"now": "2026-01-01 00:00:00+00:00"},
        )
    with pytest.raises(MailerError), database.write() as connection:
        connection.execute(text(statement.format(table, column)))


def test_a_new_sqlite_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    database = Database(f"sqlite:///{path}")
    database.create()
    with database.write() as connection:
        connection.execute(text("UPDATE campaign SET topic = ''"))
        modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.glob("new.db*")}
    database.close()
    assert modes == {"new.db": 0o600, "new.db-wal": 0o600, "new.db-shm": 0o600}
