"""Statements of the hot path: compiled once, run on the driver's own values.

SQLAlchemy compiles a statement once, too, but works out its parameters and result types anew at each execution.
Where one statement runs a thousand times a second, that costs more than the statement does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Dialect,
    String,
    TypeDecorator,
    UpdateBase,
    bindparam,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

Processor = Callable[[Any], Any]


class Numbers(TypeDecorator[list[int]]):
    """A list of integers as one parameter: JSON on SQLite, an array on PostgreSQL."""

    impl = String
    cache_ok = True


class AnyOf(ColumnElement[bool]):
    """``column`` is one of a list of numbers that comes as the single parameter `name`, however long it is."""

    inherit_cache = False

    def __init__(self, column: ColumnElement[int], name: str) -> None:
        self.column = column
        self.numbers = bindparam(name, type_=Numbers())


@compiles(AnyOf, "sqlite")
def _in_json(element: AnyOf, compiler: SQLCompiler, **options: Any) -> str:
    column, numbers = (
        compiler.process(element.column, **options),
        compiler.process(element.numbers, **options),
    )
    return f"{column} IN (SELECT value FROM json_each({numbers}))"


@compiles(AnyOf, "postgresql")
def _in_array(element: AnyOf, compiler: SQLCompiler, **options: Any) -> str:
    column, numbers = (
        compiler.process(element.column, **options),
        compiler.process(element.numbers, **options),
    )
    return f"{column} = ANY({numbers}::bigint[])"


class Prepared:
    """An UPDATE, INSERT or DELETE. Values are given by the names of its bound parameters.

    They are converted as the parameters' types want it; a list goes to an `AnyOf`.
    """

    def __init__(self, statement: UpdateBase) -> None:
        self._statement = statement
        self._compiled: dict[str, _Compiled] = {}

    def rows(self, connection: Connection, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Run it once; the rows of its RETURNING."""
        compiled = self._on(connection.dialect)
        result = connection.exec_driver_sql(compiled.sql, compiled.parameters(compiled.converted(values)))
        return [compiled.row(row) for row in result]

    def run_each(
        self, connection: Connection, rows: Iterable[Mapping[str, Any]], shared: Mapping[str, Any]
    ) -> None:
        """Run it once for each of `rows`, of which there is at least one; `shared` values are the same for all."""
        compiled = self._on(connection.dialect)
        shared = compiled.converted(shared)
        parameters = [compiled.parameters(shared | compiled.converted(values)) for values in rows]
        connection.exec_driver_sql(compiled.sql, parameters)

    def _on(self, dialect: Dialect) -> _Compiled:
        if dialect.name not in self._compiled:
            self._compiled[dialect.name] = _Compiled(self._statement, dialect)
        return self._compiled[dialect.name]


class _Compiled:
    """The statement in one engine's words."""

    def __init__(self, statement: UpdateBase, dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        self.sql = str(compiled)
        self._order: Sequence[str] | None = compiled.positiontup
        self._binders = {name: _binder(one, dialect) for name, one in compiled.binds.items()}
        fixed = {name: one.value for name, one in compiled.binds.items() if not one.required}
        self._fixed = self.converted(fixed)
        self._readers = [_reader(column.type, dialect) for column in statement.exported_columns]

    def converted(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values as the driver wants them."""
        binders = self._binders
        return {
            name: value if value is None or (bind := binders[name]) is None else bind(value)
            for name, value in values.items()
        }

    def parameters(self, values: Mapping[str, Any]) -> Any:
        """Converted values and fixed ones in the driver's form: by position, or by name."""
        named = {**self._fixed, **values}
        return named if self._order is None else tuple([named[name] for name in self._order])

    def row(self, row: Sequence[Any]) -> tuple[Any, ...]:
        """A row as its columns' types read it."""
        return tuple(
            [value if read is None else read(value) for read, value in zip(self._readers, row, strict=True)]
        )


def _binder(parameter: BindParameter[Any], dialect: Dialect) -> Processor | None:
    if isinstance(parameter.type, Numbers):
        return json.dumps if dialect.name == "sqlite" else None
    return parameter.type.dialect_impl(dialect).bind_processor(dialect)


def _reader(kind: TypeEngine[Any], dialect: Dialect) -> Processor | None:
    return kind.dialect_impl(dialect).result_processor(dialect, None)
