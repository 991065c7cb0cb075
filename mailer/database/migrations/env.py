"""Alembic's entry: runs the migrations in the transaction that `mailer.database.schema.upgrade` has open."""

from __future__ import annotations

from alembic import context
from sqlmodel import SQLModel

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=SQLModel.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    transactional_ddl=True,  # also on SQLite, where Alembic would not count on it
)
context.run_migrations()
