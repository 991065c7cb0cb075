"""Erase a person (GDPR art. 17)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from subscribers import ledger, people, suppression
from subscribers.address import AddressHasher, EmailAddress
from subscribers.ledger import EVERY_TOPIC, NewEvent
from subscribers.models import ConsentKind, SuppressionReason
from subscribers.rights.access import find


def erase(
    connection: Connection, address: EmailAddress, *, hasher: AddressHasher, source: str, now: datetime
) -> None:
    """Take a person off file for good (article 17). Raises NotFound.

    The ledger keeps its lines, which now lead to nobody, and gets one more. Of the address a keyed hash stays, so
    that no import brings the person back; a consent they give later does.
    """
    ledger.lock(connection)
    person = find(connection, address, hasher)
    ledger.append(connection, [NewEvent(person.id, EVERY_TOPIC, ConsentKind.ERASED, now, source)], now)
    people.remove(connection, person.id)
    suppression.add(connection, hasher.newest(person.email_normalised), SuppressionReason.ERASED, now)
