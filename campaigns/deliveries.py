"""The delivery ledger: the statements that take a delivery through its life, the gate among them.

    pending -> claimed -> attempting -> accepted | deferred (claimable again when due) | rejected | uncertain
                      `-> withheld      (consent is gone: the gate did not let it through)

A claim belongs to one worker; nothing is written to a delivery except by the worker that holds it. What limits hold
back is in `held_back`, what workers leave behind in `estates`, what operators read of it all in `report`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    JSON,
    BigInteger,
    BindParameter,
    ColumnClause,
    ColumnElement,
    Connection,
    Integer,
    ScalarSelect,
    Select,
    String,
    Text,
    Update,
    bindparam,
    case,
    cast,
    column,
    func,
    insert,
    literal,
    literal_column,
    select,
    text,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from campaigns.models import Campaign, CampaignState, Delivery, DeliveryState
from campaigns.retry import Settlement
from mailer.columns import table
from mailer.prepared import AnyOf, Prepared, pipelined
from subscribers.address import HashedAddress
from subscribers.audience import ConsentedRecipient, consented
from subscribers.models import Consent, Subscriber

delivery = table(Delivery)
campaign = table(Campaign)
consent = table(Consent)
subscriber = table(Subscriber)

# Written out, not bound: only so do both engines see that the partial index covers it.
CLAIMABLE: ColumnElement[bool] = literal_column("delivery.state IN ('pending', 'deferred')")
HELD: ColumnElement[bool] = literal_column("delivery.state IN ('claimed', 'attempting')")


class Attempt(NamedTuple):
    """A delivery that the gate let through; its attempt is recorded, so its content may be offered once.

    Where the relay has a pace to keep, that is not before `not_before`.
    """

    recipient: ConsentedRecipient
    attempts: int
    first_attempted_at: datetime
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Withheld:
    """The gate found no valid consent; the delivery will not be attempted."""


@dataclass(frozen=True, slots=True)
class Halted:
    """The campaign is not being sent, or the claim is no longer ours: offer nothing, claim nothing."""


Answer = Attempt | Withheld | Halted


@dataclass(frozen=True, slots=True)
class Hold:
    """One worker at one campaign: whose claims they are, and which consent they need."""

    worker_id: int
    campaign_id: int
    topic: str


def enrol(connection: Connection, campaign_id: int, topic: str, now: datetime) -> int:
    """Make one pending delivery for each person who agrees to `topic` now; returns how many are new."""
    audience = (
        select(
            literal(campaign_id),
            subscriber.c.id,
            literal(DeliveryState.PENDING, delivery.c.state.type),
            literal(0),
            literal(now, delivery.c.due_at.type),
        )
        .where(consented(topic, subscriber.c.id))
        .order_by(subscriber.c.id)
    )
    columns = ["campaign_id", "subscriber_id", "state", "attempts", "due_at"]
    enrolled = connection.execute(insert(delivery).from_select(columns, audience)).rowcount
    if connection.dialect.name == "postgresql":
        # Until autovacuum has come by, it would plan the gate for tables as they were: it began with all consents.
        connection.execute(text("ANALYZE campaign, consent, delivery, subscriber, suppression"))
    return enrolled


def claim(connection: Connection, hold: Hold, now: datetime, limit: int) -> list[int]:
    """Claim up to `limit` deliveries that are due, oldest due first; returns their ids."""
    due = (
        select(delivery.c.id)
        .where(delivery.c.campaign_id == hold.campaign_id, CLAIMABLE, delivery.c.due_at <= now)
        .order_by(delivery.c.due_at, delivery.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return sorted(claim_these(connection, hold, due))


def claim_these(connection: Connection, hold: Hold, due: Select[tuple[int]]) -> list[int]:
    """Claim the deliveries whose ids `due` selects and locks, as far as they are claimable; returns their ids."""
    statement = (
        update(delivery)
        .where(delivery.c.id.in_(due.scalar_subquery()), CLAIMABLE)
        .values(state=DeliveryState.CLAIMED, worker_id=hold.worker_id)
        .returning(delivery.c.id)
    )
    return list(connection.execute(statement).scalars())


def attempt(
    connection: Connection, hold: Hold, delivery_ids: Sequence[int], now: datetime
) -> dict[int, Answer]:
    """THE GATE. Re-read consent and record the attempts, in one statement; nothing else leads to a relay.

    What comes back as an Attempt may be offered to a relay, once, after the transaction has committed.
    """
    if not delivery_ids:
        return {}
    values = {"ids": delivery_ids, "worker": hold.worker_id}
    values |= {"topic": hold.topic, "now": now}
    with pipelined(connection):
        if connection.dialect.name == "postgresql":
            _HOLD_CONSENTS.run(connection, {"ids": delivery_ids, "topic": hold.topic})
        passed = _GATE.rows(connection, values)
    answers: dict[int, Answer] = {}
    for row in passed:
        attempts, first_attempted_at = row[:2]
        recipient = ConsentedRecipient(*row[2:])
        answers[recipient.delivery_id] = Attempt(recipient, attempts, first_attempted_at or now)
    if stopped := [number for number in delivery_ids if number not in answers]:
        answers |= dict.fromkeys(stopped, Halted())
        withheld = connection.execute(_WITHHOLD, values | {"ids": stopped})
        answers |= dict.fromkeys(withheld.scalars(), Withheld())
    return answers


def settle(connection: Connection, hold: Hold, settlements: Sequence[Settlement], now: datetime) -> None:
    """Record outcomes. Safe to repeat: one of an attempt that is over, or not this worker's, changes nothing."""
    if settlements:
        rows = [one[: len(_SETTLED)] for one in settlements]
        shared = {"worker": hold.worker_id, "now": now}
        if connection.dialect.name == "sqlite":
            _SETTLE_EACH.run_each(connection, rows, shared)
        else:
            records = [dict(zip(_SETTLED_NAMES, row, strict=True)) for row in rows]
            with pipelined(connection):  # with the BEGIN
                values = {"rows": json.dumps(records, default=str), "ids": [row[0] for row in rows]}
                _SETTLE_TOGETHER.run(connection, values | shared)


def take_back(connection: Connection, hold: Hold, delivery_ids: Sequence[int]) -> None:
    """Turn attempts of this worker that it knows were never offered into claims again, to be attempted anew."""
    if delivery_ids:
        connection.execute(
            update(delivery)
            .where(
                delivery.c.id.in_(delivery_ids),
                delivery.c.worker_id == hold.worker_id,
                delivery.c.state == DeliveryState.ATTEMPTING,
            )
            .values(state=DeliveryState.CLAIMED)
        )


def address_hashes(connection: Connection, delivery_ids: Sequence[int]) -> list[HashedAddress]:
    """The keyed hashes of the addresses that these deliveries went to."""
    statement = (
        select(subscriber.c.address_hash, subscriber.c.key_id)
        .join(delivery, delivery.c.subscriber_id == subscriber.c.id)
        .where(delivery.c.id.in_(delivery_ids))
    )
    return [HashedAddress(row.address_hash, row.key_id) for row in connection.execute(statement)]


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
        .values(state=DeliveryState.CANCELLED, settled_at=now, worker_id=None)
    )


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
        .values(state=state, due_at=now, settled_at=None if resend else now)
        .returning(delivery.c.id)
    )
    if only:
        statement = statement.where(delivery.c.id.in_(only))
    return list(connection.execute(statement).scalars())


def has_due(connection: Connection, campaign_id: int, now: datetime) -> bool:
    """Whether any delivery could be claimed now."""
    statement = select(delivery.c.id).where(
        delivery.c.campaign_id == campaign_id, CLAIMABLE, delivery.c.due_at <= now
    )
    return connection.execute(statement.limit(1)).first() is not None


def count_claimable(connection: Connection, campaign_id: int) -> int:
    """How many deliveries are pending or deferred."""
    statement = select(func.count()).where(delivery.c.campaign_id == campaign_id, CLAIMABLE)
    number: int = connection.execute(statement).scalar_one()
    return number


def is_being_sent(connection: Connection, campaign_id: int) -> bool:
    """Whether the campaign is neither paused nor ended."""
    statement = select(campaign.c.state).where(campaign.c.id == campaign_id)
    return bool(connection.execute(statement).scalar_one() is CampaignState.SENDING)


def is_open(connection: Connection, campaign_id: int) -> bool:
    """Whether any delivery may still change by itself: claimable, claimed or in flight."""
    for condition in (CLAIMABLE, HELD):
        statement = select(delivery.c.id).where(delivery.c.campaign_id == campaign_id, condition).limit(1)
        if connection.execute(statement).first() is not None:
            return True
    return False


def _instant(name: str) -> BindParameter[datetime]:
    return bindparam(name, type_=delivery.c.due_at.type)


def _gate() -> ReturningUpdate[Any]:
    now = _instant("now")
    sending = select(campaign.c.id).where(
        campaign.c.id == delivery.c.campaign_id, campaign.c.state == CampaignState.SENDING
    )
    return (
        update(delivery)
        .where(
            AnyOf(delivery.c.id, "ids"),
            delivery.c.worker_id == bindparam("worker"),
            delivery.c.state == DeliveryState.CLAIMED,
            sending.exists(),
            consented(bindparam("topic"), delivery.c.subscriber_id),
        )
        .values(
            state=DeliveryState.ATTEMPTING,
            attempts=delivery.c.attempts + 1,
            attempted_at=now,
            first_attempted_at=func.coalesce(delivery.c.first_attempted_at, now),
        )
        .returning(
            delivery.c.attempts,
            case((delivery.c.attempts > 1, delivery.c.first_attempted_at)),  # or else it is now
            delivery.c.id,
            delivery.c.subscriber_id,
            *(_of_the_person(field) for field in ("salutation", "first_name", "surname", "email")),
        )
    )


def _of_the_person(field: str) -> ScalarSelect[str]:
    return select(subscriber.c[field]).where(subscriber.c.id == delivery.c.subscriber_id).scalar_subquery()


_GATE = Prepared(_gate())

# PostgreSQL only: a withdrawal that is under way commits either before the gate looks or after the gate's commit.
_HOLD_CONSENTS = Prepared(
    select(consent.c.subscriber_id)
    .where(
        consent.c.topic == bindparam("topic"),
        consent.c.subscriber_id.in_(select(delivery.c.subscriber_id).where(AnyOf(delivery.c.id, "ids"))),
    )
    .order_by(
        consent.c.subscriber_id
    )  # as the ledger changes them, so that the two never wait for each other
    .with_for_update(read=True)
)

_WITHHOLD = (
    update(delivery)
    .where(
        delivery.c.id.in_(bindparam("ids", expanding=True)),
        delivery.c.worker_id == bindparam("worker"),
        delivery.c.state == DeliveryState.CLAIMED,
        ~consented(bindparam("topic"), delivery.c.subscriber_id),
    )
    .values(
        state=DeliveryState.WITHHELD,
        settled_at=_instant("now"),
        worker_id=None,
    )
    .returning(delivery.c.id)
)

# A Settlement, in its order.
_SETTLED: list[ColumnClause[Any]] = [
    column("delivery", BigInteger()),
    column("attempt", Integer()),
    column("outcome", String()),
    column("due", delivery.c.due_at.type),
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
            due_at=func.coalesce(values["due"], _instant("now")),
            settled_at=_instant("now"),
            phase=values["in_phase"],
            reply_code=values["code"],
            reply_text=values["said"],
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
