"""Insert rows by the thousand: many to a statement on SQLite, COPY on PostgreSQL.

SQLAlchemy's executemany processes every value of every row, which would take most of the time of an import.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import cache, lru_cache
from itertools import chain
from typing import Any, TypeAlias

from sqlalchemy import Connection, Table, text
from sqlalchemy.exc import DBAPIError

from mailer.database.column_types import UTCDateTime
from mailer.database.dialect import is_postgresql
from mailer.database.prepared import driver_cursor

Row: TypeAlias = Sequence[Any]

# Rows to a statement on SQLite, which takes 32,766 values at most.
AT_ONCE = 500


def insert(connection: Connection, table: Table, columns: tuple[str, ...], rows: Sequence[Row]) -> None:
    """Insert `rows`. Each has the values of `columns`, in their order; enums have their values."""
    if not rows:
        return
    if is_postgresql(connection):
        _copy(connection, table, columns, rows)
    else:
        _insert(connection, table, columns, rows)


def reserve_ids(connection: Connection, table: Table, count: int) -> Sequence[int]:
    """`count` numbers for the table's ``id`` that were never used before. It needs a lock against other writers."""
    if is_postgresql(connection):
        drawn = text("SELECT nextval(pg_get_serial_sequence(:name, 'id')) FROM generate_series(1, :count)")
        return connection.execute(drawn, {"name": table.name, "count": count}).scalars().all()
    with driver_cursor(connection) as cursor:
        row = cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table.name,)).fetchone()
    last = row[0] if row else 0
    return range(last + 1, last + 1 + count)


def _insert(connection: Connection, table: Table, columns: tuple[str, ...], rows: Sequence[Row]) -> None:
    whole = len(rows) - len(rows) % AT_ONCE
    with driver_cursor(connection) as cursor:
        for start in range(0, whole, AT_ONCE):
            values = _values(table, columns, rows[start : start + AT_ONCE])
            cursor.execute(_statement(table, columns, AT_ONCE), values)
        if rest := rows[whole:]:
            values_of_rest = iter(_values(table, columns, rest))
            cursor.executemany(
                _statement(table, columns, 1), zip(*[values_of_rest] * len(columns), strict=True)
            )


@cache
def _statement(table: Table, columns: tuple[str, ...], rows: int) -> str:
    row = f"({', '.join('?' for _ in columns)})"
    return f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES {', '.join([row] * rows)}"


def _values(table: Table, columns: tuple[str, ...], rows: Sequence[Row]) -> list[Any]:
    """The values of all rows in one list, in SQLite's form."""
    values: list[Any] = list(chain.from_iterable(rows))
    width = len(columns)
    for index in _instants(table, columns):
        values[index::width] = map(_as_text, values[index::width])
    return values


@cache
def _instants(table: Table, columns: tuple[str, ...]) -> Sequence[int]:
    return [index for index, name in enumerate(columns) if isinstance(table.c[name].type, UTCDateTime)]


# Rows that are recorded together have the same instant, so few are new.
@lru_cache(maxsize=20_000)
def _as_text(instant: datetime) -> str:
    """An instant as text, as SQLAlchemy stores it in SQLite."""
    return instant.astimezone(UTC).isoformat(" ", "microseconds").removesuffix("+00:00")


def _copy(connection: Connection, table: Table, columns: tuple[str, ...], rows: Iterable[Row]) -> None:
    statement = f"COPY {table.name} ({', '.join(columns)}) FROM STDIN"
    driver = connection.dialect.loaded_dbapi
    try:
        with connection.connection.cursor().copy(statement) as copy:
            for row in rows:
                copy.write_row(row)
    except driver.Error as error:
        raise DBAPIError.instance(statement, None, error, driver.Error) from None
