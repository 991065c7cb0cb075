"""The wording that a consent names by the SHA-256 of its text."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, select

from subscribers.ledger import WORDING


class RegisteredWording(NamedTuple):
    """A text that was shown, with its language and version."""

    text: str
    language: str
    version: str


def find(connection: Connection, sha256: str, topic: str) -> RegisteredWording | None:  # noqa: ARG001
    """The wording with this hash for `topic`; None where it is not registered."""
    columns = WORDING.c.text, WORDING.c.language, WORDING.c.version
    row = connection.execute(select(*columns).where(WORDING.c.sha256 == sha256)).first()
    return RegisteredWording(*row) if row else None


def list_all(connection: Connection) -> list[dict[str, str]]:
    """The registered wordings, without their texts."""
    rows = connection.execute(select(WORDING.c.sha256, WORDING.c.language, WORDING.c.version))
    return [
        {"sha256": row.sha256, "language": row.language, "version": row.version, "topic": "*"} for row in rows
    ]
