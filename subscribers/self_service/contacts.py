"""The subscribers that links lead to."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, select

from mailer.database import AnyOf, Prepared
from subscribers.self_service.links import Target
from subscribers.tables import SUBSCRIBER, SUPPRESSION


@dataclass(frozen=True, slots=True)
class Contact:
    """The subscriber of a link. `is_suppressed`: the address gets no mail, although consents are granted."""

    email: str
    address_hash: str
    is_suppressed: bool


def leads_to(target: Target, contact: Contact | None) -> bool:
    """Whether the link's address is the subscriber's, and not one that they had before."""
    return contact is not None and contact.address_hash == target.address.hash


def find_contacts(connection: Connection, ids: Collection[int]) -> dict[int, Contact]:
    """The subscribers with these ids, as far as they are on file."""
    rows = _CONTACTS.rows(connection, {"subscribers": list(ids)})
    return {
        subscriber_id: Contact(email, address_hash, bool(is_suppressed))
        for subscriber_id, email, address_hash, is_suppressed in rows
    }


_CONTACTS = Prepared(
    select(
        SUBSCRIBER.c.id,
        SUBSCRIBER.c.email,
        SUBSCRIBER.c.address_hash,
        SUPPRESSION.c.address_hash.is_not(None).label("is_suppressed"),
    )
    .outerjoin(SUPPRESSION, SUPPRESSION.c.address_hash == SUBSCRIBER.c.address_hash)
    .where(AnyOf(SUBSCRIBER.c.id, "subscribers"))
)
