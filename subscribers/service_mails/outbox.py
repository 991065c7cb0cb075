"""The service mails that wait: enqueue, claim, settle, purge. The caller owns the transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, Connection, Integer, Table, delete, exists, insert, select, update

from mailer import backup
from mailer.database import BIG, TABLES, Prepared, UTCDateTime, text_of
from subscribers import pending_requests
from templates.service_mail import ServiceMailKind

SERVICE_MAIL = Table(
    "service_mail",
    TABLES,
    Column("id", BIG, primary_key=True),
    Column("kind", text_of(ServiceMailKind)),
    Column("request_id", BIG),
    Column("expires_at", UTCDateTime),
    Column("next_attempt_at", UTCDateTime),
    Column("attempts", Integer),
    Column("attempted_at", UTCDateTime),
)

SENT_WITHIN = timedelta(hours=1)
"""A mail that could not be sent within it is deleted: the person has asked again, or given up."""

FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(minutes=16)


@dataclass(frozen=True, slots=True)
class Claim:
    """A mail whose attempt is recorded. `attempts` counts this one too."""

    id: int
    kind: ServiceMailKind
    request_id: int
    attempts: int


def enqueue(connection: Connection, kind: ServiceMailKind, request_id: int, now: datetime) -> None:
    """Let a mail about a request be sent, in the transaction of the request.

    Mails about one request are attempted in the order in which they were enqueued.
    """
    row = {
        "kind": kind,
        "request_id": request_id,
        "expires_at": now + SENT_WITHIN,
        "next_attempt_at": now,
        "attempts": 0,
        "attempted_at": None,
    }
    connection.execute(insert(SERVICE_MAIL), row)


def is_any_due(connection: Connection, now: datetime) -> bool:
    """Whether a mail is due, and may be sent: a restored database sends none before the journal was replayed."""
    return bool(_ANY.rows(connection, {})) and _find_due(connection, now) is not None


_ANY = Prepared(select(SERVICE_MAIL.c.id).limit(1))


def claim(connection: Connection, now: datetime) -> Claim | None:
    """Record the attempt of the next due mail; None where none is due. Of two processes one gets it.

    Needs a writing transaction, which is committed before the mail is offered.
    """
    while (found := _find_due(connection, now)) is not None:
        taken = (
            update(SERVICE_MAIL)
            .where(SERVICE_MAIL.c.id == found.id, SERVICE_MAIL.c.attempted_at.is_(None))
            .values(attempted_at=now, attempts=SERVICE_MAIL.c.attempts + 1)
        )
        if connection.execute(taken).rowcount:
            return Claim(found.id, found.kind, found.request_id, found.attempts + 1)
    return None


def remove(connection: Connection, number: int) -> None:
    """Delete a mail that has its outcome, or that there is no reason to send."""
    connection.execute(delete(SERVICE_MAIL).where(SERVICE_MAIL.c.id == number))


def put_back(connection: Connection, claimed: Claim, now: datetime, *, at_once: bool) -> None:
    """Let a mail that was not offered be attempted again: after a while that doubles, or at once."""
    wait = timedelta(0) if at_once else min(FIRST_WAIT * 2 ** (claimed.attempts - 1), LONGEST_WAIT)
    again = update(SERVICE_MAIL).where(SERVICE_MAIL.c.id == claimed.id)
    connection.execute(again.values(attempted_at=None, next_attempt_at=now + wait))


def is_any_over(connection: Connection, now: datetime) -> bool:
    """Whether there is anything to purge."""
    expired = select(SERVICE_MAIL.c.id).where(SERVICE_MAIL.c.expires_at <= now).limit(1)
    return connection.execute(expired).first() is not None or pending_requests.is_any_over(connection, now)


def purge(connection: Connection, now: datetime) -> None:
    """Delete expired mails, and the requests that are over."""
    connection.execute(delete(SERVICE_MAIL).where(SERVICE_MAIL.c.expires_at <= now))
    pending_requests.purge(connection, now)


def _find_due(connection: Connection, now: datetime) -> Any:
    if backup.awaits_replay(connection):
        return None
    earlier = SERVICE_MAIL.alias()
    waits = exists().where(
        earlier.c.request_id == SERVICE_MAIL.c.request_id,
        earlier.c.id < SERVICE_MAIL.c.id,
        earlier.c.attempts == 0,
    )
    statement = (
        select(SERVICE_MAIL.c.id, SERVICE_MAIL.c.kind, SERVICE_MAIL.c.request_id, SERVICE_MAIL.c.attempts)
        .where(
            SERVICE_MAIL.c.attempted_at.is_(None),
            SERVICE_MAIL.c.next_attempt_at <= now,
            SERVICE_MAIL.c.expires_at > now,
            ~waits,
        )
        .order_by(SERVICE_MAIL.c.id)
        .limit(1)
    )
    return connection.execute(statement).first()
