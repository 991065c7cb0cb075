"""PostgreSQL as operators run it: roles, encodings, defaults, limits and poolers."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError

from mailer.database import Database, Prepared
from mailer.database.columns import table
from mailer.errors import ConfigurationError, MailerError, TryAgainLater
from subscribers.models import Subscriber
from tests.support.pgbouncer import pgbouncer

PASSWORD = "s3cr3t-pa55word"
_numbers = itertools.count()


@contextmanager
def as_superuser(database: Database, name: str | None = None) -> Iterator[Connection]:
    """A connection that our own set-up does not touch."""
    url = database.url.set(drivername="postgresql+psycopg", database=name or database.url.database)
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@contextmanager
def role(database: Database, settings: str = "") -> Iterator[str]:
    """A role that may log in, and may do no more than everybody may."""
    name = f"role_{next(_numbers)}"
    with as_superuser(database) as connection:
        connection.execute(text(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}' {settings}"))
    yield name
    with as_superuser(database) as connection:
        connection.execute(text(f"DROP OWNED BY {name}"))
        connection.execute(text(f"DROP ROLE {name}"))


@contextmanager
def hba_line(database: Database, line: str) -> Iterator[None]:
    """`line` as the first of pg_hba.conf."""
    with as_superuser(database) as connection:
        path = Path(connection.execute(text("SHOW hba_file")).scalar_one())
        before = path.read_text(encoding="utf-8")
        path.write_text(f"{line}\n{before}", encoding="utf-8")
        connection.execute(text("SELECT pg_reload_conf()"))
        connection.execute(text("SELECT pg_sleep(0.3)"))
    try:
        yield
    finally:
        with as_superuser(database) as connection:
            path.write_text(before, encoding="utf-8")
            connection.execute(text("SELECT pg_reload_conf()"))
            connection.execute(text("SELECT pg_sleep(0.3)"))


def opened(base: Database, **changes: object) -> Database:
    url = base.url.set(**changes)  # type: ignore[arg-type]
    return Database(url.render_as_string(hide_password=False))


def setting(database: Database, name: str) -> str:
    with database.write() as connection:
        return str(connection.execute(text("SELECT current_setting(:name)"), {"name": name}).scalar_one())


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ("off", "on"),
        ("local", "on"),
        ("remote_write", "on"),
        ("on", "on"),
        ("remote_apply", "remote_apply"),
    ],
)
def test_commits_are_durable_whatever_the_default_and_a_stronger_choice_stays(
    postgresql_database: Database, chosen: str, expected: str
) -> None:
    with as_superuser(postgresql_database) as connection:
        name = postgresql_database.url.database
        connection.execute(text(f"ALTER DATABASE {name} SET synchronous_commit = {chosen}"))
    assert setting(postgresql_database, "synchronous_commit") == expected


async def test_the_web_applications_connections_are_set_up_too(postgresql_database: Database) -> None:
    with as_superuser(postgresql_database) as connection:
        name = postgresql_database.url.database
        connection.execute(text(f"ALTER DATABASE {name} SET synchronous_commit = off"))
    async with postgresql_database.session() as session:
        shown = await session.connection()
        assert (await shown.execute(text("SHOW synchronous_commit"))).scalar_one() == "on"
    await postgresql_database.aclose()


@pytest.mark.parametrize("default", ["serializable", "repeatable read"])
def test_a_writing_transaction_reads_what_was_committed_whatever_the_default(
    postgresql_database: Database, default: str
) -> None:
    with as_superuser(postgresql_database) as connection:
        name = postgresql_database.url.database
        connection.execute(text(f"ALTER DATABASE {name} SET default_transaction_isolation = '{default}'"))
    assert setting(postgresql_database, "transaction_isolation") == "read committed"
    with postgresql_database.read() as reader:
        assert reader.execute(text("SHOW transaction_isolation")).scalar_one() == "repeatable read"
    assert setting(postgresql_database, "transaction_isolation") == "read committed"


def test_the_client_speaks_utf8_whatever_the_default(postgresql_database: Database) -> None:
    with as_superuser(postgresql_database) as connection:
        name = postgresql_database.url.database
        connection.execute(text(f"ALTER DATABASE {name} SET client_encoding = 'latin1'"))
    assert setting(postgresql_database, "client_encoding") == "UTF8"


def test_a_wrong_password_ends_with_a_clear_error(postgresql_database: Database) -> None:
    with role(postgresql_database) as name, hba_line(postgresql_database, f"local all {name} scram-sha-256"):
        wrong = opened(postgresql_database, username=name, password="not-the-password")
        with (
            pytest.raises(ConfigurationError, match="password authentication failed") as caught,
            wrong.read(),
        ):
            pass
    assert caught.value.exit_code == 1
    assert "not-the-password" not in str(caught.value)


def test_a_role_that_pg_hba_rejects_is_named(postgresql_database: Database) -> None:
    with role(postgresql_database) as name, hba_line(postgresql_database, f"local all {name} reject"):
        rejected = opened(postgresql_database, username=name, password=PASSWORD)
        with pytest.raises(ConfigurationError, match="pg_hba") as caught, rejected.read():
            pass
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize("change", [{"database": "nowhere"}, {"username": "nobody_here"}])
def test_a_database_or_role_that_is_missing_is_named(
    postgresql_database: Database, change: dict[str, str]
) -> None:
    missing = opened(postgresql_database, **change)
    with pytest.raises(ConfigurationError, match="does not exist"), missing.read():
        pass


def test_a_role_without_the_right_to_create_is_told_so(postgresql_server: str) -> None:
    url = make_url(postgresql_server)
    base = Database(postgresql_server)
    name = f"bare_{next(_numbers)}"
    with as_superuser(base) as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    with role(base) as guest:
        database = Database(url.set(database=name, username=guest).render_as_string(hide_password=False))
        with pytest.raises(ConfigurationError, match="does not allow") as caught:
            database.create()
        database.close()
    assert "CREATE on the schema" in (caught.value.hint or "")
    with as_superuser(base) as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


def test_exhausted_connections_are_named_and_worth_waiting_for(postgresql_database: Database) -> None:
    with role(postgresql_database, "CONNECTION LIMIT 1") as name, ExitStack() as held:
        first, second = (opened(postgresql_database, username=name) for _ in range(2))
        held.enter_context(first.engine.connect())
        with pytest.raises(TryAgainLater, match="no connection left"), second.read():
            pass
        held.close()
        first.close()


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_that_is_not_utf8_is_refused_at_init(postgresql_server: str, encoding: str) -> None:
    base = Database(postgresql_server)
    name = f"encoded_{next(_numbers)}"
    with as_superuser(base) as connection:
        connection.execute(
            text(f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0")
        )
    database = opened(base, database=name)
    with pytest.raises(ConfigurationError, match=encoding) as caught:
        database.create()
    assert "UTF8" in (caught.value.hint or "")
    database.close()
    with as_superuser(base) as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


def test_a_lost_connection_prints_no_line_of_the_driver(
    postgresql_database: Database, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logging, "lastResort", logging.StreamHandler())

        def lose() -> None:
            with postgresql_database.write() as connection:
                pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
                with as_superuser(postgresql_database) as other:
                    other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
                connection.execute(text("SELECT 1"))

        with pytest.raises(TryAgainLater):
            lose()
    assert capfd.readouterr().err == ""


class TestPooler:
    """PgBouncer between us and the server."""

    COUNT = Prepared(Subscriber.metadata.tables["subscriber"].select())

    def test_session_mode_works_without_prepared_statements(self, postgresql_database: Database) -> None:
        with pgbouncer(postgresql_database, "session") as url:
            databases = [Database(url.render_as_string()) for _ in range(2)]
            for _ in range(8):
                for database in databases:
                    with database.write() as connection:
                        assert self.COUNT.rows(connection, {}) == []
                        prepared = text("SELECT count(*) FROM pg_prepared_statements")
                        assert connection.execute(prepared).scalar_one() == 0
                        assert connection.execute(text("SHOW synchronous_commit")).scalar_one() == "on"
            for database in databases:
                database.close()

    def test_transaction_mode_is_refused_in_words(self, postgresql_database: Database) -> None:
        with pgbouncer(postgresql_database, "transaction") as url:
            database = Database(url.render_as_string())
            with (
                pytest.raises(ConfigurationError, match=r"transaction mode.*\n.*pool_mode = session"),
                database.read(),
            ):
                pass
            database.close()

    async def test_transaction_mode_is_refused_to_the_web_application_too(
        self, postgresql_database: Database
    ) -> None:
        with pgbouncer(postgresql_database, "transaction") as url:
            database = Database(url.render_as_string())
            with pytest.raises(ConfigurationError, match="transaction mode"):
                async with database.session() as session:
                    await session.connection()
            await database.aclose()

    def test_statement_mode_is_refused(self, postgresql_database: Database) -> None:
        with pgbouncer(postgresql_database, "statement") as url:
            database = Database(url.render_as_string())
            with pytest.raises(ConfigurationError, match="pool"), database.read():
                pass
            database.close()

    def test_a_direct_connection_keeps_its_prepared_statements(self, postgresql_database: Database) -> None:
        with postgresql_database.write() as connection:
            for _ in range(8):
                self.COUNT.rows(connection, {})
            prepared = text("SELECT count(*) FROM pg_prepared_statements")
            assert connection.execute(prepared).scalar_one() > 0


def test_what_a_role_may_not_write_is_a_clear_error(postgresql_database: Database) -> None:
    with role(postgresql_database) as name:
        with as_superuser(postgresql_database) as connection:
            connection.execute(text(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}"))
        database = opened(postgresql_database, username=name)
        with pytest.raises(MailerError, match="does not allow the role"), database.write() as connection:
            connection.execute(table(Subscriber).delete())
        database.close()


@pytest.mark.parametrize("goes_on", [True, False])
def test_a_connection_that_is_lost_in_a_savepoint_is_a_clear_error(
    postgresql_database: Database, *, goes_on: bool
) -> None:
    """Where a damaged ledger is expected, the loss is taken for damage at first."""

    def lose_connection() -> None:
        with postgresql_database.write() as connection:
            with suppress(DBAPIError), connection.begin_nested():
                connection.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")
            if goes_on:
                connection.exec_driver_sql("SELECT 1")

    with pytest.raises(TryAgainLater, match="is away or busy"):
        lose_connection()
