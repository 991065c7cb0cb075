"""A connection of the database's driver alone, for a command that mostly has one question.

SQLAlchemy and the tables take more CPU time to import than such a command needs for all the rest.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

# Not Alembic's default: another program may keep its own in this database.
VERSION_TABLE = "release_mailer_version"
REVISIONS = ("release_mailer_0001",)  # Alembic's ids of our migrations, oldest first

_SQLITE, _POSTGRESQL = "sqlite:///", "postgresql://"


class NotPlain(Exception):
    """The database can't be asked this way: another kind of URL, or the driver's error. `Database` says what is wrong."""


class PlainDatabase:
    """An open connection. Each statement is a transaction of its own; its parameters are question marks."""

    def __init__(self, connection: Any, *, is_sqlite: bool) -> None:
        self._connection, self._is_sqlite = connection, is_sqlite

    def execute(self, statement: str, *parameters: object) -> Sequence[Sequence[Any]]:
        """The rows of a query; empty for other statements."""
        if self._is_sqlite:
            found = self._connection.execute(statement, [self._stored(value) for value in parameters])
        else:
            found = self._connection.execute(statement.replace("?", "%s"), parameters)
        return found.fetchall() if found.description else ()

    def now(self) -> datetime:
        """The time of the clock that all hosts share."""
        if self._is_sqlite:
            return datetime.now(UTC)
        ((now,),) = self.execute("SELECT clock_timestamp()")
        return self.moment(now)

    def moment(self, stored: Any) -> datetime:
        """A time that was read, aware."""
        if self._is_sqlite:
            return datetime.fromisoformat(stored).replace(tzinfo=UTC)
        read: datetime = stored
        return read.astimezone(UTC)

    @staticmethod
    def _stored(value: object) -> object:
        """A time as SQLAlchemy stores it in SQLite."""
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}" if isinstance(value, datetime) else value


@contextmanager
def plain_database(url: str, folder: Path) -> Iterator[PlainDatabase]:
    """Connect to the database that the settings name. Raises NotPlain, also for any error of the driver in the block."""
    if url.startswith(_SQLITE) and "?" not in url:
        file = (folder / url.removeprefix(_SQLITE)).absolute().as_uri()
        try:
            with closing(sqlite3.connect(f"{file}?mode=rw", uri=True, isolation_level=None)) as sqlite:
                yield PlainDatabase(sqlite, is_sqlite=True)
        except sqlite3.Error as error:
            raise NotPlain from error
    elif url.startswith(_POSTGRESQL) and url.count("@") <= 1:
        import psycopg  # noqa: PLC0415 - slow to import, and SQLite needs none

        try:
            with psycopg.connect(url, autocommit=True, connect_timeout=10) as postgresql:
                yield PlainDatabase(postgresql, is_sqlite=False)
        except psycopg.Error as error:
            raise NotPlain from error
    else:
        raise NotPlain
