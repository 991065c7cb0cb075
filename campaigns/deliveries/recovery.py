"""What workers leave behind, in good order or not: their claims and attempts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, case, literal, select, update

from campaigns import deliveries
from campaigns.deliveries import workers
from campaigns.deliveries.tables import HELD, delivery
from campaigns.models import DeliveryState


def release(connection: Connection, worker_id: int) -> None:
    """Give back the claims of a worker that ends in good order."""
    connection.execute(
        update(delivery)
        .where(delivery.c.worker_id == worker_id, HELD, delivery.c.state == DeliveryState.CLAIMED)
        .values(state=DeliveryState.PENDING, worker_id=None)
    )


def retire(connection: Connection, worker_ids: Sequence[int], now: datetime) -> None:
    """Close the books of workers that are dead or done; what they held is in order afterwards.

    One that another transaction of its own still holds something for is left to the next look.
    """
    free = _lock_held(connection, worker_ids)
    _abandon(connection, free, now)
    deliveries.drop_cancelled(connection, now)
    for worker_id in free:
        workers.retire(connection, worker_id, now)


def _lock_held(connection: Connection, worker_ids: Sequence[int]) -> list[int]:
    """Lock what these workers hold; returns those of them of which nothing is locked by somebody else.

    A worker that froze in the midst of a transaction is left out: to wait for it would hold up everything, and it
    may, as soon as it wakes up, wait for what is locked here.
    """
    held = select(delivery.c.id, delivery.c.worker_id).where(delivery.c.worker_id.in_(worker_ids), HELD)
    locked = set(connection.execute(held.with_for_update(skip_locked=True)).scalars())
    asleep = {row.worker_id for row in connection.execute(held) if row.id not in locked}
    return [worker_id for worker_id in worker_ids if worker_id not in asleep]


def _abandon(connection: Connection, worker_ids: Sequence[int], now: datetime) -> None:
    """What dead workers held: claims become pending again, attempts uncertain."""
    if not worker_ids:
        return
    attempting = delivery.c.state == DeliveryState.ATTEMPTING
    connection.execute(
        update(delivery)
        .where(delivery.c.worker_id.in_(worker_ids), HELD)
        .values(
            state=case(
                (attempting, literal(DeliveryState.UNCERTAIN, delivery.c.state.type)),
                else_=literal(DeliveryState.PENDING, delivery.c.state.type),
            ),
            completed_at=case((attempting, literal(now, delivery.c.completed_at.type)), else_=None),
            phase=case((attempting, literal("crash")), else_=None),
            worker_id=None,
        )
    )
