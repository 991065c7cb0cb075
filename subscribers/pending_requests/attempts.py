"""Count attempts by what must not be stored, such as an address or a network: keyed hashes that expire."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Column, Connection, Integer, String, Table, delete, select, update

from mailer.database import TABLES, UTCDateTime, insert_if_absent
from mailer.keyed_hash import KeyedHash

PORTION = 5_000
_PURPOSE = b"release-mailer attempts 1\0"


ATTEMPT_COUNT = Table(
    "attempt_count",
    TABLES,
    Column("key_hash", String(64), primary_key=True),
    Column("attempts", Integer),
    Column("expires_at", UTCDateTime),
)


@dataclass(frozen=True, slots=True)
class AttemptLimit:
    """At most `most` attempts with the same value in each period. `name` tells limits apart."""

    name: str
    most: int
    period: timedelta


def count_attempt(connection: Connection, limit: AttemptLimit, value: str, key: bytes, now: datetime) -> bool:
    """Count an attempt with `value`; returns whether it is within the limit. Needs a writing transaction.

    The statements are the same, whatever the value and the count.
    """
    seconds = int(limit.period.total_seconds())
    began = int(now.timestamp()) // seconds * seconds
    message = f"{limit.name}\0{began}\0{value}"
    hashed = KeyedHash(key, _PURPOSE).digest(message.encode()).hex()
    expires_at = datetime.fromtimestamp(began + seconds, now.tzinfo)
    row = {"key_hash": hashed, "attempts": 0, "expires_at": expires_at}
    insert_if_absent(connection, ATTEMPT_COUNT, row)
    counted = update(ATTEMPT_COUNT).where(ATTEMPT_COUNT.c.key_hash == hashed)
    connection.execute(counted.values(attempts=ATTEMPT_COUNT.c.attempts + 1))
    found = select(ATTEMPT_COUNT.c.attempts).where(ATTEMPT_COUNT.c.key_hash == hashed)
    attempts: int = connection.execute(found).scalar_one()
    return attempts <= limit.most


def is_any_expired(connection: Connection, now: datetime) -> bool:
    """Whether there is a count of a period that is over."""
    found = select(ATTEMPT_COUNT.c.key_hash).where(ATTEMPT_COUNT.c.expires_at <= now).limit(1)
    return connection.execute(found).first() is not None


def purge(connection: Connection, now: datetime) -> None:
    """Delete counts of periods that are over, at most PORTION, so that nobody waits long for the transaction."""
    expired = select(ATTEMPT_COUNT.c.key_hash).where(ATTEMPT_COUNT.c.expires_at <= now).limit(PORTION)
    connection.execute(delete(ATTEMPT_COUNT).where(ATTEMPT_COUNT.c.key_hash.in_(expired)))
