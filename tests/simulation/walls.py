"""The walls that the promise rests on, each with what it would be like without it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from typing import assert_never

import pytest
from sqlalchemy import ColumnElement, Connection, String, cast, exists, update

from campaigns import deliveries
from campaigns.deliveries import (
    HELD,
    ClaimContext,
    Settlement,
    delivery,
    gate,
    recovery,
    tables,
    workers,
)
from campaigns.sending.recorder import Batch, Committed, Recorder
from campaigns.states import DeliveryState
from mailer.database import Prepared
from subscribers.kinds import ConsentKind

Predicate = Callable[..., ColumnElement[bool]]


class Wall(StrEnum):
    """The safeguards that a test removes."""

    GATE_IS_THE_WRITE = "the gate is the write"
    POSITIVE_CONSENT = "consent is positive"
    WRITTEN_BEFORE_DONE = "written before done"
    DOUBT_IS_UNCERTAIN = "who is in doubt is uncertain"
    FENCING = "fencing"
    LEASE = "content is offered under a lease"
    CONTENT_AFTER_COMMIT = "content is offered after the gate's commit"


def knock_out(wall: Wall, patch: pytest.MonkeyPatch) -> None:
    """Take one wall away, as long as `patch` is not undone."""
    match wall:
        case Wall.GATE_IS_THE_WRITE:
            patch.setattr(deliveries, "claim", _claim_who_agrees)
            _open_gate(patch, lambda topic, *_: cast(topic, String) != "")
        case Wall.POSITIVE_CONSENT:
            _open_gate(patch, _has_not_withdrawn)
        case Wall.WRITTEN_BEFORE_DONE:
            unwritten = gate._gate().values(state=DeliveryState.CLAIMED)
            patch.setattr(gate, "_GATE", Prepared(unwritten))
            patch.setattr(deliveries, "settle", _settle_what_was_not_written)
        case Wall.DOUBT_IS_UNCERTAIN:
            patch.setattr(recovery, "_abandon", _forget)
        case Wall.FENCING:
            patch.setattr(workers, "renew", lambda *_: True)
            patch.setattr(deliveries, "attempt", _attempt_whosever_it_is)
        case Wall.LEASE:
            patch.setattr(Recorder, "is_valid", lambda _: True)
        case Wall.CONTENT_AFTER_COMMIT:
            patch.setattr(Recorder, "commit", _answer_before_commit)
        case _:
            assert_never(wall)


_commit = Recorder.commit
_claim, _attempt, _settle = deliveries.claim, deliveries.attempt, deliveries.settle


def _open_gate(patch: pytest.MonkeyPatch, predicate: Predicate) -> None:
    with pytest.MonkeyPatch.context() as for_a_moment:
        for_a_moment.setattr(gate, "consented", predicate)
        patch.setattr(gate, "_GATE", Prepared(gate._gate()))
        patch.setattr(gate, "_JOINED_GATE", Prepared(gate._joined_gate()))


def _claim_who_agrees(
    connection: Connection, context: ClaimContext, now: datetime, limit: int
) -> dict[int, str | None]:
    """Consent is read here, in a transaction before the one that records the attempt."""
    claimed = _claim(connection, context, now, limit)
    values = {"ids": list(claimed), "worker": context.worker_id, "topic": context.topic, "now": now}
    withheld = {number for (number,) in gate._WITHHOLD.rows(connection, values)} if claimed else set()
    return {number: address for number, address in claimed.items() if number not in withheld}


def _has_not_withdrawn(
    topic: ColumnElement[str], subscriber_id: ColumnElement[int], _address_hash: object = None
) -> ColumnElement[bool]:
    consent = tables.consent.alias()
    return ~exists().where(
        consent.c.subscriber_id == subscriber_id,
        consent.c.topic == topic,
        consent.c.state == ConsentKind.WITHDRAWN,
    )


def _settle_what_was_not_written(
    connection: Connection, context: ClaimContext, settlements: Sequence[Settlement], now: datetime
) -> None:
    """Attempt and outcome are written together, after the content was offered."""
    ids = [one.delivery_id for one in settlements]
    mine = delivery.c.id.in_(ids), delivery.c.worker_id == context.worker_id, HELD
    connection.execute(update(delivery).where(*mine).values(state=DeliveryState.ATTEMPTING))
    _settle(connection, context, settlements, now)


def _forget(connection: Connection, worker_ids: Sequence[int], _now: datetime) -> None:
    """What a dead worker was at is simply done again."""
    held = delivery.c.worker_id.in_(worker_ids), HELD
    connection.execute(update(delivery).where(*held).values(state=DeliveryState.PENDING, worker_id=None))


def _attempt_whosever_it_is(
    connection: Connection, context: ClaimContext, delivery_ids: Sequence[int], now: datetime
) -> dict[int, deliveries.Answer]:
    """A worker that once claimed a delivery may attempt it, also after it was retired."""
    claimed = delivery.c.id.in_(delivery_ids), deliveries.CLAIMABLE | (delivery.c.state == "claimed")
    values = {"state": DeliveryState.CLAIMED, "worker_id": context.worker_id}
    connection.execute(update(delivery).where(*claimed).values(values))
    return _attempt(connection, context, delivery_ids, now)


async def _answer_before_commit(recorder: Recorder, batch: Batch) -> Committed:
    """The gate answers, and its transaction is committed while the content is on its way."""
    answers: list[Committed] = []

    def ask(connection: Connection) -> None:
        answers.append(recorder._apply(connection, batch=batch, is_retry=False))
        raise Undone

    with suppress(Undone):
        await recorder._transactions.run(ask)
    asyncio.get_running_loop().create_task(_commit(recorder, batch))
    return answers[0]


class Undone(Exception):
    """A transaction that is rolled back."""
