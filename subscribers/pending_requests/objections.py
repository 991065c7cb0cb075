"""A person who objected or complained is not asked for a consent, and their earlier requests no longer count."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from subscribers import ledger, people, suppression
from subscribers.address import AddressHasher
from subscribers.kinds import ConsentKind


def objected_at(
    connection: Connection, address_key: str, topic: str, hasher: AddressHasher
) -> datetime | None:
    """When the owner of an address complained, or last objected to mail about this topic; None if they did not."""
    moments = []
    suppressed = suppression.find_recognisable(connection, hasher, [address_key]).get(address_key)
    if suppressed is not None and suppressed.reason in suppression.NEVER_ASKED_AGAIN:
        moments.append(suppressed.since)
    person = people.find_all(connection, [address_key]).get(address_key)
    if person is not None:
        status = ledger.statuses(connection, [person.id]).get((person.id, topic))
        if status is not None and status.state is ConsentKind.OBJECTED:
            moments.append(status.since)
    return max(moments, default=None)
