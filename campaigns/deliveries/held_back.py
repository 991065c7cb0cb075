"""Deliveries that a limit holds back: pending, and due when the limit lets them through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, func, select, update

from campaigns.deliveries.claims import ClaimContext, due_statement, run_claim
from campaigns.deliveries.tables import (
    ATTEMPTING,
    CLAIMABLE,
    CLAIMED,
    HELD,
    IS_THE_WORKERS,
    instant,
    subscriber,
)
from campaigns.states import DeliveryReason, DeliveryState
from campaigns.tables import delivery
from mailer.limits import ProviderFull

MAX_LATENESS = timedelta(seconds=15)  # after its due time, in which a delivery keeps its place in the queue


def hold_back(connection: Connection, context: ClaimContext, held: Mapping[int, ProviderFull]) -> None:
    """Give back claims that a limit does not let through: each is pending, and due when the limit may let it."""
    if held:
        connection.execute(
            _HOLD_BACK,
            [
                {
                    "delivery": delivery_id,
                    "worker": context.worker_id,
                    "later": full.until,
                    "because": DeliveryReason.LIMIT if full.has_place else None,
                }
                for delivery_id, full in held.items()
            ],
        )


def claim_held_back(
    connection: Connection, context: ClaimContext, now: datetime, limit: int
) -> dict[int, str | None]:
    """Claim those whose place in a queue has come; behind all other due deliveries they would lose it."""
    return run_claim(connection, _DUE, context, now, limit, earliest=now - MAX_LATENESS)


def destinations(
    connection: Connection, delivery_ids: Sequence[int], now: datetime
) -> dict[int, tuple[str, bool]]:
    """The domain that each delivery goes to, and whether it was held back and is now due on time."""
    return {
        row.id: (
            _domain(row.email),
            row.reason is DeliveryReason.LIMIT and row.next_attempt_at > now - MAX_LATENESS,
        )
        for row in connection.execute(_DOMAINS.where(delivery.c.id.in_(delivery_ids)))
    }


def domains_in_flight(connection: Connection) -> list[str]:
    """The domains of all mails that any worker is offering now."""
    statement = _DOMAINS.where(HELD, ATTEMPTING)
    return [_domain(row.email) for row in connection.execute(statement)]


def next_due(connection: Connection, campaign_id: int) -> datetime | None:
    """When the next delivery that only a limit holds back is due, or None when there is none."""
    statement = select(func.min(delivery.c.next_attempt_at)).where(
        delivery.c.campaign_id == campaign_id, CLAIMABLE, delivery.c.state == DeliveryState.PENDING
    )
    found: datetime | None = connection.execute(statement).scalar_one_or_none()
    return found


_DUE = due_statement(
    delivery.c.next_attempt_at.between(instant("earliest"), instant("now")),
    delivery.c.reason == DeliveryReason.LIMIT,
)

_HOLD_BACK = (
    update(delivery)
    .where(
        delivery.c.id == bindparam("delivery"),
        IS_THE_WORKERS,
        CLAIMED,
    )
    .values(
        state=DeliveryState.PENDING,
        next_attempt_at=bindparam("later"),
        smtp_phase=None,
        reason=bindparam("because", type_=delivery.c.reason.type),
        worker_id=None,
    )
)

_DOMAINS = select(delivery.c.id, delivery.c.reason, delivery.c.next_attempt_at, subscriber.c.email).join(
    subscriber, subscriber.c.id == delivery.c.subscriber_id
)


def _domain(email: str) -> str:
    return email.rpartition("@")[2]
