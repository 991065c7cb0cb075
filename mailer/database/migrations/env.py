"""Alembic's entry: runs the migrations in the transaction that `mailer.database.schema` has open."""

from __future__ import annotations

from alembic import context
from sqlmodel import SQLModel

from mailer.plain_database import VERSION_TABLE

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=SQLModel.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    version_table=VERSION_TABLE,
    transactional_ddl=True,  # also on SQLite, where Alembic would not count on it
)
context.run_migrations()
