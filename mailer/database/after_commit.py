"""What a transaction leaves to be done once it is committed, such as telling a file outside the database."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

_KEY = "release_mailer_after_commit"


def note(connection: Connection, item: object) -> None:
    """Hand `item` to the database's `after_commit` once this transaction is committed."""
    connection.info.setdefault(_KEY, []).append(item)


def take_notes(connection: Connection) -> list[Any]:
    """What was noted on this connection and not taken yet."""
    noted: list[Any] = connection.info.pop(_KEY, [])
    return noted
