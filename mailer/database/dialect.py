"""Statements that differ between SQLite and PostgreSQL, each with one function for both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, func, text


def is_postgresql(connection: Connection) -> bool:
    """Whether the connection is to PostgreSQL; it is to SQLite otherwise."""
    return connection.dialect.name == "postgresql"


def text_after(connection: Connection, column: ColumnElement[str], mark: str) -> ColumnElement[str]:
    """The text after the first `mark` in a column that has one."""
    if is_postgresql(connection):
        return func.split_part(column, mark, 2)
    return func.substr(column, func.instr(column, mark) + 1)


def insert_if_absent(
    connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]] | Mapping[str, Any]
) -> int:
    """Insert each row whose key is not in the table yet, and leave existing rows as they are; how many were inserted.

    Of two connections that insert the same row at once one inserts it.
    """
    statement = _insert(connection)(table).on_conflict_do_nothing()
    counted = statement.execution_options(preserve_rowcount=True)
    return connection.execute(counted, rows).rowcount


def upsert(
    connection: Connection,
    table: Table,
    rows: Sequence[Mapping[str, Any]] | Mapping[str, Any],
    *,
    newest_by: str,
) -> None:
    """Insert each row, or replace the row with the same key where the new one's `newest_by` column is later.

    All rows have the same columns.
    """
    if not rows:
        return
    names = rows if isinstance(rows, Mapping) else rows[0]
    statement = _insert(connection)(table)
    key = {column.name for column in table.primary_key}
    statement = statement.on_conflict_do_update(
        index_elements=list(table.primary_key),
        set_={name: statement.excluded[name] for name in names if name not in key},
        where=table.c[newest_by] < statement.excluded[newest_by],
    )
    connection.execute(statement, rows)


def lock_table(connection: Connection, table: Table) -> None:
    """Wait until no other transaction writes to `table`, and keep others from writing until this one ends.

    On SQLite, BEGIN IMMEDIATE has done that for the whole file.
    """
    if is_postgresql(connection):
        connection.execute(text(f"LOCK TABLE {table.name} IN SHARE ROW EXCLUSIVE MODE"))


def analyze(connection: Connection, *tables: Table, columns: Sequence[str] = ()) -> None:
    """Update the planner's statistics after a bulk change, before PostgreSQL's autovacuum would. Nothing on SQLite.

    With `columns`, only those of these columns.
    """
    if is_postgresql(connection):
        some = f" ({', '.join(columns)})" if columns else ""
        names = ", ".join(f"{name}{some}" for name in sorted(table.name for table in tables))
        connection.execute(text(f"ANALYZE {names}"))


def _insert(connection: Connection) -> Any:
    return import_module(f"sqlalchemy.dialects.{connection.dialect.name}").insert
