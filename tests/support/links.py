"""Unsubscribe links of people on file, as the mails carry them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import select

from mailer.config import FixedKeys, KeyRing
from mailer.database import Database, installation_id
from mailer.database.columns import table
from subscribers.address import HashedAddress
from subscribers.models import Subscriber
from subscribers.self_service import Links, Target
from subscribers.topic import Topic
from templates.language import Locale
from tests.support.campaign import TOPIC

NOON = datetime(2027, 1, 1, 12, tzinfo=UTC).timestamp()
INSTALLATION = "0123456789abcdef" * 2


def links_of(
    keys: Sequence[bytes],
    public_url: str = "https://mail.example.com",
    *,
    installation: str = INSTALLATION,
    prepared: bytes | None = None,
) -> Links:
    """Links signed with fixed keys."""
    source = FixedKeys(KeyRing(tuple(keys), prepared))
    return Links(source, installation, public_url, lambda: NOON)


def links_in(
    database: Database, keys: Sequence[bytes], public_url: str = "https://mail.example.com"
) -> Links:
    """Links of the installation that `database` is."""
    with database.read() as connection:
        return links_of(keys, public_url, installation=installation_id(connection))


def address_of(database: Database, person: int) -> HashedAddress:
    """The keyed hash of somebody's address on file."""
    subscriber = table(Subscriber)
    found = select(subscriber.c.address_hash, subscriber.c.key_id).where(subscriber.c.id == person)
    with database.read() as connection:
        return HashedAddress(*connection.execute(found).one())


def target_of(database: Database, person: int, topic: str = TOPIC, locale: Locale = "en") -> Target:
    """What the link of somebody on file is about."""
    return Target(person, address_of(database, person), Topic(topic), locale)
