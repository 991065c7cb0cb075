"""Delete the deliveries of campaigns that ended long ago. Their numbers stay."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, exists, not_, select

from campaigns.states import CampaignState
from campaigns.tables import campaign, delivery, delivery_count, worker
from mailer.database import AnyOf, insert_if_absent
from mailer.retention import ExpiredRows

_ENDED = (CampaignState.FINISHED, CampaignState.CANCELLED)


def is_in_unfinished_campaign(subscriber_id: ColumnElement[int]) -> ColumnElement[bool]:
    """A condition: a campaign that has not ended has a delivery for the person."""
    return exists().where(
        delivery.c.subscriber_id == subscriber_id,
        delivery.c.campaign_id.in_(select(campaign.c.id).where(campaign.c.state.not_in(_ENDED))),
    )


class OldDeliveries(ExpiredRows):
    """The deliveries of campaigns that ended before `before`.

    `before_deletion` is called with a campaign's id before the first of its rows are deleted, in that transaction.
    """

    def __init__(
        self, before: datetime, before_deletion: Callable[[Connection, int], None] | None = None
    ) -> None:
        ended = select(campaign.c.id).where(campaign.c.state.in_(_ENDED), campaign.c.finished_at <= before)
        super().__init__("deliveries", delivery.c.id, delivery.c.campaign_id.in_(ended))
        self._before_deletion = before_deletion

    def delete(self, connection: Connection, keys: Sequence[Any]) -> int:
        """Delete them and add them to the campaign's numbers. Needs a writing transaction."""
        gone = connection.execute(
            select(delivery.c.campaign_id, delivery.c.state).where(AnyOf(self.key, keys), self.condition)
        )
        numbers = Counter((campaign_id, state.value) for campaign_id, state in gone)
        for campaign_id in {campaign_id for campaign_id, _ in numbers}:
            self._begin(connection, campaign_id)
        for (campaign_id, state), number in numbers.items():
            key = {"campaign_id": campaign_id, "state": state}
            insert_if_absent(connection, delivery_count, key | {"deliveries": 0})
            of_state = and_(*(delivery_count.c[name] == value for name, value in key.items()))
            more = delivery_count.c.deliveries + number
            connection.execute(delivery_count.update().where(of_state).values(deliveries=more))
        return super().delete(connection, keys)

    def _begin(self, connection: Connection, campaign_id: int) -> None:
        counted = select(exists().where(delivery_count.c.campaign_id == campaign_id))
        if self._before_deletion is not None and not connection.execute(counted).scalar_one():
            self._before_deletion(connection, campaign_id)


def old_workers(before: datetime) -> ExpiredRows:
    """The rows of workers that were retired before `before` and hold nothing."""
    holding = exists().where(delivery.c.worker_id == worker.c.id)
    return ExpiredRows("workers", worker.c.id, and_(worker.c.retired_at <= before, not_(holding)))
