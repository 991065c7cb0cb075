"""Record outcomes of attempts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Integer,
    String,
    Update,
    bindparam,
    column,
    func,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.types import TypeEngine

from campaigns.deliveries.claims import ClaimContext
from campaigns.deliveries.retry import Settlement
from campaigns.deliveries.tables import ATTEMPTING, CLAIMABLE, IS_THE_WORKERS, instant, subscriber
from campaigns.states import CampaignState, DeliveryState
from campaigns.tables import campaign, delivery
from mailer.database import ListOf, Prepared, Step, is_postgresql, pipelined
from subscribers.address import HashedAddress


def settle(
    connection: Connection, context: ClaimContext, settlements: Sequence[Settlement], now: datetime
) -> None:
    """Record outcomes. Safe to repeat: a settlement changes nothing where its attempt is over, or another worker's."""
    if settlements:
        if not is_postgresql(connection):
            rows = [_values_of(one) for one in settlements]
            _SETTLE_EACH.run_each(connection, rows, {"worker": context.worker_id, "now": now})
        else:
            with pipelined(connection):  # with the BEGIN
                settle_together(context, settlements, now).run(connection)


def settle_together(context: ClaimContext, settlements: Sequence[Settlement], now: datetime) -> Step:
    """The statement that records all these outcomes on PostgreSQL."""
    return Step(_SETTLE_TOGETHER, settled_values(settlements) | {"worker": context.worker_id, "now": now})


def settled_values(settlements: Sequence[Settlement]) -> dict[str, Any]:
    """The parameters of SETTLEMENTS that are lists."""
    rows = [_values_of(one) for one in settlements]
    return {name: [row[index] for row in rows] for index, name in enumerate(_PARAMETERS)}


def return_to_claimed(connection: Connection, context: ClaimContext, delivery_ids: Sequence[int]) -> None:
    """Turn attempts of this worker into claims again, where it knows that their content was never offered."""
    if delivery_ids:
        connection.execute(
            update(delivery)
            .where(
                delivery.c.id.in_(delivery_ids),
                delivery.c.worker_id == context.worker_id,
                ATTEMPTING,
            )
            .values(state=DeliveryState.CLAIMED)
        )


# What a settlement writes: the name of its field, and the type that the database reads it as.
_FIELDS: dict[str, TypeEngine[Any]] = {
    "delivery_id": BigInteger(),
    "attempt": Integer(),
    "state": String(),
    "next_attempt_at": delivery.c.next_attempt_at.type,
    "smtp_phase": String(),
    "reason": String(),
    "reply_code": Integer(),
    "diagnostic": String(),
}
_values_of: Callable[[Settlement], tuple[Any, ...]] = attrgetter(*_FIELDS)

# The parameters' names differ from the columns', which SQLAlchemy keeps for itself in an UPDATE.
_PARAMETERS = [f"settled_{name}" for name in _FIELDS]


def _settlement_update(values: Mapping[str, ColumnElement[Any]]) -> Update:
    """Write the outcome of an attempt; `values` holds an expression for each parameter."""
    return (
        update(delivery)
        .where(
            delivery.c.id == values["settled_delivery_id"],
            IS_THE_WORKERS,
            ATTEMPTING,
            delivery.c.attempts == values["settled_attempt"],
        )
        .values(
            state=values["settled_state"],
            next_attempt_at=func.coalesce(values["settled_next_attempt_at"], instant("now")),
            completed_at=instant("now"),
            smtp_phase=values["settled_smtp_phase"],
            reason=values["settled_reason"],
            reply_code=values["settled_reply_code"],
            diagnostic=values["settled_diagnostic"],
            worker_id=null(),
        )
    )


def _settle_together() -> Update:
    """One statement for many settlements; each parameter has the values of all of them."""
    lists = [
        bindparam(name, type_=ListOf(kind)) for name, kind in zip(_PARAMETERS, _FIELDS.values(), strict=True)
    ]
    columns = [column(name, kind) for name, kind in zip(_PARAMETERS, _FIELDS.values(), strict=True)]
    rows = func.unnest(*lists).table_valued(*columns).render_derived()
    return _settlement_update(dict(rows.c))


def _settle_each() -> Update:
    """A statement for one settlement. SQLite has no round trips to save, and is fastest with a repeated statement."""
    kinds = zip(_PARAMETERS, _FIELDS.values(), strict=True)
    return _settlement_update({name: bindparam(name, type_=kind) for name, kind in kinds})


_SETTLE_EACH = Prepared(_settle_each(), each=_PARAMETERS)
SETTLEMENTS = _settle_together()
_SETTLE_TOGETHER = Prepared(SETTLEMENTS)


def address_hashes(connection: Connection, delivery_ids: Sequence[int]) -> list[HashedAddress]:
    """The keyed hashes of the addresses that these deliveries went to."""
    statement = (
        select(subscriber.c.address_hash, subscriber.c.key_id)
        .join(delivery, delivery.c.subscriber_id == subscriber.c.id)
        .where(delivery.c.id.in_(delivery_ids))
    )
    return [HashedAddress(row.address_hash, row.key_id) for row in connection.execute(statement)]


def take_back_rejected(connection: Connection, delivery_ids: Collection[int], now: datetime) -> None:
    """Make rejections of a paused campaign pending again that were not the recipients' fault; they are due last."""
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
    """Give up pending and deferred deliveries, as the operator decided; returns the ids of those that were."""
    statement = (
        update(delivery)
        .where(delivery.c.campaign_id == campaign_id, CLAIMABLE, delivery.c.id.in_(only))
        .values(state=DeliveryState.SKIPPED, completed_at=now)
        .returning(delivery.c.id)
    )
    return list(connection.execute(statement).scalars())


def assume_sent(connection: Connection, campaign_id: int, now: datetime) -> int:
    """Take all deliveries that are not settled, or in doubt, as accepted; returns how many."""
    statement = (
        update(delivery)
        .where(
            delivery.c.campaign_id == campaign_id,
            or_(CLAIMABLE, delivery.c.state == DeliveryState.UNCERTAIN),
        )
        .values(state=DeliveryState.ACCEPTED, completed_at=now, reason=None)
    )
    return connection.execute(statement).rowcount


def resolve(
    connection: Connection, campaign_id: int, *, resend: bool, now: datetime, only: Sequence[int] = ()
) -> list[int]:
    """Make uncertain deliveries pending again (`resend`), or accepted; returns their ids.

    `only` names some of them; without it all are resolved.
    """
    state = DeliveryState.PENDING if resend else DeliveryState.ACCEPTED
    statement = (
        update(delivery)
        .where(delivery.c.campaign_id == campaign_id, delivery.c.state == DeliveryState.UNCERTAIN)
        .values(state=state, next_attempt_at=now, completed_at=None if resend else now, reason=None)
        .returning(delivery.c.id)
    )
    if only:
        statement = statement.where(delivery.c.id.in_(only))
    return list(connection.execute(statement).scalars())
