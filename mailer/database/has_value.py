"""A condition that a column has a fixed value, in rows that are looked up by their keys."""

from __future__ import annotations

from typing import Any, Self

from sqlalchemy import Boolean, Column, ColumnElement, bindparam, literal_column
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class HasValue(FunctionElement[bool]):
    """``column`` has `value`: a literal on SQLite, a parameter on PostgreSQL.

    SQLite plans a statement anew each time it is run where a parameter stands beside a column that a partial index
    names. PostgreSQL would take a literal as a reason to go through the whole of such an index.
    """

    name = "has_value"
    type = Boolean()
    inherit_cache = True

    def __init__(self, column: Column[str], value: str) -> None:
        literal: ColumnElement[bool] = literal_column(f"{column.table.name}.{column.name} = '{value}'")
        super().__init__(literal, column, bindparam(None, value, type_=column.type))

    def self_group(self, against: Any = None) -> Self:  # noqa: ARG002 - the name is SQLAlchemy's
        """The condition itself, without `= 1`, see `AnyOf`."""
        return self


@compiles(HasValue, "sqlite")
def _literal(element: HasValue, compiler: SQLCompiler, **options: Any) -> str:
    literal, _, _ = element.clauses
    return compiler.process(literal, **options)


@compiles(HasValue, "postgresql")
def _parameter(element: HasValue, compiler: SQLCompiler, **options: Any) -> str:
    _, column, value = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{column} = {value}"
