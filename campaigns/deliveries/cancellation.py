"""Cancel or delete deliveries that were not attempted."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    Update,
    bindparam,
    delete,
    select,
    update,
)

from campaigns.deliveries.tables import CLAIMABLE, instant
from campaigns.states import CampaignState, DeliveryState
from campaigns.tables import campaign, delivery


def discard(connection: Connection, campaign_id: int) -> bool:
    """Delete a campaign's deliveries, unless one was attempted; returns whether they were deleted."""
    rows = connection.execute(
        select(delivery.c.attempts).where(delivery.c.campaign_id == campaign_id).with_for_update()
    )
    if any(rows.scalars()):
        return False
    connection.execute(delete(delivery).where(delivery.c.campaign_id == campaign_id))
    return True


def cancel_leftovers(connection: Connection, now: datetime) -> None:
    """Cancel claimable deliveries of cancelled campaigns. They were in flight when the campaign was
    cancelled.
    """
    connection.execute(_CANCEL_LEFTOVERS, {"now": now})


def cancel_open(connection: Connection, campaign_id: int, now: datetime) -> None:
    """Cancel the campaign's deliveries that are not in flight."""
    connection.execute(_CANCEL_OPEN, {"campaign": campaign_id, "now": now})


def _cancellation(*conditions: ColumnElement[bool]) -> Update:
    """Skip what a worker has locked: the gate stops it, and `cancel_leftovers` finds it when the worker ends.

    Waiting for the worker could deadlock: it may be waiting for what is locked here.
    """
    free = select(delivery.c.id).where(*conditions).with_for_update(skip_locked=True)
    return (
        update(delivery)
        .where(delivery.c.id.in_(free.scalar_subquery()))
        .values(state=DeliveryState.CANCELLED, completed_at=instant("now"), reason=None, worker_id=None)
    )


_CANCEL_LEFTOVERS = _cancellation(
    delivery.c.campaign_id.in_(select(campaign.c.id).where(campaign.c.state == CampaignState.CANCELLED)),
    CLAIMABLE,
)
_CANCEL_OPEN = _cancellation(
    delivery.c.campaign_id == bindparam("campaign"),
    delivery.c.state.in_((DeliveryState.PENDING, DeliveryState.CLAIMED, DeliveryState.DEFERRED)),
)
