"""Idempotency: for a day, a repeated request with the same key gets the answer of the first.

A row has keyed hashes of the key and of the body, and an answer without an address. It is deleted after a
day, or when its person is erased.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Column, Connection, Integer, String, Table, Text, bindparam, delete, select

from mailer.config import KeySource
from mailer.database import BIG, TABLES, AnyOf, Prepared, UTCDateTime, insert
from mailer.keyed_hash import KeyedHash
from mailer.retention import ExpiredRows

KEPT_FOR = timedelta(days=1)
LONGEST_KEY = 255
_PURPOSE = b"release-mailer idempotency 1\0"


REQUEST = Table(
    "idempotent_request",
    TABLES,
    Column("key_hash", String(64), primary_key=True),
    Column("body_hash", String(64)),
    Column("status", Integer),
    Column("answer", Text),
    Column("subscriber_id", BIG),
    Column("answered_at", UTCDateTime),
)


class RequestFingerprint(NamedTuple):
    """Identifies a repeated request: the keyed hashes (hex) of its Idempotency-Key and of its body."""

    key_hash: str
    body_hash: str


class Answered(NamedTuple):
    """The stored answer to a request."""

    body_hash: str
    status: int
    values: Mapping[str, Any]

    def is_of(self, fingerprint: RequestFingerprint) -> bool:
        """Whether the request had the same body."""
        return hmac.compare_digest(self.body_hash, fingerprint.body_hash)


@dataclass(frozen=True, slots=True)
class IdempotencyKeys:
    """Makes fingerprints with the oldest secret key, which a rotation keeps."""

    keys: KeySource

    def fingerprint(
        self, token_id: str, route: str, key: str, body: bytes, index: int = 0
    ) -> RequestFingerprint:
        """The fingerprint of a request to `route`, or of item `index` of a batch."""
        hashed = KeyedHash(self.keys.current().keys[0], _PURPOSE)
        name = "\0".join((token_id, route, str(index), key))
        return RequestFingerprint(
            hashed.digest(b"key\0" + name.encode()).hex(), hashed.digest(b"body\0" + body).hex()
        )


def find(
    connection: Connection, fingerprints: Collection[RequestFingerprint], now: datetime
) -> dict[str, Answered]:
    """The stored answers to requests with these keys within a day, by the key's hash."""
    if not fingerprints:
        return {}
    hashes = [fingerprint.key_hash for fingerprint in fingerprints]
    rows = _FIND.rows(connection, {"keys": hashes, "after": now - KEPT_FOR})
    return {
        key_hash: Answered(body_hash, status, json.loads(answer))
        for key_hash, body_hash, status, answer in rows
    }


_FIND = Prepared(
    select(REQUEST.c.key_hash, REQUEST.c.body_hash, REQUEST.c.status, REQUEST.c.answer).where(
        AnyOf(REQUEST.c.key_hash, "keys"), REQUEST.c.answered_at > bindparam("after")
    )
)
_FORGET = Prepared(delete(REQUEST).where(AnyOf(REQUEST.c.key_hash, "keys")))


def remember(
    connection: Connection,
    answers: Collection[tuple[RequestFingerprint, int, Mapping[str, Any], int | None]],
    now: datetime,
) -> None:
    """Store answers: fingerprint, status, values, and the id of the subscriber whom the request is about."""
    if not answers:
        return
    _FORGET.run(connection, {"keys": [fingerprint.key_hash for fingerprint, *_ in answers]})
    rows = [
        (*fingerprint, status, json.dumps(values, ensure_ascii=False), subscriber_id, now)
        for fingerprint, status, values, subscriber_id in answers
    ]
    columns = ("key_hash", "body_hash", "status", "answer", "subscriber_id", "answered_at")
    insert(connection, REQUEST, columns, rows)


def old_answers(now: datetime) -> ExpiredRows:
    """The rows that are older than a day."""
    return ExpiredRows(
        "answers_to_the_account_system", REQUEST.c.key_hash, REQUEST.c.answered_at <= now - KEPT_FOR
    )


def forget_old(connection: Connection, now: datetime) -> None:
    """Delete the rows that are older than a day."""
    connection.execute(delete(REQUEST).where(REQUEST.c.answered_at <= now - KEPT_FOR))


class StoredAnswers:
    """The stored answers about a person (`subscribers.personal_data.PersonalDataHolder`)."""

    name = "account_requests"
    tables = frozenset({REQUEST.name})

    def find(self, connection: Connection, subscriber_id: int) -> list[dict[str, Any]]:
        """When requests of an account system about a person were answered, and how; oldest first."""
        of_person = REQUEST.c.subscriber_id == subscriber_id
        rows = connection.execute(
            select(REQUEST.c.answered_at, REQUEST.c.status).where(of_person).order_by(REQUEST.c.answered_at)
        )
        return [{"answered_at": row.answered_at, "status": row.status} for row in rows]

    def erase(self, connection: Connection, subscriber_id: int) -> None:
        """Delete the rows about a person."""
        forget_subscriber(connection, subscriber_id)


def forget_subscriber(connection: Connection, subscriber_id: int) -> None:
    """Delete the rows about one person."""
    connection.execute(delete(REQUEST).where(REQUEST.c.subscriber_id == subscriber_id))
