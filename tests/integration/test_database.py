"""The database's promises, on both engines."""

from __future__ import annotations

from mailer.database import Database


def test_a_migrated_database_is_current(database: Database) -> None:
    assert database.is_current()
