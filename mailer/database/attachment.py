"""What an entry point attaches to a database, for code that has only a connection."""

from __future__ import annotations

from typing import Any, TypeVar

from sqlalchemy import Connection

_KEY = "release_mailer_attached"

Value = TypeVar("Value")


def hand_over(connection: Connection, values: dict[type[Any], Any]) -> None:
    """Let `attached` find these on this connection."""
    connection.info[_KEY] = values


def attached(connection: Connection, kind: type[Value]) -> Value | None:
    """The value of this type that was attached to the connection's database (`Database.attach`); None where none was."""
    found: Value | None = connection.info.get(_KEY, {}).get(kind)
    return found
