"""The database: engines, transactions, pragmas, migrations and the clock.

Statements are SQLAlchemy Core on plain connections, so that one function serves a command, a worker's thread
and the web door alike. A query function takes a `Connection` and never commits; the use case owns the
transaction, through `Database.write` or `Database.read`.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from sqlalchemy import URL, Connection, Engine, StaticPool, create_engine, event, func, make_url, select
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlmodel.ext.asyncio.session import AsyncSession

from mailer.database.prepared import driver_errors
from mailer.errors import ConfigurationError, InvalidInput, Locked, MailerError, TryAgainLater

BUSY_SECONDS = 60
IDLE_SECONDS = 1  # after which a connection to PostgreSQL may have died unnoticed
FORSAKEN_SECONDS = 30  # after which PostgreSQL ends a transaction of which it hears nothing more

# A host that is cut off learns it within half a minute, not after TCP's quarter of an hour.
_NOTICE_SILENCE = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}

Clock = Callable[[], datetime]


class Database:
    """One SQLite file or one PostgreSQL database.

    `url` is SQLAlchemy's: ``sqlite:///mailer.db`` (relative to `folder`) or ``postgresql://...``.
    Raises ConfigurationError for any other.
    """

    def __init__(self, url: str, folder: Path = Path()) -> None:
        self.url = _parse(url, folder)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"

    @cached_property
    def engine(self) -> Engine:
        """The engine of commands and workers."""
        engine = create_engine(self._driver("pysqlite"), **self._options)
        _prepare(engine, self)
        return engine

    @cached_property
    def _nonblocking(self) -> Connection:
        """SQLite's connection for who does not wait for a lock. `write_at_once` begins and ends its transactions."""
        connect = {"timeout": 0, "check_same_thread": False}
        engine = create_engine(self._driver("pysqlite"), poolclass=StaticPool, connect_args=connect)
        _set_pragmas(engine, patience=0)
        return engine.connect()

    @cached_property
    def async_engine(self) -> AsyncEngine:
        """The engine of the web door's reads."""
        engine = create_async_engine(self._driver("aiosqlite"), **self._options)
        _prepare(engine.sync_engine, self)
        return engine

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One writing transaction, committed on leaving; on SQLite it takes the write lock at once."""
        with _translated(self), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def write_at_once(self) -> Iterator[Connection]:
        """Like `write`, but on SQLite and without waiting: raises Locked where somebody else is writing.

        It is for one thread, and one transaction at a time. There are hundreds a second, so the connection is kept,
        and begin and end are the driver's own: SQLAlchemy's cost as much as all that is done in between.
        """
        with _translated(self):
            connection, driver = self._begin_at_once()
            try:
                yield connection
                with driver_errors(connection):
                    driver.commit()
            except BaseException:
                self._roll_back(driver)
                raise

    def _begin_at_once(self) -> tuple[Connection, sqlite3.Connection]:
        try:
            connection = self._nonblocking
            driver = cast("sqlite3.Connection", connection.connection.driver_connection)
            with driver_errors(connection):
                driver.execute("BEGIN IMMEDIATE")
        except OperationalError as error:
            if "locked" not in str(error.orig):
                raise
            raise Locked("Somebody else is writing to the database.") from None
        return connection, driver

    def _roll_back(self, driver: sqlite3.Connection) -> None:
        """What can't even be rolled back is closed, or its lock would keep everybody else from writing."""
        try:
            driver.rollback()
        except sqlite3.Error:
            self._nonblocking.invalidate()
            del self._nonblocking

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One reading transaction; it sees a single state of the data and blocks no writer."""
        with (
            _translated(self),
            self.engine.connect() as connection,
            connection.execution_options(**self._reading).begin(),
        ):
            yield connection

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """A reading session for the web door."""
        with _translated(self):
            engine = self.async_engine.execution_options(**self._reading)
            async with AsyncSession(engine, expire_on_commit=False) as session:
                yield session

    def clock(self) -> Clock:
        """The clock that all hosts share: the database's, carried on by this machine's monotonic one.

        A host whose own clock is wrong by minutes does no harm, nor does one that is set while it runs.
        """
        if self.is_sqlite:
            return lambda: datetime.now(UTC)
        with self.read() as connection:
            started: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
            began = _elapsed()
        return lambda: started.astimezone(UTC) + timedelta(seconds=_elapsed() - began)

    def migrate(self) -> bool:
        """Create or upgrade the tables; returns whether there was anything to do.

        A new SQLite file is readable by its owner only.
        """
        if self.is_sqlite and self.url.database and not Path(self.url.database).exists():
            _create_private(Path(self.url.database))
        from mailer.database import schema  # noqa: PLC0415 - Alembic is slow to import, and most commands never need it

        with _translated(self), self.engine.connect() as connection:
            return schema.upgrade(connection)

    def is_current(self) -> bool:
        """Whether the tables are those of this version."""
        from mailer.database import schema  # noqa: PLC0415 - as above

        with self.read() as connection:
            return schema.is_current(connection)

    def close(self) -> None:
        """Give back all connections of the synchronous engine."""
        if "engine" in self.__dict__:
            self.engine.dispose()
        if "_impatient" in self.__dict__:
            self._nonblocking.close()
            self._nonblocking.engine.dispose()
            del self._nonblocking

    async def aclose(self) -> None:
        """Give back all connections."""
        if "async_engine" in self.__dict__:
            await self.async_engine.dispose()
        self.close()

    def _driver(self, sqlite_driver: str) -> URL:
        if not self.is_sqlite:
            return self.url.set(drivername="postgresql+psycopg")
        # mode=rw: only `migrate` makes a file, so that a mistyped path is an error, not an empty database.
        return self.url.set(
            drivername=f"sqlite+{sqlite_driver}",
            database=Path(self.url.database or "").absolute().as_uri(),
            query={"mode": "rw", "uri": "true"} | dict(self.url.query),
        )

    @property
    def _reading(self) -> dict[str, Any]:
        if self.is_sqlite:
            return {"read_only": True}
        return {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}

    @property
    def _options(self) -> dict[str, Any]:
        if self.is_sqlite:
            return {"connect_args": {"timeout": BUSY_SECONDS}}
        return {"connect_args": {"connect_timeout": 10, **_NOTICE_SILENCE}}


def _elapsed() -> float:
    """Seconds since some moment, those in which the machine slept included: a lease does not sleep with it."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _parse(url: str, folder: Path) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # a port that is no number
        raise ConfigurationError(
            "database_url can't be read.",
            hint='Write "sqlite:///mailer.db" or "postgresql://user@host/database".',
        ) from None
    backend = parsed.get_backend_name()
    if backend in {"postgresql", "postgres"}:
        return parsed.set(drivername="postgresql")
    if backend == "sqlite" and parsed.database and parsed.database != ":memory:":
        return parsed.set(drivername="sqlite", database=str(folder / parsed.database))
    raise ConfigurationError(
        f"database_url names {backend!r}; Release Mailer knows a SQLite file and PostgreSQL."
    )


def _create_private(path: Path) -> None:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise ConfigurationError(f"{path} can't be created: {error.strerror}.") from None


def _prepare(engine: Engine, database: Database) -> None:
    (_prepare_sqlite if database.is_sqlite else _prepare_postgresql)(engine)


def _prepare_postgresql(engine: Engine) -> None:
    """Do not let a host that froze or was cut off in a transaction hold its locks: nobody could take over.

    A connection that has not been used for a while is asked first whether it is alive.
    """

    @event.listens_for(engine, "checkin")
    def _(_connection: Any, record: Any) -> None:
        record.info["used"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def _(connection: Any, record: Any, _proxy: object) -> None:
        if time.monotonic() - record.info.get("used", time.monotonic()) > IDLE_SECONDS:
            try:
                engine.dialect.do_ping(connection)
            except engine.dialect.loaded_dbapi.Error:
                raise DisconnectionError from None

    @event.listens_for(engine, "connect")
    def _(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute(f"SET idle_in_transaction_session_timeout = '{FORSAKEN_SECONDS}s'")
        # A statement that runs a thousand times a second is planned once, and for any values: statistics from when
        # nothing was claimed would have the gate go through everything that is.
        cursor.execute("SET plan_cache_mode = force_generic_plan")
        cursor.close()
        connection.commit()


def _prepare_sqlite(engine: Engine) -> None:
    """Pragmas at connect, and transactions that begin where SQLAlchemy says so.

    Python's own begins late and never for reads, so that two writers could meet half-way and one fail with
    "database is locked"; BEGIN IMMEDIATE makes the second wait instead.
    """
    _set_pragmas(engine, BUSY_SECONDS)

    @event.listens_for(engine, "begin")
    def _(connection: Connection) -> None:
        read_only = connection.get_execution_options().get("read_only", False)
        connection.exec_driver_sql("BEGIN DEFERRED" if read_only else "BEGIN IMMEDIATE")


def _set_pragmas(engine: Engine, patience: float) -> None:
    @event.listens_for(engine, "connect")
    def _(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        _use_wal(cursor, patience)
        for pragma in ("synchronous=FULL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()


def _use_wal(cursor: Any, patience: float) -> None:
    """Turn to WAL. SQLite does not wait where two connections do so to a new file at once, so we do."""
    deadline = time.monotonic() + patience
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


@contextmanager
def _translated(database: Database) -> Iterator[None]:
    """Turn what an engine raises into our tree of errors; the statement and its values stay out."""
    try:
        yield
    except DBAPIError as error:
        raise _explain(database, error) from None
    except UnicodeEncodeError:  # an argument of other bytes, which Python hands on as lone surrogates
        raise InvalidInput("What was given is not UTF-8 text; nothing was changed.") from None


# What a driver says -> what it means to the person at the keyboard, and what to do about it.
_SYMPTOMS: tuple[tuple[tuple[str, ...], type[MailerError], str, str], ...] = (
    (
        ("no such table", "no such column", "does not exist"),
        ConfigurationError,
        "has no tables of this version",
        "Run `mailer init` in this folder.",
    ),
    (
        ("unable to open",),
        ConfigurationError,
        "can't be opened",
        "Run `mailer init`, or go to the folder with your mailer.toml first.",
    ),
    (
        ("readonly", "read-only"),
        MailerError,
        "is read-only",
        "Nothing was changed. Check the file's owner and mode.",
    ),
    (
        ("malformed", "not a database", "Could not decode"),
        MailerError,
        "is damaged",
        "Stop sending, keep the file as it is, and go back to a backup.",
    ),
    (
        ("disk is full", "No space left", "disk I/O"),
        MailerError,
        "is on a disk that is full or failing",
        "What was committed is safe. Free some room and run the command again.",
    ),
)


def _explain(database: Database, error: DBAPIError) -> MailerError:
    # Without what follows the question mark: PostgreSQL takes a password there as well.
    name = f"The database {database.url.set(query={}).render_as_string(hide_password=True)}"
    said = str(error.orig)
    for needles, kind, what, hint in _SYMPTOMS:
        if any(needle in said for needle in needles):
            return kind(f"{name} {what}.", hint=hint)
    if isinstance(error, OperationalError) or error.connection_invalidated:
        return TryAgainLater(f"{name} is away or busy.", hint="Nothing is lost; run the command again later.")
    return MailerError(f"{name} refused a statement: {type(error.orig).__name__}.")
