"""The installation: its id distinguishes this database from others with the same secret keys."""

from __future__ import annotations

from sqlalchemy import Column, Connection, String, Table, select

from mailer.database.column_types import TABLES
from mailer.errors import ConfigurationError

_TABLE = Table("installation", TABLES, Column("id", String(32), primary_key=True))


def installation_id(connection: Connection) -> str:
    """The id of this installation: 32 hexadecimal digits. Raises ConfigurationError where there is none."""
    found: str | None = connection.execute(select(_TABLE.c.id).limit(1)).scalar_one_or_none()
    if found is None:
        raise ConfigurationError("The database has lost its installation id.", hint="Restore a backup.")
    return found
