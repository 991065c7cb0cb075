"""What the SQLModel classes of all tables share: names of constraints, columns of enums, partial indexes.

Only modules that declare such classes import it, for SQLModel is slow to import.
"""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Index, Table, text
from sqlmodel import SQLModel

from mailer.database.column_types import AnyStrEnum, text_of

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


def one_of(name: str, kind: type[AnyStrEnum], *, nullable: bool = False) -> Column[AnyStrEnum]:
    """A text column for values of the enum `kind`, with a CHECK constraint.

    The constraint compares the values one by one, because for IN SQLite builds a table at each written row.
    That took a seventh of the time of a delivery's transactions.
    """
    known = " OR ".join(f"{name} = '{one.value}'" for one in kind)
    return Column(name, text_of(kind), CheckConstraint(known, name=name), nullable=nullable)


def partial_index(name: str, *columns: str, where: str) -> Index:
    """An index of the rows for which `where` holds. The migration makes it, on both engines.

    The option for PostgreSQL is left out: at each start SQLAlchemy would import that engine's dialect for it.
    """
    return Index(name, *columns, sqlite_where=text(where))


def table(model: type[SQLModel]) -> Table:
    """The table of a model."""
    found: Table = model.__table__  # type: ignore[attr-defined]  # SQLModel's stubs leave it out
    return found
