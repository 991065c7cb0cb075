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


def find(connection: Connection, sha256: str, topic: str) -> RegisteredWording | None:
    """The wording with this hash for `topic`; None where it is not registered."""
    columns = WORDING.c.text, WORDING.c.language, WORDING.c.version
    registered = select(*columns).where(WORDING.c.sha256 == sha256, WORDING.c.topic == topic)
    row = connection.execute(registered.order_by(WORDING.c.first_used_at.desc()).limit(1)).first()
    return RegisteredWording(*row) if row else None


def list_all(connection: Connection) -> list[dict[str, str]]:
    """The registered wordings, without their texts."""
    columns = WORDING.c.sha256, WORDING.c.language, WORDING.c.version, WORDING.c.topic
    return [dict(row) for row in connection.execute(select(*columns)).mappings()]
