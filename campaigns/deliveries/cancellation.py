"""Cancel or delete deliveries that were not attempted."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    delete,
    select,
    update,
)

from campaigns.deliveries.tables import CLAIMABLE, campaign, delivery
from campaigns.models import CampaignState, DeliveryState


def discard(connection: Connection, campaign_id: int) -> bool:
    """Delete a campaign's deliveries, unless one of them was ever attempted; whether they were deleted."""
    rows = connection.execute(
        select(delivery.c.attempts).where(delivery.c.campaign_id == campaign_id).with_for_update()
    )
    if any(rows.scalars()):
        return False
    connection.execute(delete(delivery).where(delivery.c.campaign_id == campaign_id))
    return True


def drop_cancelled(connection: Connection, now: datetime) -> None:
    """Cancel what was in flight when its campaign was cancelled, and would otherwise be tried again."""
    cancelled = select(campaign.c.id).where(campaign.c.state == CampaignState.CANCELLED)
    _cancel(connection, now, delivery.c.campaign_id.in_(cancelled), CLAIMABLE)


def cancel_open(connection: Connection, campaign_id: int, now: datetime) -> None:
    """Cancel what is not in flight."""
    states = (DeliveryState.PENDING, DeliveryState.CLAIMED, DeliveryState.DEFERRED)
    _cancel(connection, now, delivery.c.campaign_id == campaign_id, delivery.c.state.in_(states))


def _cancel(connection: Connection, now: datetime, *conditions: ColumnElement[bool]) -> None:
    """Skip what a worker has locked: the gate stops it, and `drop_cancelled` finds it when the worker ends.

    Waiting for the worker could deadlock: it may be waiting for what is locked here.
    """
    free = select(delivery.c.id).where(*conditions).with_for_update(skip_locked=True)
    connection.execute(
        update(delivery)
        .where(delivery.c.id.in_(free.scalar_subquery()))
        .values(state=DeliveryState.CANCELLED, completed_at=now, reason=None, worker_id=None)
    )
