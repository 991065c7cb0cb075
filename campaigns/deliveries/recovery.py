"""Recover the claims and attempts of workers that have ended or died."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, case, literal, or_, select, update

from campaigns import deliveries
from campaigns.deliveries import workers
from campaigns.deliveries.tables import ATTEMPTING, CLAIMED, instant
from campaigns.states import DeliveryReason, DeliveryState
from campaigns.tables import delivery
from mailer.database import AnyOf


def release(connection: Connection, worker_id: int) -> None:
    """Give back the claims of a worker that ends in order."""
    connection.execute(_RELEASE, {"worker": worker_id})


def retire(connection: Connection, worker_ids: Sequence[int], now: datetime) -> None:
    """Retire dead or finished workers: their claims become pending, their attempts uncertain.

    A worker that another transaction of its own still holds rows for is left to the next call.
    """
    free = _lock_held(connection, worker_ids)
    _abandon(connection, free, now)
    deliveries.cancel_leftovers(connection, now)
    for worker_id in free:
        workers.retire(connection, worker_id, now)


def _lock_held(connection: Connection, worker_ids: Sequence[int]) -> list[int]:
    """Lock the deliveries that these workers hold; returns the workers none of whose rows another session has locked.

    A worker that froze within a transaction is left out: waiting for it would block every other worker, and when it
    wakes up it may wait for what is locked here, which is a deadlock.
    """
    values = {"workers": worker_ids}
    locked = set(connection.execute(_LOCK_HELD, values).scalars())
    frozen = {row.worker_id for row in connection.execute(_HELD_BY, values) if row.id not in locked}
    return [worker_id for worker_id in worker_ids if worker_id not in frozen]


def _abandon(connection: Connection, worker_ids: Sequence[int], now: datetime) -> None:
    """Make the claims of dead workers pending again, and their attempts uncertain."""
    if worker_ids:
        connection.execute(_ABANDON, {"workers": worker_ids, "now": now})


_OF_WORKERS = delivery.c.worker_id.in_(bindparam("workers", expanding=True))

_RELEASE = (
    update(delivery)
    .where(delivery.c.worker_id == bindparam("worker"), CLAIMED)
    .values(state=DeliveryState.PENDING, worker_id=None)
)
_HELD_BY = select(delivery.c.id, delivery.c.worker_id).where(_OF_WORKERS)
_LOCK_HELD = _HELD_BY.with_for_update(skip_locked=True)
_ABANDON = (
    update(delivery)
    .where(_OF_WORKERS, or_(CLAIMED, ATTEMPTING))
    .values(
        state=case(
            (ATTEMPTING, literal(DeliveryState.UNCERTAIN, delivery.c.state.type)),
            else_=literal(DeliveryState.PENDING, delivery.c.state.type),
        ),
        completed_at=case((ATTEMPTING, instant("now")), else_=None),
        smtp_phase=None,
        reason=case((ATTEMPTING, literal(DeliveryReason.CRASH, delivery.c.reason.type)), else_=None),
        worker_id=None,
    )
)


def accept_forgotten(
    connection: Connection, accepted: Mapping[int, int], offered: Mapping[int, int], now: datetime
) -> list[int]:
    """Take as accepted what was mailed and what the database, which has gone back, does not know.

    Both have the attempt by delivery: of `accepted` ones the outcome was recorded, of `offered` ones the attempt. For
    PostgreSQL. Returns the deliveries that had not come as far.
    """
    found = select(delivery.c.id, delivery.c.attempts, delivery.c.state)
    found = found.where(AnyOf(delivery.c.id, accepted.keys() | offered.keys())).with_for_update()
    rows = connection.execute(found).all()
    forgotten = [
        row.id
        for row in rows
        if row.attempts < max(accepted.get(row.id, 0), offered.get(row.id, 0))
        or (row.state is DeliveryState.ATTEMPTING and row.attempts == accepted.get(row.id))
    ]
    # One that is uncertain shows nothing by itself: our lease may have passed, and another host retired us.
    if forgotten:
        forgotten += [
            row.id
            for row in rows
            if row.state is DeliveryState.UNCERTAIN and row.attempts == offered.get(row.id)
        ]
        accept = update(delivery).where(AnyOf(delivery.c.id, forgotten))
        attempts = case((delivery.c.attempts < 1, 1), else_=delivery.c.attempts)
        values = {"state": DeliveryState.ACCEPTED, "attempts": attempts, "completed_at": now}
        connection.execute(accept.values(values | {"worker_id": None, "reason": None}))
    return forgotten
