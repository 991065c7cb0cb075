"""The tables that statements use have the columns of the SQLModel classes, which are the schema."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import Column, Dialect
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel.sql.sqltypes import UTCDateTime as SQLModelDateTime

import mailer.limits.throttle  # noqa: F401 - they register their tables
import subscribers.account
import subscribers.rights
import subscribers.service_mails
import subscribers.webhooks  # noqa: F401 - likewise
import web  # noqa: F401 - likewise
from mailer.database import TABLES, UTCDateTime
from tests.support.schema import SCHEMA

DIALECTS = (sqlite.dialect(), postgresql.dialect())
AMSTERDAM_IN_WINTER = timezone(timedelta(hours=1))


def described(column: Column[Any]) -> tuple[object, ...]:
    """What a statement may depend on."""
    kind = column.type
    held = (
        ("instant",) if isinstance(kind, UTCDateTime | SQLModelDateTime) else (type(kind), kind.python_type)
    )
    stored = [str(kind.compile(dialect)) for dialect in DIALECTS]
    key = (column.primary_key, column.primary_key and column.autoincrement)
    default = column.default and getattr(column.default, "arg", None)
    return (column.name, held, stored, key, "called" if callable(default) else default)


def test_each_table_of_the_schema_has_a_plain_one_with_the_same_columns() -> None:
    for name, table in SCHEMA.tables.items():
        plain = TABLES.tables[name]
        assert [described(column) for column in plain.c] == [described(column) for column in table.c]
    assert set(TABLES.tables) == set(SCHEMA.tables)


@pytest.mark.parametrize("dialect", DIALECTS, ids=["sqlite", "postgresql"])
def test_an_instant_is_stored_and_read_as_sqlmodel_does_it(dialect: Dialect) -> None:
    moment = datetime(2026, 11, 22, 12, 0, tzinfo=AMSTERDAM_IN_WINTER)
    for value in (None, moment, moment.astimezone(UTC)):
        assert UTCDateTime().process_bind_param(value, dialect) == SQLModelDateTime().process_bind_param(
            value, dialect
        )
    for value in (None, moment, datetime(2026, 11, 22, 12, 0)):  # noqa: DTZ001 - as SQLite gives it
        ours = UTCDateTime().process_result_value(value, dialect)
        assert ours == SQLModelDateTime().process_result_value(value, dialect)
        assert ours is None or ours.tzinfo is UTC


def test_an_instant_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a time zone"):
        UTCDateTime().process_bind_param(datetime(2026, 11, 22), DIALECTS[0])  # noqa: DTZ001
