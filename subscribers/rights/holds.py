"""Archiving holds: data that the law requires you to keep, until a date and for nothing else (GDPR art. 17(3)(b), 18).

A hold keeps a person's data from erasure and from the purge. A hold does not allow mail. A person who asks for
erasure meanwhile gets no more mail at once, and is erased by the first purge after the last hold.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, exists, insert, not_, or_, select, update

from mailer.database import AnyOf
from mailer.errors import NotFound
from mailer.retention import ExpiredRows
from subscribers import ledger
from subscribers.kinds import AGREED
from subscribers.ledger import CONSENT
from subscribers.tables import FORMER, HOLD, SUBSCRIBER


@dataclass(frozen=True, slots=True)
class Hold:
    """What is kept of whom, on what ground, until when. `erasure_requested_at` is when the person asked for erasure."""

    id: int
    subscriber_id: int
    ground: str
    until: datetime
    added_at: datetime
    erasure_requested_at: datetime | None

    def values(self) -> dict[str, Any]:
        """What the person is told."""
        return {
            "ground": self.ground,
            "until": self.until,
            "added_at": self.added_at,
            "erasure_requested_at": self.erasure_requested_at,
        }


def stands(subscriber_id: ColumnElement[int], now: datetime) -> ColumnElement[bool]:
    """A condition: a hold on the person with `subscriber_id` stands at `now`."""
    return exists().where(HOLD.c.subscriber_id == subscriber_id, HOLD.c.until > now)


def has_erasure_request(subscriber_id: ColumnElement[int]) -> ColumnElement[bool]:
    """A condition: the person asked for erasure while a hold stood."""
    return exists().where(HOLD.c.subscriber_id == subscriber_id, HOLD.c.erasure_requested_at.is_not(None))


def add(connection: Connection, subscriber_id: int, ground: str, until: datetime, now: datetime) -> int:
    """Add a hold; returns its number. An erasure that the person asked for stays asked for.

    It waits for the ledger, so that no purge deletes meanwhile what the hold keeps.
    """
    ledger.lock(connection)
    asked = select(HOLD.c.erasure_requested_at).where(
        HOLD.c.subscriber_id == subscriber_id, HOLD.c.erasure_requested_at.is_not(None)
    )
    row = {
        "subscriber_id": subscriber_id,
        "ground": ground,
        "until": until,
        "added_at": now,
        "erasure_requested_at": connection.execute(asked.limit(1)).scalar_one_or_none(),
    }
    hold_id: int = connection.execute(insert(HOLD).values(row).returning(HOLD.c.id)).scalar_one()
    return hold_id


def of_people(connection: Connection, subscriber_ids: Collection[int]) -> list[Hold]:
    """The holds on these people that the purge has not deleted, the longest last."""
    of_these = select(HOLD).where(AnyOf(HOLD.c.subscriber_id, subscriber_ids))
    return [Hold(*row) for row in connection.execute(of_these.order_by(HOLD.c.until, HOLD.c.id))]


def standing(connection: Connection, subscriber_ids: Collection[int], now: datetime) -> list[Hold]:
    """The holds that stand on these people at `now`, the longest last."""
    return [hold for hold in of_people(connection, subscriber_ids) if hold.until > now]


def every(connection: Connection) -> list[tuple[Hold, str | None]]:
    """All holds that the purge has not deleted, each with the person's address, None where their fields are gone."""
    rows = connection.execute(
        select(HOLD, SUBSCRIBER.c.email)
        .outerjoin(SUBSCRIBER, SUBSCRIBER.c.id == HOLD.c.subscriber_id)
        .order_by(HOLD.c.until, HOLD.c.id)
    )
    return [(Hold(*values), email) for *values, email in rows]


def release(connection: Connection, hold_id: int, now: datetime) -> Hold:
    """End a hold now. Raises NotFound where no such hold stands."""
    of_hold = (HOLD.c.id == hold_id, HOLD.c.until > now)
    row = connection.execute(update(HOLD).where(*of_hold).values(until=now).returning(HOLD)).first()
    if row is None:
        raise NotFound(
            f"There is no hold {hold_id}, or it has ended.",
            hint="`mailer privacy hold list` shows their numbers.",
        )
    return Hold(*row)


def request_erasure(connection: Connection, held: Collection[Hold], now: datetime) -> None:
    """Note on holds that the person asked for erasure."""
    of_person = AnyOf(HOLD.c.subscriber_id, {hold.subscriber_id for hold in held})
    connection.execute(update(HOLD).where(of_person).values(erasure_requested_at=now))


def ended(now: datetime) -> ExpiredRows:
    """The holds that have ended, unless somebody whom they kept from erasure is still to be erased."""
    of_person = CONSENT.c.subscriber_id == HOLD.c.subscriber_id
    agrees = exists().where(of_person, CONSENT.c.state.in_(AGREED))
    is_on_file = exists().where(SUBSCRIBER.c.id == HOLD.c.subscriber_id)
    has_proof = exists().where(FORMER.c.subscriber_id == HOLD.c.subscriber_id)
    waits = and_(HOLD.c.erasure_requested_at.is_not(None), or_(has_proof, and_(is_on_file, not_(agrees))))
    return ExpiredRows("holds", HOLD.c.id, and_(HOLD.c.until <= now, not_(waits)))
