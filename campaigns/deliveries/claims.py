"""Claim deliveries that are due."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    Connection,
    Select,
    func,
    insert,
    literal,
    select,
    update,
)

from campaigns.deliveries.tables import CLAIMABLE, HELD, campaign, consent, delivery, subscriber, suppression
from campaigns.models import CampaignState, DeliveryState
from mailer.database import analyze
from subscribers.audience import consented


@dataclass(frozen=True, slots=True)
class ClaimContext:
    """One worker at one campaign: whose claims they are, and which consent they need."""

    worker_id: int
    campaign_id: int
    topic: str


def claim(connection: Connection, context: ClaimContext, now: datetime, limit: int) -> list[int]:
    """Claim up to `limit` deliveries that are due, oldest due first; returns their ids."""
    due = (
        select(delivery.c.id)
        .where(delivery.c.campaign_id == context.campaign_id, CLAIMABLE, delivery.c.next_attempt_at <= now)
        .order_by(delivery.c.next_attempt_at, delivery.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return claim_these(connection, context, due)


def claim_these(connection: Connection, context: ClaimContext, due: Select[tuple[int]]) -> list[int]:
    """Claim the deliveries whose ids `due` selects and locks, as far as they are claimable.

    Returns their ids, oldest due first: what the relay put off or refused comes after what was never tried.
    """
    statement = (
        update(delivery)
        .where(delivery.c.id.in_(due.scalar_subquery()), CLAIMABLE)
        .values(state=DeliveryState.CLAIMED, worker_id=context.worker_id)
        .returning(delivery.c.next_attempt_at, delivery.c.id)
    )
    return [number for _, number in sorted(tuple(row) for row in connection.execute(statement))]


def has_due(connection: Connection, campaign_id: int, now: datetime) -> bool:
    """Whether any delivery could be claimed now."""
    statement = select(delivery.c.id).where(
        delivery.c.campaign_id == campaign_id, CLAIMABLE, delivery.c.next_attempt_at <= now
    )
    return connection.execute(statement.limit(1)).first() is not None


def count_claimable(connection: Connection, campaign_id: int) -> int:
    """How many deliveries are pending or deferred."""
    statement = select(func.count()).where(delivery.c.campaign_id == campaign_id, CLAIMABLE)
    number: int = connection.execute(statement).scalar_one()
    return number


def enrol(connection: Connection, campaign_id: int, topic: str, now: datetime) -> None:
    """Make one pending delivery for each person who agrees to `topic` now."""
    audience = (
        select(
            literal(campaign_id),
            subscriber.c.id,
            literal(DeliveryState.PENDING, delivery.c.state.type),
            literal(0),
            literal(now, delivery.c.next_attempt_at.type),
        )
        .where(consented(topic, subscriber.c.id))
        .order_by(subscriber.c.id)
    )
    columns = ["campaign_id", "subscriber_id", "state", "attempts", "next_attempt_at"]
    connection.execute(insert(delivery).from_select(columns, audience))
    # With the old statistics PostgreSQL would begin the gate with all consents.
    analyze(connection, campaign, consent, delivery, subscriber, suppression)


def is_being_sent(connection: Connection, campaign_id: int) -> bool:
    """Whether the campaign is neither paused nor ended."""
    statement = select(campaign.c.state).where(campaign.c.id == campaign_id)
    return bool(connection.execute(statement).scalar_one() is CampaignState.SENDING)


def is_open(connection: Connection, campaign_id: int) -> bool:
    """Whether any delivery may still change by itself: claimable, claimed or in flight."""
    for condition in (CLAIMABLE, HELD):
        statement = select(delivery.c.id).where(delivery.c.campaign_id == campaign_id, condition).limit(1)
        if connection.execute(statement).first() is not None:
            return True
    return False
