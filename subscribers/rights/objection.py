"""Record an objection to all mail (GDPR art. 21(3)). It is absolute: nobody weighs it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from subscribers import ledger, suppression
from subscribers.kinds import Channel, ConsentKind, SuppressionReason
from subscribers.ledger import DAMAGE_ERRORS, NewEvent
from subscribers.people import Person


def object_to_mail(
    connection: Connection,
    person: Person,
    *,
    source: str,
    now: datetime,
    channel: Channel,
    reason: SuppressionReason = SuppressionReason.OBJECTED,
) -> None:
    """End every consent of a person by an objection, and suppress the address for `reason`. Repeatable.

    A damaged ledger or consent table does not prevent it: the suppression alone stops all mail. Needs a writing
    transaction.
    """
    ledger.lock(connection)
    since = ledger.latest_moment(connection, [person.id], now)
    suppression.add(connection, person.hashed, reason, since, now, channel=channel)
    events = _events(connection, person, since, channel)
    try:
        with connection.begin_nested():
            if events:
                note = ledger.store_note(connection, source, person.id)
                ledger.append(connection, [event.with_note(note) for event in events], now)
    except DAMAGE_ERRORS:
        for event in events:
            ledger.withdraw_from_damaged(connection, event, now)


def _events(connection: Connection, person: Person, since: datetime, channel: Channel) -> list[NewEvent]:
    """An objection for each topic that the person ever agreed to, but for those that they objected to already."""
    try:
        statuses = ledger.statuses(connection, [person.id])
    except DAMAGE_ERRORS:
        return []
    return [
        NewEvent(person.id, topic, ConsentKind.OBJECTED, since, channel)
        for (_, topic), status in statuses.items()
        if status.state is not ConsentKind.OBJECTED
    ]
