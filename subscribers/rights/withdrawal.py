"""Withdraw a consent on behalf of a person (GDPR art. 7(3))."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from sqlalchemy import Connection

from subscribers import ledger, suppression
from subscribers.address import AddressHasher, EmailAddress
from subscribers.kinds import AGREED, Channel, ConsentKind, SuppressionReason
from subscribers.ledger import DAMAGE_ERRORS, NewEvent
from subscribers.people import Person
from subscribers.rights.access import KEEP_OPT_OUT, find


def withdraw(
    connection: Connection,
    address: EmailAddress,
    topic: str,
    *,
    hasher: AddressHasher,
    source: str,
    now: datetime,
    occurred_at: datetime | None = None,
    channel: Channel = Channel.COMMAND,
) -> bool:
    """Withdraw a person's consent on `topic`; False where there was none.

    `occurred_at` is when the person acted. A consent that is later than that is not withdrawn. Without it the
    person acts now, and every consent is withdrawn, also one that another host's clock dated later. With it a no
    that is later than the one on file is recorded too: a consent from between them may arrive after it. A damaged
    ledger or consent table does not prevent a withdrawal: it is recorded as far as possible. Raises NotFound.
    """
    with suppress(*DAMAGE_ERRORS), connection.begin_nested():
        ledger.lock(connection)  # first: an erasure before the withdrawal takes the person off file
    person = find(connection, address, hasher, hint=KEEP_OPT_OUT)
    event = NewEvent(person.id, topic, ConsentKind.WITHDRAWN, occurred_at or now, channel)
    try:
        with connection.begin_nested():
            return _withdraw(connection, event, person.id, source, now, spares_later=occurred_at is not None)
    except DAMAGE_ERRORS:
        if not ledger.withdraw_from_damaged(connection, event, now):
            _suppress(connection, person, now, source)
        return True


def _withdraw(
    connection: Connection,
    event: NewEvent,
    person_id: int,
    source: str,
    now: datetime,
    *,
    spares_later: bool,
) -> bool:
    topic = event.topic
    status = ledger.statuses(connection, [person_id]).get((person_id, topic))
    agreed_later = status is not None and status.state in AGREED and event.occurred_at < status.since
    if spares_later and agreed_later:
        return False
    to_record = ledger.is_to_record(
        status,
        lambda: ledger.newest_entry(connection, person_id, topic),
        event.channel,
        event.occurred_at,
    )
    to_record = to_record or (spares_later and status is not None and event.occurred_at > status.since)
    if to_record:
        note = ledger.store_note(connection, source, person_id)
        ledger.append(connection, [event.with_note(note)], now)
    return to_record


def _suppress(connection: Connection, person: Person, now: datetime, source: str) -> None:
    channel = Channel.COMMAND
    suppression.add(
        connection, person.hashed, SuppressionReason.WITHDRAWN, now, now, channel=channel, source=source
    )
