"""THE GATE: re-read consent and record the attempt in one statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    String,
    Subquery,
    Update,
    bindparam,
    case,
    func,
    select,
    true,
    type_coerce,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from campaigns.deliveries.claims import ClaimContext
from campaigns.deliveries.retry import Settlement
from campaigns.deliveries.settlement import SETTLEMENTS, settled_values
from campaigns.deliveries.tables import ATTEMPTING, CLAIMED, IS_THE_WORKERS, instant, subscriber
from campaigns.states import CampaignState, DeliveryState
from campaigns.tables import campaign, delivery
from mailer.database import AnyOf, ListOf, Prepared, Row, Step, is_postgresql, pipelined
from subscribers.address import HashedAddress
from subscribers.audience import ConsentedRecipient, consented
from subscribers.ledger import (
    consented_wording,
    hold_consents,
    newest_entry_id,
    newest_entry_of,
    subject_of,
)


class Attempt(NamedTuple):
    """A delivery that the gate let through; its attempt is recorded, so its content may be offered once.

    Where a rate limits the relay, the content is not offered before `not_before`.
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
    """THE GATE. Re-read consent and record the attempts, in one statement. Every mail passes it before it is offered.

    The content of an Attempt may be offered to a relay, once, after the transaction has committed.
    """
    if not delivery_ids:
        return {}
    values = _values(context, delivery_ids, now)
    passed: Sequence[Row]
    if is_postgresql(connection):
        with pipelined(connection):
            # A statement of its own, so that the gate sees what was committed before it.
            hold_consents(connection)
            passed = gate_step(context, delivery_ids, now).rows(connection)
    else:
        passed = _pass_on_sqlite(connection, values, reads_wordings=context.reads_wordings)
    answers: dict[int, Answer] = dict(attempts_of(passed, now))
    if len(answers) < len(delivery_ids):
        answers |= {number: Withheld() for (number,) in _WITHHOLD.rows(connection, values)}
        answers |= {number: Halted() for number in delivery_ids if number not in answers}
    return answers


def gate_step(context: ClaimContext, delivery_ids: Sequence[int], now: datetime) -> Step:
    """PostgreSQL's statement that is the gate, after `hold_consents`."""
    gate = _JOINED_GATE_WITH_WORDINGS if context.reads_wordings else _JOINED_GATE
    return Step(gate, _values(context, delivery_ids, now))


def _values(context: ClaimContext, delivery_ids: Sequence[int], now: datetime) -> dict[str, Any]:
    """What the statements of the gate bind."""
    return {"ids": delivery_ids, "worker": context.worker_id, "topic": context.topic, "now": now}


def _pass_on_sqlite(
    connection: Connection, values: Mapping[str, Any], *, reads_wordings: bool
) -> Sequence[Row]:
    """Pass the gate, and then read who has passed: its RETURNING could only look up each column by itself.

    All that it wrote are among this worker's attempts of this instant. Where those are as many, they are no others.
    """
    if not (number := _GATE.run(connection, values)):
        return ()
    if reads_wordings:
        passed = _PASSED_WITH_WORDINGS.rows(connection, values)
    else:
        passed = _PASSED.rows(connection, {name: values[name] for name in ("ids", "worker", "now")})
    return passed if len(passed) == number else ()


def settle_and_gate(
    context: ClaimContext, settlements: Sequence[Settlement], delivery_ids: Sequence[int], now: datetime
) -> Step:
    """Settlements and the gate as one statement of PostgreSQL, after `hold_consents`."""
    gate = _SETTLE_AND_GATE_WITH_WORDINGS if context.reads_wordings else _SETTLE_AND_GATE
    return Step(gate, _values(context, delivery_ids, now) | settled_values(settlements))


def attempts_of(passed: Sequence[Row], now: datetime) -> dict[int, Attempt]:
    """What the gate let through, from its rows."""
    attempts: dict[int, Attempt] = {}
    for number, first, digest, key_id, *fields in passed:
        fields.insert(_ADDRESS, HashedAddress(digest, key_id))
        recipient = ConsentedRecipient(*fields)
        attempts[recipient.delivery_id] = Attempt(recipient, number, first or now)
    return attempts


_OF_PERSON = ("salutation", "first_name", "surname", "email", "address_hash", "key_id", "nonce")
# What the gate returns, each as `_passed_column` says: of the attempt and the address, then of `ConsentedRecipient`.
_FIELDS = (
    *("attempts", "first_attempted_at", "address_hash", "key_id"),
    *("delivery_id", "subscriber_id", "salutation", "first_name", "surname", "email", "nonce", "subject"),
)
_FIELDS_WITH_WORDING = (*_FIELDS, "wording")
_ADDRESS = ConsentedRecipient._fields.index("address")


def _passed_column(field: str) -> ColumnElement[Any]:  # noqa: PLR0911 - one for each field
    match field:
        case "attempts" | "subscriber_id":
            return delivery.c[field]
        case "delivery_id":
            return delivery.c.id
        case "first_attempted_at":
            return case((delivery.c.attempts > 1, delivery.c.first_attempted_at))  # NULL means now
        case "nonce":  # as the driver gives it: a damaged one stops this mail, not the run
            return type_coerce(subscriber.c.nonce, String)
        case "subject":
            return subject_of(delivery.c.ledger_entry)
        case "wording":
            return consented_wording(bindparam("topic"), delivery.c.subscriber_id)
        case _:
            return subscriber.c[field]


def _record_attempt(
    *whose: ColumnElement[bool], consents: ColumnElement[bool], newest: ColumnElement[Any]
) -> Update:
    now = instant("now")
    sending = select(campaign.c.id).where(
        campaign.c.id == delivery.c.campaign_id, campaign.c.state == CampaignState.SENDING
    )
    return (
        update(delivery)
        .where(
            AnyOf(delivery.c.id, "ids"),
            IS_THE_WORKERS,
            CLAIMED,
            *whose,
            sending.exists(),
            consents,
        )
        .values(
            state=DeliveryState.ATTEMPTING,
            attempts=delivery.c.attempts + 1,
            attempted_at=now,
            first_attempted_at=func.coalesce(delivery.c.first_attempted_at, now),
            ledger_entry=newest,
        )
    )


def _gate() -> Update:
    """SQLite's gate."""
    consents = consented(bindparam("topic"), delivery.c.subscriber_id)
    return _record_attempt(consents=consents, newest=newest_entry_id(delivery.c.subscriber_id))


def _who_passed(fields: Sequence[str] = _FIELDS) -> Select[Any]:
    """Who passed SQLite's gate at this instant. A list in FROM needs no table of its own, unlike one in IN."""
    columns = [_passed_column(field) for field in fields]
    ids = func.json_each(bindparam("ids", type_=ListOf(delivery.c.id.type))).table_valued("value")
    is_person = subscriber.c.id == delivery.c.subscriber_id
    found = select(*columns).select_from(ids).join(delivery, delivery.c.id == ids.c.value)
    is_of_now = delivery.c.attempted_at == instant("now")
    return found.join(subscriber, is_person).where(IS_THE_WORKERS, ATTEMPTING, is_of_now)


def _joined_gate(fields: Sequence[str] = _FIELDS) -> ReturningUpdate[Any]:
    """PostgreSQL's gate, which joins the person."""
    person = _person_with_newest_entry()
    columns = [person.c[field] if field in person.c else _passed_column(field) for field in fields]
    is_person = person.c.id == delivery.c.subscriber_id
    consents = consented(bindparam("topic"), delivery.c.subscriber_id, person.c.address_hash)
    return _record_attempt(is_person, consents=consents, newest=person.c.newest).returning(*columns)


def _person_with_newest_entry() -> Subquery:
    """People, each with the number and the subject of the newest entry: one look into the ledger for both."""
    entry = newest_entry_of(subscriber.c.id)
    of_person = [_passed_column(field).label(field) for field in _OF_PERSON]
    return (
        select(subscriber.c.id, *of_person, entry.c.id.label("newest"), entry.c.subject)
        .select_from(subscriber.outerjoin(entry, true()))
        .subquery()
    )


_GATE = Prepared(_gate)
_PASSED, _PASSED_WITH_WORDINGS = Prepared(_who_passed), Prepared(lambda: _who_passed(_FIELDS_WITH_WORDING))
_JOINED_GATE = Prepared(_joined_gate)
_JOINED_GATE_WITH_WORDINGS = Prepared(lambda: _joined_gate(_FIELDS_WITH_WORDING))
_SETTLE_AND_GATE = Prepared(lambda: _joined_gate().add_cte(SETTLEMENTS.cte()))
_SETTLE_AND_GATE_WITH_WORDINGS = Prepared(
    lambda: _joined_gate(_FIELDS_WITH_WORDING).add_cte(SETTLEMENTS.cte())
)


_WITHHOLD = Prepared(
    update(delivery)
    .where(
        AnyOf(delivery.c.id, "ids"),
        IS_THE_WORKERS,
        CLAIMED,
        ~consented(bindparam("topic"), delivery.c.subscriber_id),
    )
    .values(
        state=DeliveryState.WITHHELD,
        completed_at=instant("now"),
        reason=None,
        worker_id=None,
    )
    .returning(delivery.c.id)
)
