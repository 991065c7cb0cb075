"""THE GATE: re-read consent and record the attempt in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    Connection,
    ScalarSelect,
    bindparam,
    case,
    func,
    select,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from campaigns.deliveries.claims import ClaimContext
from campaigns.deliveries.tables import campaign, consent, delivery, instant, subscriber
from campaigns.models import CampaignState, DeliveryState
from mailer.database import AnyOf, Prepared, is_postgresql, pipelined
from subscribers.address import HashedAddress
from subscribers.audience import ConsentedRecipient, consented


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


def attempt(
    connection: Connection, context: ClaimContext, delivery_ids: Sequence[int], now: datetime
) -> dict[int, Answer]:
    """THE GATE. Re-read consent and record the attempts, in one statement; nothing else leads to a relay.

    What comes back as an Attempt may be offered to a relay, once, after the transaction has committed.
    """
    if not delivery_ids:
        return {}
    values = {"ids": delivery_ids, "worker": context.worker_id}
    values |= {"topic": context.topic, "now": now}
    with pipelined(connection):
        if is_postgresql(connection):
            _HOLD_CONSENTS.run(connection, {"ids": delivery_ids, "topic": context.topic})
        passed = _GATE.rows(connection, values)
    answers: dict[int, Answer] = {}
    for row in passed:
        attempts, first_attempted_at, delivery_id, subscriber_id, *fields, address_hash, key_id = row
        salutation, first_name, surname, email = fields
        recipient = ConsentedRecipient(
            delivery_id,
            subscriber_id,
            salutation=salutation,
            first_name=first_name,
            surname=surname,
            email=email,
            address=HashedAddress(address_hash, key_id),
        )
        answers[delivery_id] = Attempt(recipient, attempts, first_attempted_at or now)
    if stopped := [number for number in delivery_ids if number not in answers]:
        answers |= dict.fromkeys(stopped, Halted())
        withheld = connection.execute(_WITHHOLD, values | {"ids": stopped})
        answers |= dict.fromkeys(withheld.scalars(), Withheld())
    return answers


_PERSON = ("salutation", "first_name", "surname", "email", "address_hash", "key_id")


def _gate() -> ReturningUpdate[Any]:
    now = instant("now")
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
            *(_of_the_person(field) for field in _PERSON),
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
        completed_at=instant("now"),
        worker_id=None,
    )
    .returning(delivery.c.id)
)
