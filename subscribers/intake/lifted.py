"""What a lifted suppression leaves: a consent to one topic lifts it, and the other topics stay withdrawn."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, select

from subscribers import ledger
from subscribers.kinds import Channel, ConsentKind
from subscribers.ledger import CONSENT, NewEvent

NOTE = "left before: consents of before then to other topics do not count"


def withdrawals_of_other_topics(
    connection: Connection, lifted: Mapping[int, tuple[str | None, datetime]], topic: str, channel: Channel
) -> list[NewEvent]:
    """The withdrawals of every topic but `topic`, of people whose suppression a consent to `topic` lifts.

    `lifted` has, by the person's number, the commitment to a person who was just added, and since when the
    address was suppressed. Without them an older consent to another topic would count again.
    """
    if not lifted:
        return []
    topics = sorted(set(connection.execute(select(CONSENT.c.topic).distinct()).scalars()) - {topic})
    if not topics:
        return []
    statuses = ledger.statuses(connection, list(lifted))
    note = ledger.store_note(connection, NOTE)
    return [
        NewEvent(number, other, ConsentKind.WITHDRAWN, since, channel, note=note, subject=subject)
        for number, (subject, since) in lifted.items()
        for other in topics
        if (status := statuses.get((number, other))) is None or status.since <= since
    ]
