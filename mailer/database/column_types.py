"""Column types, and the tables that statements read and write.

Each layer declares the columns of its tables twice: as SQLModel classes, which are the schema, with its constraints and
indexes; and as plain tables, for statements. Commands import only the plain ones, because SQLModel, SQLAlchemy's ORM
below it and the classes take a fifth of a second of CPU time at each start. A test compares both.
"""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeVar

from sqlalchemy import BigInteger, DateTime, Dialect, Enum, Integer, MetaData
from sqlalchemy.types import TypeDecorator

AnyStrEnum = TypeVar("AnyStrEnum", bound=StrEnum)

TABLES = MetaData()
"""The plain tables of all layers that are imported."""

# SQLite counts only INTEGER keys up by itself. Tables with such a key ask for AUTOINCREMENT as well, which
# never reuses the number of a deleted row: an old unsubscribe link must not lead to another person.
BIG = BigInteger().with_variant(Integer, "sqlite")

# SQLite's driver looks in three places how to bind an enum's member or None, each time it binds one: 2,300 instructions.
# What is registered is in the first. The `get` of an empty dictionary answers None to None, as a lambda would, without
# a frame of Python.
sqlite3.register_adapter(type(None), dict[None, None]().get)


class UTCDateTime(TypeDecorator[datetime]):
    """An instant: an aware datetime, read in UTC. It stores what SQLModel's type of the same name stores."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """In UTC. Raises ValueError without a zone."""
        if value is None:
            return None
        if value.utcoffset() is None:
            raise ValueError("an instant needs a time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """In UTC; SQLite stores no zone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.utcoffset() is None else value.astimezone(UTC)


def text_of(kind: type[AnyStrEnum]) -> Enum:
    """Text with the values of the enum `kind`."""
    sqlite3.register_adapter(kind, str.__str__)
    return Enum(
        kind, native_enum=False, length=16, values_callable=lambda members: [one.value for one in members]
    )
