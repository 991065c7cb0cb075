"""The texts that ask for consent. A consent names its text by SHA-256."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, select

from mailer.database import Prepared
from mailer.errors import NotFound, Refused
from subscribers import ledger
from subscribers.ledger import WORDING, text_hash

SHORTEST_PREFIX = 8


class RegisteredWording(NamedTuple):
    """A registered text with its topic, language and version."""

    sha256: str
    language: str
    version: str
    topic: str
    text: str

    @property
    def values(self) -> dict[str, str]:
        """All values except the text."""
        return {
            "sha256": self.sha256,
            "language": self.language,
            "version": self.version,
            "topic": self.topic,
        }


_COLUMNS = [WORDING.c[name] for name in RegisteredWording._fields]


def find(connection: Connection, sha256: str, topic: str) -> RegisteredWording | None:
    """The wording with this hash for `topic`; None where it is not registered.

    Imports may have stored a text under several languages or versions; then the result is the newest.
    """
    rows = _FIND.rows(connection, {"hash": sha256, "about": topic})
    return RegisteredWording(*rows[0]) if rows else None


_FIND = Prepared(
    select(*_COLUMNS)
    .where(WORDING.c.sha256 == bindparam("hash"), WORDING.c.topic == bindparam("about"))
    .order_by(WORDING.c.first_used_at.desc())
    .limit(1)
)


def register(
    connection: Connection, text: str, now: datetime, *, topic: str, language: str, version: str
) -> RegisteredWording:
    """Register a text, once. Needs a writing transaction.

    Raises Refused if the text would get a second language and version on the topic, or these a second text.
    Raises InvalidInput for a text that is empty or too long.
    """
    same_topic = select(*_COLUMNS).where(WORDING.c.topic == topic)
    for row in connection.execute(same_topic):
        known = RegisteredWording(*row)
        has_same_name = (known.language, known.version) == (language, version)
        has_same_text = known.sha256 == text_hash(text)
        if has_same_text and has_same_name:
            return known
        if has_same_text and (known.language or known.version):
            raise Refused(
                f"The text is registered for {topic} already, with language {known.language or 'none'!r} "
                f"and version {known.version!r}.",
                hint="It needs no second registration.",
            )
        if has_same_name and not has_same_text:
            raise Refused(
                f"Another text is registered for {topic} with this language and version.",
                hint="Give the new text a version of its own.",
            )
    ledger.store_wording(connection, text, now, topic=topic, language=language, version=version)
    return RegisteredWording(text_hash(text), language, version, topic, text)


def list_all(connection: Connection) -> list[RegisteredWording]:
    """All registered wordings, oldest first."""
    statement = select(*_COLUMNS).order_by(WORDING.c.first_used_at, WORDING.c.commitment)
    return [RegisteredWording(*row) for row in connection.execute(statement)]


def find_by_prefix(connection: Connection, prefix: str) -> RegisteredWording:
    """The wording whose hash begins with at least these 8 digits. Raises NotFound if there is none, or more
    than one.
    """
    if len(prefix) >= SHORTEST_PREFIX and prefix.isalnum():
        statement = select(*_COLUMNS).where(WORDING.c.sha256.startswith(prefix.lower(), autoescape=True))
        rows = [RegisteredWording(*row) for row in connection.execute(statement)]
        if len({row.sha256 for row in rows}) == 1:
            return rows[0]
    raise NotFound(
        "No single text has a SHA-256 that begins so.", hint="List them: `mailer consent wording list`."
    )
