"""Cancel deliveries that were not attempted."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    select,
    update,
)

from campaigns.deliveries.tables import CLAIMABLE, campaign, delivery
from campaigns.models import CampaignState, DeliveryState


def drop_cancelled(connection: Connection, now: datetime) -> None:
    """Cancel what was in the air when its campaign was cancelled, and would now be tried again."""
    cancelled = select(campaign.c.id).where(campaign.c.state == CampaignState.CANCELLED)
    _cancel(connection, now, delivery.c.campaign_id.in_(cancelled), CLAIMABLE)


def cancel_open(connection: Connection, campaign_id: int, now: datetime) -> None:
    """Cancel what was not attempted; what is in flight ends by itself."""
    unattempted = (DeliveryState.PENDING, DeliveryState.CLAIMED, DeliveryState.DEFERRED)
    _cancel(connection, now, delivery.c.campaign_id == campaign_id, delivery.c.state.in_(unattempted))


def _cancel(connection: Connection, now: datetime, *conditions: ColumnElement[bool]) -> None:
    """Pass by what a worker has locked: it gets no further with it, and `drop_cancelled` finds it when it leaves.

    To wait for it would be to wait for one that may wait for what is locked here.
    """
    free = select(delivery.c.id).where(*conditions).with_for_update(skip_locked=True)
    connection.execute(
        update(delivery)
        .where(delivery.c.id.in_(free.scalar_subquery()))
        .values(state=DeliveryState.CANCELLED, completed_at=now, worker_id=None)
    )
