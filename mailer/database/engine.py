"""The database: engines, transactions, migrations and the clock.

Statements are SQLAlchemy Core on plain connections, so that one function serves a command, a worker's thread
and the web application alike. A query function takes a `Connection` and never commits; the use case owns the
transaction, through `Database.write` or `Database.read`.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import Connection, Engine, StaticPool, create_engine, func, select, text
from sqlalchemy.exc import OperationalError

from mailer.database import postgresql_setup, sqlite_file, sqlite_setup
from mailer.database.after_commit import take_notes
from mailer.database.attachment import hand_over
from mailer.database.driver_errors import translated_errors
from mailer.database.opened_file import OpenedFile
from mailer.database.prepared import driver_errors
from mailer.database.read_only_disk import read_as_unchanging, require_unchanged
from mailer.database.schema_version import SchemaState, is_current, read_state, wrong_version
from mailer.database.url import driver_url, parse_url
from mailer.errors import Locked

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine
    from sqlmodel.ext.asyncio.session import AsyncSession

Clock = Callable[[], datetime]


class Database:
    """One SQLite file or one PostgreSQL database.

    `url` is SQLAlchemy's: ``sqlite:///mailer.db`` (relative to `folder`) or ``postgresql://...``.
    Raises ConfigurationError for any other. `after_commit` is called with what a committed transaction noted
    (`note`); it must not wait.
    """

    def __init__(self, url: str, folder: Path = Path()) -> None:
        self.url = parse_url(url, folder)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._file = OpenedFile(Path(self.url.database or ""))
        self._version_was_checked = False
        self.after_commit: Callable[[list[Any]], None] | None = None
        self._attached: dict[type[Any], Any] = {}

    def attach(self, value: object) -> None:
        """Let code that has only a connection find `value` by its type (`attached`), in place of an earlier one."""
        self._attached[type(value)] = value

    def follow_file(self) -> None:
        """Follow a SQLite file that is replaced, in place of DatabaseReplaced: where no transaction needs an earlier one."""
        self._file.follows = True

    @cached_property
    def engine(self) -> Engine:
        """The engine of commands and workers."""
        return self._set_up(create_engine(driver_url(self.url, "pysqlite"), **self._options))

    @cached_property
    def _nonblocking(self) -> Connection:
        """A SQLite connection that fails at once when locked. `write_at_once` begins and ends its transactions."""
        connect = {"timeout": 0, "check_same_thread": False}
        engine = create_engine(driver_url(self.url, "pysqlite"), poolclass=StaticPool, connect_args=connect)
        sqlite_setup.set_pragmas(engine, busy_seconds=0)
        self._file.watch(engine)
        return engine.connect()

    @cached_property
    def async_engine(self) -> AsyncEngine:
        """The engine of the web application's reads."""
        from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415 - slow to import, and commands need none

        engine = create_async_engine(driver_url(self.url, "aiosqlite"), **self._options)
        self._set_up(engine.sync_engine)
        return engine

    @contextmanager
    def write(self, *, checked: bool = True) -> Iterator[Connection]:
        """One writing transaction, committed on leaving; on SQLite it takes the write lock at once.

        Raises ConfigurationError where the tables are not of this version, so that two versions of the program never
        both write; `checked=False` leaves that out where transactions are many and one before them has checked.
        """
        with translated_errors(self.url), self.engine.begin() as connection:
            if checked:
                self._check_version(connection)
            take_notes(connection)  # of a transaction that was rolled back
            hand_over(connection, self._attached)
            yield connection
            noted = take_notes(connection)
        self._pass_on(noted)

    @contextmanager
    def write_at_once(self) -> Iterator[Connection]:
        """Like `write`, but for SQLite only and without waiting. Raises Locked where another connection is writing.

        For one thread, and one transaction at a time. There are hundreds a second, so the connection is kept, and
        the driver begins and ends the transaction: SQLAlchemy's own costs as much as the work in between.
        """
        with translated_errors(self.url):
            connection, driver = self._begin_at_once()
            try:
                take_notes(connection)
                hand_over(connection, self._attached)
                yield connection
                noted = take_notes(connection)
                with driver_errors(connection):
                    driver.commit()
            except BaseException:
                self._roll_back(driver)
                raise
        self._pass_on(noted)

    def _pass_on(self, noted: list[Any]) -> None:
        if noted and self.after_commit is not None:
            self.after_commit(noted)

    def _begin_at_once(self) -> tuple[Connection, sqlite3.Connection]:
        try:
            if self._file.is_outdated(connection := self._nonblocking):
                self._close_nonblocking()
                connection = self._nonblocking
            driver = cast("sqlite3.Connection", connection.connection.driver_connection)
            with driver_errors(connection):
                driver.execute("BEGIN IMMEDIATE")
        except OperationalError as error:
            if "locked" not in str(error.orig):
                raise
            raise Locked("Another process is writing to the database.") from None
        return connection, driver

    def _roll_back(self, driver: sqlite3.Connection) -> None:
        """Close a connection that can't be rolled back. Its lock would keep all others from writing."""
        try:
            driver.rollback()
        except sqlite3.Error:
            self._nonblocking.invalidate()
            del self._nonblocking

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One reading transaction; it sees a single state of the data and blocks no writer."""
        with (
            translated_errors(self.url),
            self.engine.connect() as connection,
            connection.execution_options(**self._reading).begin(),
        ):
            if not self._version_was_checked:
                self._check_version(connection)
            hand_over(connection, self._attached)
            yield connection

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """A reading session for the web application."""
        from sqlmodel.ext.asyncio.session import AsyncSession  # noqa: PLC0415 - as above

        with translated_errors(self.url):
            engine = self.async_engine.execution_options(**self._reading)
            async with AsyncSession(engine, expire_on_commit=False) as session:
                yield session

    def clock(self) -> Clock:
        """The clock that all hosts share: the database's time, advanced by this machine's monotonic clock.

        So a host whose own clock is wrong by minutes, or is set while it runs, does no harm.
        """
        if self.is_sqlite:
            return lambda: datetime.now(UTC)
        with self.read() as connection:
            database_time: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
            read_at = _elapsed()
        started = database_time.astimezone(UTC)
        return lambda: started + timedelta(seconds=_elapsed() - read_at)

    def create(self) -> bool:
        """Create the tables; returns whether there were none. A new SQLite file is readable by its owner only.

        Raises ConfigurationError where the tables are of another version.
        """
        if self.is_sqlite and self.url.database:
            with suppress(FileExistsError):  # also when another process creates it at this moment
                sqlite_file.create_private(Path(self.url.database), beside=True)
        from mailer.database import schema  # noqa: PLC0415 - Alembic is slow to import, and most commands never need it

        with translated_errors(self.url), self.engine.connect() as connection:
            return schema.create(connection)

    def upgrade(self) -> bool:
        """Bring tables of an earlier version to this one; returns whether there was anything to do.

        Raises ConfigurationError where there is nothing to upgrade from, TryAgainLater where mail is being sent.
        """
        from mailer.database import schema  # noqa: PLC0415 - as above

        with translated_errors(self.url), self.engine.connect() as connection:
            return schema.upgrade(connection)

    def schema_state(self) -> SchemaState:
        """What stands in the database, compared with what this version needs."""
        with (
            translated_errors(self.url),
            self.engine.connect() as connection,
            connection.execution_options(**self._reading).begin(),
        ):
            return read_state(connection)

    def is_current(self) -> bool:
        """Whether there is a database, with the tables of this version."""
        exists = not self.is_sqlite or Path(self.url.database or "").exists()
        return exists and self.schema_state() is SchemaState.CURRENT

    def require_current(self) -> None:
        """Raise ConfigurationError, with what to do about it, where the tables are not of this version."""
        if (state := self.schema_state()) is not SchemaState.CURRENT:
            raise wrong_version(state)

    def require_writable(self) -> None:
        """Write a row and roll it back. Raises MailerError where the file, the role or the server refuses it."""
        with (
            translated_errors(self.url),
            self.engine.connect() as connection,
            connection.begin() as transaction,
        ):
            connection.execute(text("INSERT INTO throttle (name, usage_log) VALUES ('write test', '{}')"))
            if not self.is_sqlite:
                postgresql_setup.require_privileges(connection)
            transaction.rollback()

    def durability_problem(self) -> str | None:
        """What in the server's set-up may lose a commit that was answered; None where nothing does."""
        if self.is_sqlite:
            return None
        with self.read() as connection:
            return postgresql_setup.durability_problem(connection)

    def copy_file(self, target: Path, name: Path | None = None) -> None:
        """Copy a SQLite database, see `sqlite_file.copy`. `mailer.backup.snapshot.take` also checks the copy."""
        with translated_errors(self.url), self.engine.connect() as connection:
            driver = cast("sqlite3.Connection", connection.connection.driver_connection)
            sqlite_file.copy(driver, target, name or target)
            require_unchanged(connection, self.url.database or "")

    def _check_version(self, connection: Connection) -> None:
        if not is_current(connection):
            raise wrong_version(self.schema_state())
        self._version_was_checked = True

    def close(self) -> None:
        """Close all connections of the synchronous engine."""
        if "engine" in self.__dict__:
            self.engine.dispose()
        self._close_nonblocking()
        self._file.forget()

    def _close_nonblocking(self) -> None:
        if "_nonblocking" in self.__dict__:
            self._nonblocking.close()
            self._nonblocking.engine.dispose()
            del self._nonblocking

    async def aclose(self) -> None:
        """Close all connections."""
        if "async_engine" in self.__dict__:
            await self.async_engine.dispose()
        self.close()

    def _set_up(self, engine: Engine) -> Engine:
        (sqlite_setup if self.is_sqlite else postgresql_setup).set_up(engine)
        if self.is_sqlite:
            read_as_unchanging(engine, self.url.database or "")
            self._file.watch(engine)
        return engine

    @property
    def _reading(self) -> dict[str, Any]:
        on_postgresql = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        return {"read_only": True} if self.is_sqlite else on_postgresql

    @property
    def _options(self) -> dict[str, Any]:
        if self.is_sqlite:
            return {"connect_args": {"timeout": sqlite_setup.BUSY_SECONDS}}
        connect = postgresql_setup.CONNECT_OPTIONS
        return {"isolation_level": postgresql_setup.ISOLATION_LEVEL, "connect_args": connect}


def _elapsed() -> float:
    """Seconds since an arbitrary moment, including suspended time: a lease expires while its machine sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
