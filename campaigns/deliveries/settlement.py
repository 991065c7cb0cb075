"""Record outcomes of attempts."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnClause,
    ColumnElement,
    Connection,
    Integer,
    String,
    Text,
    Update,
    bindparam,
    cast,
    column,
    func,
    select,
    update,
)

from campaigns.deliveries.claims import ClaimContext
from campaigns.deliveries.retry import Settlement
from campaigns.deliveries.tables import CLAIMABLE, campaign, delivery, instant, subscriber
from campaigns.models import CampaignState, DeliveryState
from mailer.database import AnyOf, Prepared, is_postgresql, pipelined
from subscribers.address import HashedAddress


def settle(
    connection: Connection, context: ClaimContext, settlements: Sequence[Settlement], now: datetime
) -> None:
    """Record outcomes. Safe to repeat: one of an attempt that is over, or not this worker's, changes nothing."""
    if settlements:
        rows = [one[: len(_SETTLED)] for one in settlements]
        shared = {"worker": context.worker_id, "now": now}
        if not is_postgresql(connection):
            _SETTLE_EACH.run_each(connection, rows, shared)
        else:
            records = [dict(zip(_SETTLED_NAMES, row, strict=True)) for row in rows]
            with pipelined(connection):  # with the BEGIN
                values = {"rows": json.dumps(records, default=str), "ids": [row[0] for row in rows]}
                _SETTLE_TOGETHER.run(connection, values | shared)


def take_back(connection: Connection, context: ClaimContext, delivery_ids: Sequence[int]) -> None:
    """Turn attempts of this worker that it knows were never offered into claims again, to be attempted anew."""
    if delivery_ids:
        connection.execute(
            update(delivery)
            .where(
                delivery.c.id.in_(delivery_ids),
                delivery.c.worker_id == context.worker_id,
                delivery.c.state == DeliveryState.ATTEMPTING,
            )
            .values(state=DeliveryState.CLAIMED)
        )


# A Settlement, in its order.
_SETTLED: list[ColumnClause[Any]] = [
    column("delivery", BigInteger()),
    column("attempt", Integer()),
    column("outcome", String()),
    column("due", delivery.c.next_attempt_at.type),
    column("in_phase", String()),
    column("code", Integer()),
    column("said", String()),
]


_SETTLED_NAMES = [one.name for one in _SETTLED]


def _settling(values: Mapping[str, ColumnElement[Any]]) -> Update:
    """The outcome of an attempt; `values` say where its parts are."""
    return (
        update(delivery)
        .where(
            delivery.c.id == values["delivery"],
            delivery.c.worker_id == bindparam("worker"),
            delivery.c.state == DeliveryState.ATTEMPTING,
            delivery.c.attempts == values["attempt"],
        )
        .values(
            state=values["outcome"],
            next_attempt_at=func.coalesce(values["due"], instant("now")),
            completed_at=instant("now"),
            phase=values["in_phase"],
            reply_code=values["code"],
            diagnostic=values["said"],
            worker_id=None,
        )
    )


def _settling_together() -> Update:
    rows = func.json_to_recordset(cast(bindparam("rows", type_=Text()), JSON())).table_valued(*_SETTLED)
    # The numbers once more, or PostgreSQL would read all deliveries to join them with so many rows.
    return _settling(dict(rows.render_derived(with_types=True).c)).where(AnyOf(delivery.c.id, "ids"))


# SQLite has no round trips to save, and is quickest with a statement that is run again and again.
_SETTLE_EACH = Prepared(
    _settling({one.name: bindparam(one.name, type_=one.type) for one in _SETTLED}), each=_SETTLED_NAMES
)


_SETTLE_TOGETHER = Prepared(_settling_together())


def address_hashes(connection: Connection, delivery_ids: Sequence[int]) -> list[HashedAddress]:
    """The keyed hashes of the addresses that these deliveries went to."""
    statement = (
        select(subscriber.c.address_hash, subscriber.c.key_id)
        .join(delivery, delivery.c.subscriber_id == subscriber.c.id)
        .where(delivery.c.id.in_(delivery_ids))
    )
    return [HashedAddress(row.address_hash, row.key_id) for row in connection.execute(statement)]


def take_back_rejected(connection: Connection, delivery_ids: Collection[int], now: datetime) -> None:
    """Turn rejections that were not the recipients' into pending deliveries of a paused campaign, due after all others."""
    if delivery_ids:
        paused = select(campaign.c.id).where(campaign.c.state == CampaignState.PAUSED)
        connection.execute(
            update(delivery)
            .where(
                delivery.c.id.in_(delivery_ids),
                delivery.c.campaign_id.in_(paused),
                delivery.c.state == DeliveryState.REJECTED,
            )
            .values(state=DeliveryState.PENDING, next_attempt_at=now, completed_at=None)
        )


def skip(connection: Connection, campaign_id: int, only: Collection[int], now: datetime) -> list[int]:
    """The operator's word that these are not to be tried again. Returns which of them were pending or deferred."""
    statement = (
        update(delivery)
        .where(delivery.c.campaign_id == campaign_id, CLAIMABLE, delivery.c.id.in_(only))
        .values(state=DeliveryState.SKIPPED, completed_at=now)
        .returning(delivery.c.id)
    )
    return list(connection.execute(statement).scalars())


def resolve(
    connection: Connection, campaign_id: int, *, resend: bool, now: datetime, only: Sequence[int] = ()
) -> list[int]:
    """The operator's word on the uncertain deliveries: send again, or take them as sent. Returns which.

    `only` names some of them; without it the word holds for all.
    """
    state = DeliveryState.PENDING if resend else DeliveryState.ACCEPTED
    statement = (
        update(delivery)
        .where(delivery.c.campaign_id == campaign_id, delivery.c.state == DeliveryState.UNCERTAIN)
        .values(state=state, next_attempt_at=now, completed_at=None if resend else now)
        .returning(delivery.c.id)
    )
    if only:
        statement = statement.where(delivery.c.id.in_(only))
    return list(connection.execute(statement).scalars())
