"""Migrations: they make the tables that the models describe, wholly or not at all, on both engines."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text
from sqlmodel import SQLModel

import campaigns.models  # noqa: F401 - registers its tables
import mailer.limits.models  # noqa: F401
import subscribers.models  # noqa: F401
from mailer.database import Database, schema
from mailer.errors import ConfigurationError, MailerError


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
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, SQLModel.metadata) == []


def test_constraints_bear_the_same_names_in_models_and_migrations(database: Database) -> None:
    inspector = inspect(database.engine)
    for table in SQLModel.metadata.sorted_tables:
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
    assert bare.migrate() is True
    assert bare.is_current()
    assert bare.migrate() is False


def test_two_that_migrate_at_once_do_it_once(bare: Database) -> None:
    others = [Database(bare.url.render_as_string(hide_password=False)) for _ in range(4)]
    results: list[bool] = []
    threads = [
        threading.Thread(target=lambda other=other: results.append(other.migrate())) for other in others
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
        bare.migrate()
    assert inspect(bare.engine).get_table_names() == []


def test_tables_of_a_newer_version_are_not_current(database: Database) -> None:
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert not database.is_current()
    with pytest.raises(ConfigurationError, match="newer version"):
        database.migrate()


@pytest.mark.parametrize("table", ["consent_event", "wording"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET {} = 'x'", "DELETE FROM {}"])
def test_the_proof_of_consent_can_not_be_changed_or_deleted(
    database: Database, table: str, statement: str
) -> None:
    column = {"consent_event": "source", "wording": "text"}[table]
    with database.write() as connection:
        connection.execute(
            text(
                "INSERT INTO wording (sha256, text, language, version, first_used_at) VALUES ('a', 'b', '', '', :now)"
            ),
            {"now": "2026-01-01 00:00:00+00:00"},
        )
        connection.execute(
            text(
                "INSERT INTO consent_event (id, subscriber_id, topic, kind, occurred_at, recorded_at, source,"
                " wording_sha256, previous_hash, hash) VALUES (1, 1, 't', 'granted', :now, :now, 's', 'a', '', 'h')"
            ),
            {"now": "2026-01-01 00:00:00+00:00"},
        )
    with pytest.raises(MailerError), database.write() as connection:
        connection.execute(text(statement.format(table, column)))


def test_a_new_sqlite_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    database = Database(f"sqlite:///{path}")
    database.migrate()
    with database.write() as connection:
        connection.execute(text("UPDATE campaign SET topic = ''"))
        modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.glob("new.db*")}
    database.close()
    assert modes == {"new.db": 0o600, "new.db-wal": 0o600, "new.db-shm": 0o600}
