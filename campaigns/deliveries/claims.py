"""Claim deliveries that are due.

Statements that run for each page of claims are built once: building one costs as much as running it.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    bindparam,
    func,
    insert,
    literal,
    literal_column,
    select,
    update,
)

from campaigns.deliveries.tables import CLAIMABLE, HELD, consent, instant, subscriber, suppression
from campaigns.states import CampaignState, DeliveryState
from campaigns.tables import campaign, delivery
from mailer.database import AnyOf, Prepared, analyze
from subscribers.audience import consented


class ClaimContext(NamedTuple):
    """The worker and the campaign of some claims, and the topic of the consent that they need.

    `reads_wordings`: the campaign has several languages, so the gate returns the wording of each consent.
    """

    worker_id: int
    campaign_id: int
    topic: str
    reads_wordings: bool


def claim(connection: Connection, context: ClaimContext, now: datetime, limit: int) -> dict[int, str | None]:
    """Claim up to `limit` deliveries that are due. Returns their ids, oldest due first, with their addresses.

    The address of a person whose consent does not stand is None. The others may be announced to the relay soon after;
    each still passes the gate before its content is offered.
    """
    return run_claim(connection, _DUE, context, now, limit)


def due_statement(*conditions: ColumnElement[bool]) -> Prepared:
    """The statement that finds a campaign's deliveries that fulfil `conditions`; for `run_claim`."""
    address = select(subscriber.c.email).where(
        subscriber.c.id == delivery.c.subscriber_id,
        consented(bindparam("topic"), subscriber.c.id, subscriber.c.address_hash),
    )
    return Prepared(
        select(delivery.c.id, address.scalar_subquery())
        .where(delivery.c.campaign_id == bindparam("campaign"), CLAIMABLE, *conditions)
        .order_by(delivery.c.next_attempt_at, delivery.c.id)
        .limit(bindparam("most"))
        .with_for_update(skip_locked=True)
    )


def run_claim(
    connection: Connection,
    due: Prepared,
    context: ClaimContext,
    now: datetime,
    limit: int,
    **more: datetime,
) -> dict[int, str | None]:
    """Claim up to `limit` of the deliveries that `due` finds; `more` are values of its own conditions.

    Returns what `claim` does.
    """
    values = {"campaign": context.campaign_id, "topic": context.topic, "now": now, "most": limit}
    claimed: dict[int, str | None] = dict(due.rows(connection, values | more))
    if claimed:
        _CLAIM.run(connection, {"ids": list(claimed), "worker": context.worker_id})
    return claimed


def has_due(connection: Connection, campaign_id: int, now: datetime) -> bool:
    """Whether any delivery could be claimed now."""
    return connection.execute(_ANY_DUE, {"campaign": campaign_id, "now": now}).first() is not None


def count_claimable(connection: Connection, campaign_id: int) -> int:
    """How many deliveries are pending or deferred."""
    statement = select(func.count()).where(delivery.c.campaign_id == campaign_id, CLAIMABLE)
    number: int = connection.execute(statement).scalar_one()
    return number


def enrol(connection: Connection, campaign_id: int, topic: str, now: datetime) -> None:
    """Create a pending delivery for each person who consents to `topic` now."""
    # With outdated statistics PostgreSQL would look at each person on their own, and plan the gate with a scan of all
    # consents. Of people only what both of these read is needed: the statistics of names and addresses take longest.
    analyze(connection, consent, suppression)
    analyze(connection, subscriber, columns=("id", "address_hash"))
    audience = (
        select(
            literal(campaign_id),
            subscriber.c.id,
            literal(DeliveryState.PENDING, delivery.c.state.type),
            literal(0),
            literal(now, delivery.c.next_attempt_at.type),
        )
        .where(consented(topic, subscriber.c.id, subscriber.c.address_hash))
        .order_by(subscriber.c.id)
    )
    columns = ["campaign_id", "subscriber_id", "state", "attempts", "next_attempt_at"]
    connection.execute(insert(delivery).from_select(columns, audience))
    analyze(connection, campaign, delivery)


def is_being_sent(connection: Connection, campaign_id: int) -> bool:
    """Whether the campaign is neither paused nor ended."""
    return bool(
        connection.execute(_CAMPAIGN_STATE, {"campaign": campaign_id}).scalar_one() is CampaignState.SENDING
    )


def is_open(connection: Connection, campaign_id: int) -> bool:
    """Whether any delivery is claimable, claimed or in flight."""
    return any(
        connection.execute(statement, {"campaign": campaign_id}).first() is not None
        for statement in (_ANY_CLAIMABLE, _ANY_HELD)
    )


_OF_CAMPAIGN = delivery.c.campaign_id == bindparam("campaign")
_IS_DUE = delivery.c.next_attempt_at <= instant("now")

_DUE = due_statement(_IS_DUE)
_CLAIM = Prepared(
    update(delivery)
    .where(AnyOf(delivery.c.id, "ids"), CLAIMABLE)
    .values(state=DeliveryState.CLAIMED, worker_id=bindparam("worker"))
)
_ANY_DUE = select(delivery.c.id).where(_OF_CAMPAIGN, CLAIMABLE, _IS_DUE).limit(1)
_ANY_CLAIMABLE = select(delivery.c.id).where(_OF_CAMPAIGN, CLAIMABLE).limit(1)
# By the index of what is held: with the campaign's number as it is, SQLite goes through all of its deliveries.
_ANY_HELD = (
    select(delivery.c.id)
    .where(delivery.c.campaign_id + literal_column("0") == bindparam("campaign"), HELD)
    .limit(1)
)
_CAMPAIGN_STATE = select(campaign.c.state).where(campaign.c.id == bindparam("campaign"))
