"""The way out: signed links, and what a click on one does.

A link's token is ``base64url("<subscriber id>.<locale>.<topic>") "." signature``, in the form of itsdangerous. It
holds no personal data and does not expire. Whoever has it may withdraw, and undo that; nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import TypeAlias, assert_never

from sqlalchemy import Connection, select

from mailer.database import table
from subscribers import ledger
from subscribers.ledger import ConsentStatus, NewEvent, status_after
from subscribers.models import ConsentKind, Subscriber, Suppression
from subscribers.self_service.links import Target


class Subscription(Enum):
    """Whether somebody is on a list, as far as a link's holder is concerned."""

    ON = auto()
    LEFT = auto()  # withdrew, and may come back
    OFF = auto()  # never was on it, or is not to come back this way: erased, objected, bounced, complained


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """Take somebody off a list. `source` says through which door they asked."""

    target: Target
    source: str


@dataclass(frozen=True, slots=True)
class Resubscribe:
    """Put somebody back who withdrew. `wording` is, verbatim, what the page said they agree to."""

    target: Target
    source: str
    wording: str


Request: TypeAlias = Withdrawal | Resubscribe


@dataclass(frozen=True, slots=True)
class Contact:
    """Whom a link leads to: an address on file, and whether it is is_suppressed (suppressed)."""

    email: str
    is_suppressed: bool


@dataclass(frozen=True, slots=True)
class View:
    """What a page has to tell: the listing, and the address (None: nobody is on file)."""

    subscription: Subscription
    email: str | None


def mask_email(email: str) -> str:
    """Enough of an address for its owner to know it: ``j…@e….com``."""
    local, _, domain = email.rpartition("@")
    _, dot, top = domain.rpartition(".")
    return f"{local[:1]}…@{domain[:1]}…{dot}{top if dot else ''}"


def subscription_of(status: ConsentStatus | None, contact: Contact | None) -> Subscription:
    """Where the holder of a link finds themselves."""
    if status is None or contact is None:
        return Subscription.OFF
    match status.state:
        case ConsentKind.GRANTED | ConsentKind.REQUESTED:
            return Subscription.ON
        case ConsentKind.WITHDRAWN if not contact.is_suppressed:
            return Subscription.LEFT
        case _:
            return Subscription.OFF


def event_for(
    request: Request,
    status: ConsentStatus | None,
    contact: Contact | None,
    wording_sha256: str | None,
    now: datetime,
) -> NewEvent | None:
    """What `request` adds to the ledger; None where it is so already, or where it does not apply."""
    target, subscription = request.target, subscription_of(status, contact)
    match request:
        case Withdrawal() if subscription is Subscription.ON:
            kind, occurred_at = ConsentKind.WITHDRAWN, now
        case Resubscribe() if status is not None and subscription is Subscription.LEFT:
            # Later than the withdrawal that the page showed, whatever the clocks of two hosts say.
            kind, occurred_at = ConsentKind.GRANTED, max(now, status.since + timedelta(microseconds=1))
        case Withdrawal() | Resubscribe():
            return None
        case _:
            assert_never(request)
    return NewEvent(target.subscriber_id, target.topic, kind, occurred_at, request.source, wording_sha256)


def settle(connection: Connection, requests: Sequence[Request], now: datetime) -> list[View]:
    """Apply `requests` in their order; returns what each finds afterwards. Needs a writing transaction."""
    ledger.lock(connection)
    ids = {request.target.subscriber_id for request in requests}
    contacts = _find_contacts(connection, ids)
    statuses: dict[tuple[int, str], ConsentStatus | None] = {**ledger.statuses(connection, ids)}
    events, views = [], []
    for request in requests:
        key = request.target.subscriber_id, request.target.topic
        contact, status = contacts.get(key[0]), statuses.get(key)
        event = event_for(request, status, contact, _wording_of(connection, request, now), now)
        if event is not None:
            events.append(event)
            status = statuses[key] = status_after(status, event, event_id=0)
        views.append(View(subscription_of(status, contact), contact.email if contact else None))
    ledger.append(connection, events, now)
    return views


def look_up(connection: Connection, target: Target) -> View:
    """What the page of `target` has to tell."""
    contact = _find_contacts(connection, {target.subscriber_id}).get(target.subscriber_id)
    status = ledger.statuses(connection, {target.subscriber_id}).get((target.subscriber_id, target.topic))
    return View(subscription_of(status, contact), contact.email if contact else None)


def _wording_of(connection: Connection, request: Request, now: datetime) -> str | None:
    if isinstance(request, Withdrawal):
        return None
    return ledger.store_wording(connection, request.wording, now, language=request.target.locale)


def _find_contacts(connection: Connection, ids: Collection[int]) -> dict[int, Contact]:
    subscriber, suppression = table(Subscriber), table(Suppression)
    is_suppressed = suppression.c.address_hash.is_not(None)
    statement = (
        select(subscriber.c.id, subscriber.c.email, is_suppressed)
        .outerjoin(suppression, suppression.c.address_hash == subscriber.c.address_hash)
        .where(subscriber.c.id.in_(ids))
    )
    return {number: Contact(email, bool(shut)) for number, email, shut in connection.execute(statement)}
