"""Rows by the thousand: SQLite's executemany and PostgreSQL's COPY, without a per-row detour through Core.

Core's own executemany looks at every value of every row; for an import that is most of the time it would take.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any, TypeAlias

from sqlalchemy import Connection, Dialect, Table
from sqlalchemy.exc import DBAPIError
from sqlmodel.sql.sqltypes import UTCDateTime

Row: TypeAlias = Sequence[int | str | datetime | None]


def insert(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert `rows`, each with a value for every column in the table's order; an enum by its value."""
    if not rows:
        return
    if connection.dialect.name == "sqlite":
        instants = [
            index for index, column in enumerate(table.columns) if isinstance(column.type, UTCDateTime)
        ]
        written = [_written(row, instants) for row in rows]
        connection.exec_driver_sql(_statement(table, connection.dialect), written)
    else:
        _copy(connection, table, rows)


@cache
def _statement(table: Table, dialect: Dialect) -> str:
    return str(table.insert().compile(dialect=dialect))


def _written(row: Row, instants: Sequence[int]) -> tuple[Any, ...]:
    cells = list(row)
    for index in instants:
        cells[index] = _as_text(cells[index])
    return tuple(cells)


# Few instants are new: one row's stand in several tables, and what is recorded together is recorded at once.
@lru_cache(maxsize=20_000)
def _as_text(instant: datetime) -> str:
    """SQLite has no instants; this is how SQLAlchemy writes them there."""
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def _copy(connection: Connection, table: Table, rows: Iterable[Row]) -> None:
    columns = ", ".join(column.name for column in table.columns)
    statement = f"COPY {table.name} ({columns}) FROM STDIN"
    driver = connection.dialect.loaded_dbapi
    try:
        with connection.connection.cursor().copy(statement) as copy:
            for row in rows:
                copy.write_row(row)
    except driver.Error as error:
        raise DBAPIError.instance(statement, None, error, driver.Error) from None
