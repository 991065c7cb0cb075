"""The change feed: all changes to consents, through every channel, in the order of the ledger.

Appends are serialised and numbered without gaps, so the order of the ledger is the order of commits. A reader
who has read up to a number has missed nothing before it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, select

from mailer.errors import Refused
from subscribers.kinds import Channel, ConsentKind
from subscribers.ledger import EVENT
from subscribers.public_ids import PublicIds
from subscribers.tables import SUBSCRIBER

MOST_AT_ONCE = 1000

KINDS = (
    ConsentKind.REQUESTED,
    ConsentKind.GRANTED,
    ConsentKind.WITHDRAWN,
    ConsentKind.OBJECTED,
    ConsentKind.RECTIFIED,
    ConsentKind.ERASED,
)


class Change(NamedTuple):
    """One change. `email` is the person's present address, and None once they were erased."""

    number: int
    kind: ConsentKind
    subscriber_id: int
    email: str | None
    topic: str
    at: datetime
    channel: Channel


class Changes(NamedTuple):
    """A page of changes in order, the number after which the next page begins, and whether there are more."""

    changes: list[Change]
    next: int
    more: bool


def read(connection: Connection, after: int, limit: int) -> Changes:
    """At most `limit` changes after number `after`. Raises Refused where the ledger does not reach that far."""
    newest = newest_number(connection)
    if after > newest:
        raise Refused(
            "The cursor lies beyond the end of the ledger: the database was restored from an older copy.",
            hint="Read the changes from the start again.",
        )
    statement = (
        select(
            EVENT.c.id,
            EVENT.c.kind,
            EVENT.c.subscriber_id,
            SUBSCRIBER.c.email,
            EVENT.c.topic,
            EVENT.c.occurred_at,
            EVENT.c.channel,
        )
        .select_from(EVENT.outerjoin(SUBSCRIBER, SUBSCRIBER.c.id == EVENT.c.subscriber_id))
        .where(EVENT.c.id > after, EVENT.c.id <= newest, EVENT.c.kind.in_(KINDS))
        .order_by(EVENT.c.id)
        .limit(limit)
    )
    changes = [Change(*row) for row in connection.execute(statement)]
    if len(changes) < limit:
        return Changes(changes, newest, more=False)
    last = changes[-1].number
    return Changes(changes, last, more=last < newest)


def values_of(change: Change, public_ids: PublicIds) -> dict[str, Any]:
    """The JSON values of a change, for the API, webhooks and `mailer consent changes`."""
    return {
        "id": public_ids.of_change(change.number),
        "kind": change.kind.value,
        "subscriber": public_ids.of_subscriber(change.subscriber_id),
        "email": change.email,
        "topic": change.topic,
        "at": change.at.isoformat(),
        "channel": change.channel.value,
    }


def newest_number(connection: Connection) -> int:
    """The number of the ledger's newest entry; 0 where there is none."""
    return connection.execute(select(func.max(EVENT.c.id))).scalar_one() or 0
