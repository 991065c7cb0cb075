"""Withdraw a consent on behalf of a person (GDPR art. 7(3))."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from subscribers import ledger
from subscribers.address import AddressHasher, EmailAddress
from subscribers.ledger import NewEvent
from subscribers.models import ConsentKind
from subscribers.rights.access import find


def withdraw(
    connection: Connection,
    address: EmailAddress,
    topic: str,
    *,
    hasher: AddressHasher,
    source: str,
    now: datetime,
) -> bool:
    """Take back a person's consent on `topic`; False where there was none to take back. Raises NotFound."""
    ledger.lock(connection)
    person = find(connection, address, hasher)
    status = ledger.statuses(connection, [person.id]).get((person.id, topic))
    if status is None or status.state in {ConsentKind.WITHDRAWN, ConsentKind.OBJECTED}:
        return False
    ledger.append(connection, [NewEvent(person.id, topic, ConsentKind.WITHDRAWN, now, source)], now)
    return True
