"""A condition that compares a column with a list. A list of any length is one parameter."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any, Self

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    ColumnElement,
    Dialect,
    String,
    TypeDecorator,
    bindparam,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine


class ListOf(TypeDecorator[Collection[Any]]):
    """A list as one parameter: JSON on SQLite, an array on PostgreSQL.

    It is a real array, because PostgreSQL would parse an array cast from text again for each row.
    """

    impl = String
    cache_ok = True

    def __init__(self, item: TypeEngine[Any]) -> None:
        super().__init__()
        self.item = item

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The type that the driver is given."""
        return dialect.type_descriptor(ARRAY(self.item) if dialect.name == "postgresql" else String())

    def process_bind_param(self, value: Collection[Any] | None, dialect: Dialect) -> Any:
        """The list in the form that the driver accepts."""
        if value is None:
            return None
        return list(value) if dialect.name == "postgresql" else json.dumps(list(value))


class AnyOf(FunctionElement[bool]):
    """``column`` is one of `values`. A string names a bound parameter with the list."""

    name = "any_of"
    type = Boolean()
    inherit_cache = True

    def __init__(self, column: ColumnElement[Any], values: Collection[Any] | str) -> None:
        listed = ListOf(BigInteger() if isinstance(column.type, BigInteger) else column.type)
        parameter = (
            bindparam(values, type_=listed)
            if isinstance(values, str)
            else bindparam(None, values, type_=listed)
        )
        super().__init__(column, parameter)

    def self_group(self, against: Any = None) -> Self:  # noqa: ARG002 - the name is SQLAlchemy's
        """The condition itself. SQLAlchemy would write `(… IN …) = 1` on SQLite, which then uses no index."""
        return self


@compiles(AnyOf, "sqlite")
def _in_json(element: AnyOf, compiler: SQLCompiler, **options: Any) -> str:
    column, parameter = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({parameter}))"


@compiles(AnyOf, "postgresql")
def _in_array(element: AnyOf, compiler: SQLCompiler, **options: Any) -> str:
    column, parameter = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{column} = ANY({parameter})"
