"""The endpoints in the database: add, list, rotate the secret, replay, remove."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, Connection, Integer, Row, String, Table, delete, insert, select, update

from mailer.config import KeyRing
from mailer.database import BIG, TABLES, UTCDateTime
from mailer.errors import ConfigurationError, NotFound
from mailer.keyed_hash import key_id
from mailer.webhooks import derive_secret
from subscribers import changes

ENDPOINT = Table(
    "webhook_endpoint",
    TABLES,
    Column("id", String(16), primary_key=True),
    Column("url", String(2000)),
    Column("key_id", String(16)),
    Column("generation", Integer),
    Column("former_key_id", String(16)),
    Column("rotated_at", UTCDateTime),
    Column("cursor", BIG),
    Column("created_at", UTCDateTime),
    Column("next_attempt_at", UTCDateTime),
    Column("failures", Integer),
    Column("failing_since", UTCDateTime),
    Column("parked_at", UTCDateTime),
    Column("last_answer", String(200)),
    Column("lease", String(32)),
    Column("lease_until", UTCDateTime),
)
FORMER_SECRET_SIGNS_FOR = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint. `cursor` is the number of the last change that it received."""

    id: str
    url: str
    key_id: str
    generation: int
    former_key_id: str | None
    rotated_at: datetime | None
    cursor: int
    created_at: datetime
    next_attempt_at: datetime
    failures: int
    failing_since: datetime | None
    parked_at: datetime | None
    last_answer: str


_COLUMNS = [ENDPOINT.c[name] for name in Endpoint.__slots__]


def add(connection: Connection, url: str, ring: KeyRing, now: datetime, *, from_start: bool) -> Endpoint:
    """Add an endpoint, which receives the changes from now on, or all. Needs a writing transaction."""
    endpoint_id = secrets.token_hex(6)
    row = {
        "id": endpoint_id,
        "url": url,
        "key_id": key_id(ring.keys[-1]),
        "generation": 1,
        "cursor": 0 if from_start else changes.newest_number(connection),
        "created_at": now,
        "next_attempt_at": now,
        "failures": 0,
        "last_answer": "",
    }
    connection.execute(insert(ENDPOINT), row)
    return find(connection, endpoint_id)


def find(connection: Connection, endpoint_id: str) -> Endpoint:
    """The endpoint with this id. Raises NotFound."""
    row = connection.execute(select(*_COLUMNS).where(ENDPOINT.c.id == endpoint_id)).first()
    if row is None:
        raise NotFound(
            f"There is no webhook {endpoint_id[:20]!r}.", hint="List them: `mailer webhooks list`."
        )
    return _from_row(row)


def list_all(connection: Connection) -> list[Endpoint]:
    """All endpoints, oldest first."""
    statement = select(*_COLUMNS).order_by(ENDPOINT.c.created_at, ENDPOINT.c.id)
    return [_from_row(row) for row in connection.execute(statement)]


def remove(connection: Connection, endpoint_id: str) -> None:
    """Remove an endpoint. Raises NotFound."""
    find(connection, endpoint_id)
    connection.execute(delete(ENDPOINT).where(ENDPOINT.c.id == endpoint_id))


def rotate(connection: Connection, endpoint_id: str, ring: KeyRing, now: datetime) -> Endpoint:
    """Give an endpoint a new secret. For a day calls are signed with both. Raises NotFound."""
    before = find(connection, endpoint_id)
    values = {
        "key_id": key_id(ring.keys[-1]),
        "former_key_id": before.key_id,
        "generation": before.generation + 1,
        "rotated_at": now,
    }
    connection.execute(update(ENDPOINT).where(ENDPOINT.c.id == endpoint_id).values(values))
    return find(connection, endpoint_id)


def replay(connection: Connection, endpoint_id: str, after: int, now: datetime) -> None:
    """Send an endpoint all changes after number `after` again. Raises NotFound."""
    find(connection, endpoint_id)
    connection.execute(
        update(ENDPOINT)
        .where(ENDPOINT.c.id == endpoint_id)
        .values(cursor=after, lease=None, lease_until=None)
    )
    resume(connection, endpoint_id, now)


def resume(connection: Connection, endpoint_id: str, now: datetime) -> None:
    """Call an endpoint again, now. Raises NotFound."""
    find(connection, endpoint_id)
    values = {"parked_at": None, "failing_since": None, "failures": 0, "next_attempt_at": now}
    connection.execute(update(ENDPOINT).where(ENDPOINT.c.id == endpoint_id).values(values))


def secrets_of(endpoint: Endpoint, ring: KeyRing, now: datetime) -> list[str]:
    """The secrets that sign a call: the newest first, and for a day after a rotation the former one.

    Raises ConfigurationError where the key of the newest is no longer in the settings.
    """
    keys = {key_id(key): key for key in ring.verifying}
    if endpoint.key_id not in keys:
        raise ConfigurationError(
            f"The secret of webhook {endpoint.id} was made with a secret key that is gone.",
            hint=f"Put the key back, or make a new secret: `mailer webhooks rotate {endpoint.id}`.",
        )
    found = [derive_secret(keys[endpoint.key_id], endpoint.id, endpoint.generation)]
    recent = endpoint.rotated_at is not None and now < endpoint.rotated_at + FORMER_SECRET_SIGNS_FOR
    if recent and endpoint.former_key_id in keys:
        found.append(derive_secret(keys[endpoint.former_key_id], endpoint.id, endpoint.generation - 1))
    return found


def _from_row(row: Row[Any]) -> Endpoint:
    """The endpoint in a row of `_COLUMNS`."""
    return Endpoint(*tuple(row))
