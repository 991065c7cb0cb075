"""Deliveries that only a limit holds back: pending, and due when it may let them through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, func, select, update

from campaigns.deliveries.claims import ClaimContext, claim_these
from campaigns.deliveries.tables import CLAIMABLE, HELD, delivery, subscriber
from campaigns.models import DeliveryState
from mailer.limits import ProviderFull

APPOINTED = "limit"  # the phase of a delivery that only a limit holds back, and that has a place in the queue
PUNCTUAL = timedelta(seconds=15)  # after its time within which that place is still kept


def put(connection: Connection, context: ClaimContext, held: Mapping[int, ProviderFull]) -> None:
    """Give back claims that a limit does not let through now: each is pending again, and due when that may be."""
    if held:
        connection.execute(
            _HOLD_BACK,
            [
                {
                    "delivery": number,
                    "worker": context.worker_id,
                    "later": one.until,
                    "in_phase": APPOINTED if one.appointed else None,
                }
                for number, one in held.items()
            ],
        )


def claim(connection: Connection, context: ClaimContext, now: datetime, limit: int) -> list[int]:
    """Claim those whose place in a queue has come; behind all others that are due they would lose it again."""
    due = (
        select(delivery.c.id)
        .where(
            delivery.c.campaign_id == context.campaign_id,
            CLAIMABLE,
            delivery.c.next_attempt_at.between(now - PUNCTUAL, now),
            delivery.c.phase == APPOINTED,
        )
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return claim_these(connection, context, due)


def destinations(
    connection: Connection, delivery_ids: Sequence[int], now: datetime
) -> dict[int, tuple[str, bool]]:
    """To which domain each goes, and whether it is back from being held back just when it was told to be."""
    return {
        row.id: (_domain(row.email), row.phase == APPOINTED and row.next_attempt_at > now - PUNCTUAL)
        for row in connection.execute(_DOMAINS.where(delivery.c.id.in_(delivery_ids)))
    }


def domains_in_the_air(connection: Connection) -> list[str]:
    """The domains of all mails that are being offered just now, by whichever worker."""
    statement = _DOMAINS.where(HELD, delivery.c.state == DeliveryState.ATTEMPTING)
    return [_domain(row.email) for row in connection.execute(statement)]


def next_due(connection: Connection, campaign_id: int) -> datetime | None:
    """When the next delivery is due that waits for nothing but a limit, or None when there is none."""
    statement = select(func.min(delivery.c.next_attempt_at)).where(
        delivery.c.campaign_id == campaign_id, CLAIMABLE, delivery.c.state == DeliveryState.PENDING
    )
    found: datetime | None = connection.execute(statement).scalar_one_or_none()
    return found


_HOLD_BACK = (
    update(delivery)
    .where(
        delivery.c.id == bindparam("delivery"),
        delivery.c.worker_id == bindparam("worker"),
        delivery.c.state == DeliveryState.CLAIMED,
    )
    .values(
        state=DeliveryState.PENDING,
        next_attempt_at=bindparam("later"),
        phase=bindparam("in_phase"),
        worker_id=None,
    )
)

_DOMAINS = select(delivery.c.id, delivery.c.phase, delivery.c.next_attempt_at, subscriber.c.email).join(
    subscriber, subscriber.c.id == delivery.c.subscriber_id
)


def _domain(email: str) -> str:
    return email.rpartition("@")[2]
