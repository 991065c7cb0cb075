"""Column types and constraint names for all tables."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar

from sqlalchemy import BigInteger, CheckConstraint, Column, Enum, Index, Integer, Table, text
from sqlmodel import SQLModel

AnyStrEnum = TypeVar("AnyStrEnum", bound=StrEnum)

# Named constraints, so that a migration finds them on both engines.
SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

# Tables are no forms: what is stored was checked before, and pydantic's validators take time at each start.
SQLModel.model_config["defer_build"] = True

# SQLite counts only INTEGER keys up by itself. Tables with such a key ask for AUTOINCREMENT as well, which
# never reuses the number of a deleted row: an old unsubscribe link must not lead to another person.
BIG = BigInteger().with_variant(Integer, "sqlite")


def one_of(name: str, kind: type[AnyStrEnum], *, nullable: bool = False) -> Column[AnyStrEnum]:
    """A text column for values of the enum `kind`, with a CHECK constraint.

    The constraint compares the values one by one, because for IN SQLite builds a table at each written row.
    That took a seventh of the time of a delivery's transactions.
    """
    held = Enum(
        kind, native_enum=False, length=16, values_callable=lambda members: [one.value for one in members]
    )
    known = " OR ".join(f"{name} = '{one.value}'" for one in kind)
    return Column(name, held, CheckConstraint(known, name=name), nullable=nullable)


def partial_index(name: str, *columns: str, where: str) -> Index:
    """An index of the rows for which `where` holds. The migration makes it, on both engines.

    The option for PostgreSQL is left out: at each start SQLAlchemy would import that engine's dialect for it.
    """
    return Index(name, *columns, sqlite_where=text(where))


def table(model: type[SQLModel]) -> Table:
    """The Core table of a model, for statements."""
    found: Table = model.__table__  # type: ignore[attr-defined]  # SQLModel's stubs leave it out
    return found
