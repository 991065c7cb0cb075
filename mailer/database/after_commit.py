"""Work to do after a transaction commits, such as writing to a file outside the database."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

_KEY = "release_mailer_after_commit"


def note(connection: Connection, item: object) -> None:
    """Pass `item` to the database's `after_commit` when this transaction commits."""
    connection.info.setdefault(_KEY, []).append(item)


def take_notes(connection: Connection) -> list[Any]:
    """The items noted on this connection since the last call."""
    noted: list[Any] = connection.info.pop(_KEY, [])
    return noted
