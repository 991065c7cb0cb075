"""The installation: its id distinguishes this database from others with the same secret keys."""

from __future__ import annotations

from sqlalchemy import Column, Connection, String, select
from sqlmodel import Field, SQLModel

from mailer.errors import ConfigurationError


class Installation(SQLModel, table=True):
    """The one row with a random id. It is created with the tables."""

    __tablename__ = "installation"

    id: str = Field(sa_column=Column(String(32), primary_key=True))


def installation_id(connection: Connection) -> str:
    """The id of this installation: 32 hexadecimal digits. Raises ConfigurationError where there is none."""
    table = SQLModel.metadata.tables["installation"]
    found: str | None = connection.execute(select(table.c.id).limit(1)).scalar_one_or_none()
    if found is None:
        raise ConfigurationError("The database has lost its installation id.", hint="Restore a backup.")
    return found
