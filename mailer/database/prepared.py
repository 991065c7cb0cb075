"""Statements of the hot path: compiled once, run on the driver's own values.

SQLAlchemy also compiles a statement once, but works out its parameters and result types at each execution. For a
statement that runs a thousand times a second, that costs more than the statement itself. So the driver's own cursor
runs it, inside SQLAlchemy's transaction.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from importlib import import_module
from operator import itemgetter
from types import TracebackType
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, Connection, Dialect, SelectBase, UpdateBase
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeEngine

from mailer.database.any_of import ListOf
from mailer.database.dialect import is_postgresql

Processor = Callable[[Any], Any]
Row = tuple[Any, ...]
Statement = UpdateBase | SelectBase


class Prepared:
    """A statement that is run often. Values are given by the names of its bound parameters.

    They are converted as the parameters' types require; a list goes to an `AnyOf`. `each` names, in order, the
    parameters that differ from row to row in `run_each`. A statement that mostly is not needed is made at its first use,
    by a function: making one takes a millisecond.
    """

    def __init__(self, statement: Statement | Callable[[], Statement], each: Sequence[str] = ()) -> None:
        self._source, self._each = statement, each
        self._compiled: dict[str, _Compiled] = {}
        self._numbered: Numbered | None = None

    def run(self, connection: Connection, values: Mapping[str, Any]) -> int:
        """Run it once; how many rows it changed, which nobody knows yet inside `pipelined`."""
        compiled = self._on(connection.dialect)
        with driver_cursor(connection) as cursor:
            cursor.execute(compiled.sql, compiled.parameters(compiled.converted(values)))
            changed: int = cursor.rowcount
            return changed

    def rows(self, connection: Connection, values: Mapping[str, Any]) -> Sequence[Row]:
        """Run it once; the rows that it returns."""
        compiled = self._on(connection.dialect)
        with driver_cursor(connection) as cursor:
            cursor.execute(compiled.sql, compiled.parameters(compiled.converted(values)))
            return compiled.read(cursor.fetchall())

    def run_each(self, connection: Connection, rows: Sequence[Row], shared: Mapping[str, Any]) -> None:
        """Run it once for each of `rows`, of which there is at least one; `shared` values are the same for all."""
        compiled = self._on(connection.dialect)
        with driver_cursor(connection) as cursor:
            cursor.executemany(compiled.sql, compiled.parameters_each(rows, shared))

    def numbered(self) -> Numbered:
        """The statement for libpq itself."""
        if self._numbered is None:
            psycopg: Any = import_module("sqlalchemy.dialects.postgresql.psycopg")
            self._numbered = Numbered(
                self._statement, self._each, psycopg.dialect(paramstyle="numeric_dollar")
            )
        return self._numbered

    @property
    def _statement(self) -> Statement:
        return self._source if isinstance(self._source, Statement) else self._source()

    def _on(self, dialect: Dialect) -> _Compiled:
        if dialect.name not in self._compiled:
            self._compiled[dialect.name] = _Compiled(self._statement, self._each, dialect)
        return self._compiled[dialect.name]


class Step(NamedTuple):
    """A statement, and its values by name."""

    statement: Prepared
    values: Mapping[str, Any]

    def run(self, connection: Connection) -> None:
        """Run it."""
        self.statement.run(connection, self.values)

    def rows(self, connection: Connection) -> Sequence[Row]:
        """Run it; the rows that it returns."""
        return self.statement.rows(connection, self.values)


class _Compiled:
    """The statement as compiled for one engine."""

    def __init__(self, statement: Statement, each: Sequence[str], dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        self.sql = str(compiled)
        self._order: Sequence[str] | None = compiled.positiontup
        self._binders = {name: _binder(one, dialect) for name, one in compiled.binds.items()}
        fixed = {name: one.value for name, one in compiled.binds.items() if not one.required}
        self._fixed = self.converted(fixed)
        self._each = each
        self._each_binders = [
            (position, bind)
            for position, name in enumerate(each)
            if (bind := self._binders[name]) is not None
        ]
        readers = [_reader(column.type, dialect) for column in statement.exported_columns]
        self._readers = [(position, read) for position, read in enumerate(readers) if read is not None]

    def converted(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values in the form that the driver takes."""
        binders = self._binders
        return {
            name: value if value is None or (bind := binders[name]) is None else bind(value)
            for name, value in values.items()
        }

    def parameters(self, values: Mapping[str, Any]) -> Any:
        """Converted values and fixed ones in the driver's form: by position, or by name."""
        named = {**self._fixed, **values}
        return named if self._order is None else tuple([named[name] for name in self._order])

    def parameters_each(self, rows: Sequence[Row], shared: Mapping[str, Any]) -> list[Any]:
        """The same for each of many rows."""
        common = {**self._fixed, **self.converted(shared)}
        for position, bind in self._each_binders:
            rows = _mapped(rows, position, bind)
        if self._order is None:
            return [dict(zip(self._each, row, strict=True)) | common for row in rows]
        names = [*self._each, *common]
        in_order = itemgetter(*map(names.index, self._order))
        same = tuple(common.values())
        return [in_order(row + same) for row in rows]

    def read(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Rows as their columns' types read them."""
        for position, read in self._readers:
            rows = _mapped(rows, position, read)
        return rows


class Numbered(_Compiled):
    """The statement as libpq takes it: its parameters have numbers, and their values are text."""

    def __init__(self, statement: Statement, each: Sequence[str], dialect: Dialect) -> None:
        super().__init__(statement, each, dialect)
        self.octets = self.sql.encode()

    def values(self, values: Mapping[str, Any]) -> list[bytes | None]:
        """The values of all parameters in their order."""
        return [_as_text(one) for one in self.parameters(self.converted(values))]


def _as_text(value: Any) -> bytes | None:
    """A value as PostgreSQL reads it; the statement says of which type it is."""
    match value:
        case None:
            return None
        case str():
            return value.encode()
        case int():
            return b"%d" % value
        case datetime():
            return value.isoformat().encode()
        case list():
            return f"{{{','.join(map(_as_element, value))}}}".encode()
        case _:
            raise TypeError(type(value).__name__)


def _as_element(value: Any) -> str:
    """A value in the text of an array."""
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return str(value)
    text = value if isinstance(value, str) else value.isoformat()
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _mapped(rows: Sequence[Row], position: int, convert: Processor) -> list[Row]:
    """`rows` with one column converted, where it holds a value."""
    return [
        row if row[position] is None else (*row[:position], convert(row[position]), *row[position + 1 :])
        for row in rows
    ]


@contextmanager
def pipelined(connection: Connection) -> Iterator[None]:
    """Send PostgreSQL's statements together, as far as no result is read in between: one round trip.

    Only a `Prepared` may be run in it. An error is raised at the end at the latest.
    """
    if not is_postgresql(connection):
        yield
        return
    driver: Any = connection.connection.driver_connection
    with driver_errors(connection), driver.pipeline():
        yield


@contextmanager
def savepoint(connection: Connection) -> Iterator[None]:
    """Undo what was done within where it raises; the transaction goes on, and so does the error.

    SQLAlchemy's own gives each savepoint a name and compiles that, which takes most of its time.
    """
    _execute(connection, "SAVEPOINT step")
    try:
        yield
    except BaseException:
        with suppress(DBAPIError):  # the transaction is lost; the first error says why
            _execute(connection, "ROLLBACK TO SAVEPOINT step")
            _execute(connection, "RELEASE SAVEPOINT step")
        raise
    _execute(connection, "RELEASE SAVEPOINT step")


def _execute(connection: Connection, statement: str) -> None:
    with driver_cursor(connection) as cursor:
        cursor.execute(statement)


class driver_errors:  # noqa: N801 - it is used like a function
    """Turn the driver's errors into SQLAlchemy's. A class, because each generator would cost a commit 2 µs."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        dialect = self._connection.dialect
        driver: Any = dialect.loaded_dbapi
        if isinstance(error, driver.Error):
            raise DBAPIError.instance(None, None, error, driver.Error, dialect=dialect) from error


class driver_cursor(driver_errors):  # noqa: N801 - as above
    """A cursor of the driver, whose errors are turned into SQLAlchemy's."""

    def __enter__(self) -> Any:
        """The cursor."""
        self._cursor = self._connection.connection.cursor()
        return self._cursor

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with driver_errors(self._connection):
            self._cursor.close()
        super().__exit__(kind, error, trace)


def _binder(parameter: BindParameter[Any], dialect: Dialect) -> Processor | None:
    if isinstance(parameter.type, ListOf):
        return json.dumps if dialect.name == "sqlite" else None
    return parameter.type.dialect_impl(dialect).bind_processor(dialect)


def _reader(kind: TypeEngine[Any], dialect: Dialect) -> Processor | None:
    return kind.dialect_impl(dialect).result_processor(dialect, None)
