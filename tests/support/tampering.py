"""What somebody does to the database who has all rights on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, text

from mailer.database import Database


@contextmanager
def with_all_rights(database: Database) -> Iterator[Connection]:
    """A connection on which no trigger and no reference holds, on SQLite no check either. It is committed at the end."""
    with database.engine.connect() as connection:
        if database.is_sqlite:
            connection.connection.execute("PRAGMA foreign_keys=OFF")
            connection.connection.execute("PRAGMA ignore_check_constraints=ON")
            triggers = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'"))
            for (name,) in triggers.all():
                connection.execute(text(f"DROP TRIGGER {name}"))
        else:
            connection.execute(text("SET session_replication_role = replica"))
        yield connection
        connection.commit()
    database.engine.dispose()


def tamper(database: Database, *statements: str) -> None:
    """Run statements as somebody with all rights."""
    with with_all_rights(database) as connection:
        for statement in statements:
            connection.execute(text(statement))
