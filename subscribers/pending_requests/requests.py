"""Add, find, spend and purge pending requests. The caller owns the transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    String,
    Table,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from mailer.database import BIG, TABLES, UTCDateTime, text_of
from subscribers.pending_requests import attempts
from subscribers.pending_requests.kinds import RequestKind
from subscribers.pending_requests.links import LinkTarget
from subscribers.people import Names
from subscribers.tables import WORDING
from templates.language import Locale, parse_locale

PENDING_REQUEST = Table(
    "pending_request",
    TABLES,
    Column("id", BIG, primary_key=True),
    Column("kind", text_of(RequestKind)),
    Column("subscriber_id", BIG),
    Column("topic", String(100)),
    Column("locale", String(16)),
    Column("salutation", String(200)),
    Column("first_name", String(200)),
    Column("surname", String(200)),
    Column("email", String(320)),
    Column("wording", String(64)),
    Column("requested_at", UTCDateTime),
    Column("expires_at", UTCDateTime),
    Column("spent_at", UTCDateTime),
)

LIFETIMES = {
    RequestKind.OWN_DATA: timedelta(hours=1),
    RequestKind.NEW_ADDRESS: timedelta(days=1),
    RequestKind.TOPIC: timedelta(days=7),
    RequestKind.SIGN_UP: timedelta(days=7),
}
"""How long the person has to confirm."""

NO_NAMES = Names()
_NOTHING_STATED = {"salutation": "", "first_name": "", "surname": "", "email": ""}
COUNTED_FOR = timedelta(days=1)
"""How long a request of a person on file remains after it was made, spent or expired, to be counted."""


@dataclass(frozen=True, slots=True)
class RequestedPerson:
    """The fields that a request stated: those of a sign-up, or a new address alone."""

    names: Names = NO_NAMES
    email: str = ""


@dataclass(frozen=True, slots=True)
class StoredRequest:
    """A pending request. `wording` is the text that was shown."""

    id: int
    kind: RequestKind
    subscriber_id: int | None
    topic: str
    locale: Locale
    stated: RequestedPerson
    wording: str | None
    requested_at: datetime
    expires_at: datetime


def add(
    connection: Connection,
    kind: RequestKind,
    locale: Locale,
    now: datetime,
    *,
    subscriber_id: int | None = None,
    topic: str = "",
    stated: RequestedPerson | None = None,
    wording: str | None = None,
) -> int:
    """Store a request; returns its number. `wording` is the commitment to the text that was shown."""
    stated = stated or RequestedPerson()
    row: dict[str, Any] = {
        "kind": kind,
        "subscriber_id": subscriber_id,
        "topic": topic,
        "locale": locale,
        "email": stated.email,
        "wording": wording,
        "requested_at": now,
        "expires_at": now + LIFETIMES[kind],
        "spent_at": None,
    } | stated.names._asdict()
    statement = insert(PENDING_REQUEST).returning(PENDING_REQUEST.c.id)
    number: int = connection.execute(statement, row).scalar_one()
    return number


def find_open(connection: Connection, number: int, now: datetime) -> StoredRequest | None:
    """The request with this number; None where it is unknown, spent or expired."""
    statement = (
        select(PENDING_REQUEST, WORDING.c.text)
        .outerjoin(WORDING, WORDING.c.commitment == PENDING_REQUEST.c.wording)
        .where(PENDING_REQUEST.c.id == number, *_is_open(now))
    )
    row = connection.execute(statement).first()
    if row is None:
        return None
    return StoredRequest(
        row.id,
        row.kind,
        row.subscriber_id,
        row.topic,
        parse_locale(row.locale),
        RequestedPerson(Names(row.salutation, row.first_name, row.surname), row.email),
        row.text,
        row.requested_at,
        row.expires_at,
    )


def find_linked(connection: Connection, target: LinkTarget, now: datetime) -> StoredRequest | None:
    """The request that a link is about; None where it is over, or where the number is another request's now."""
    found = find_open(connection, target.request_id, now)
    if found is None or (found.kind, found.requested_at) != (target.kind, target.requested_at):
        return None
    return found


def spend(connection: Connection, number: int, now: datetime) -> bool:
    """Spend the request; returns whether it was open. Of two that spend it at once one does.

    The fields that it stated are deleted. Needs a writing transaction.
    """
    statement = update(PENDING_REQUEST).where(PENDING_REQUEST.c.id == number, *_is_open(now))
    return connection.execute(statement.values(spent_at=now, **_NOTHING_STATED)).rowcount > 0


def close(
    connection: Connection, subscriber_id: int, now: datetime, *, kind: RequestKind | None = None
) -> None:
    """Spend the open requests of a person on file, or those of one kind: their links and mails end.

    The rows remain, to be counted. Needs the ledger's lock.
    """
    statement = update(PENDING_REQUEST).where(
        PENDING_REQUEST.c.subscriber_id == subscriber_id, PENDING_REQUEST.c.spent_at.is_(None)
    )
    if kind is not None:
        statement = statement.where(PENDING_REQUEST.c.kind == kind)
    connection.execute(statement.values(spent_at=now, **_NOTHING_STATED))


def request_times(
    connection: Connection, subscriber_id: int, kind: RequestKind, since: datetime
) -> list[datetime]:
    """When a person on file made requests of this kind since `since`, newest first."""
    statement = (
        select(PENDING_REQUEST.c.requested_at)
        .where(
            PENDING_REQUEST.c.subscriber_id == subscriber_id,
            PENDING_REQUEST.c.kind == kind,
            PENDING_REQUEST.c.requested_at > since,
        )
        .order_by(PENDING_REQUEST.c.requested_at.desc())
    )
    return list(connection.execute(statement).scalars())


def of_person(connection: Connection, subscriber_id: int, email_normalised: str) -> list[dict[str, Any]]:
    """The requests of a person, and those that state their address, as plain values; oldest first."""
    of_them = or_(
        PENDING_REQUEST.c.subscriber_id == subscriber_id,
        func.lower(PENDING_REQUEST.c.email) == email_normalised,
    )
    rows = connection.execute(select(PENDING_REQUEST).where(of_them).order_by(PENDING_REQUEST.c.id))
    return [
        {
            "kind": row.kind.value,
            "topic": row.topic or None,
            "salutation": row.salutation or None,
            "first_name": row.first_name or None,
            "surname": row.surname or None,
            "email": row.email or None,
            "requested_at": row.requested_at,
            "expires_at": row.expires_at,
            "confirmed_at": row.spent_at,
        }
        for row in rows
    ]


def remove_of_address(connection: Connection, email_normalised: str) -> None:
    """Delete the requests that stated this address, in any spelling."""
    stated = func.lower(PENDING_REQUEST.c.email) == email_normalised
    connection.execute(delete(PENDING_REQUEST).where(stated))


def is_any_over(connection: Connection, now: datetime) -> bool:
    """Whether there is anything to purge."""
    found = select(PENDING_REQUEST.c.id).where(_is_over(now)).limit(1)
    return connection.execute(found).first() is not None or attempts.is_any_expired(connection, now)


def purge(connection: Connection, now: datetime) -> int:
    """Delete the requests that are expired or spent, and no longer counted, and the counts of attempts that are
    over; returns the number of requests.
    """
    attempts.purge(connection, now)
    return connection.execute(delete(PENDING_REQUEST).where(_is_over(now))).rowcount


def _is_over(now: datetime) -> ColumnElement[bool]:
    over = or_(PENDING_REQUEST.c.expires_at <= now, PENDING_REQUEST.c.spent_at.is_not(None))
    uncounted = or_(
        PENDING_REQUEST.c.subscriber_id.is_(None), PENDING_REQUEST.c.requested_at <= now - COUNTED_FOR
    )
    return and_(over, uncounted)


def _is_open(now: datetime) -> tuple[Any, ...]:
    return PENDING_REQUEST.c.spent_at.is_(None), PENDING_REQUEST.c.expires_at > now
