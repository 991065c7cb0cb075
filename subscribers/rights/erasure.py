"""Erase a person (GDPR art. 17)."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime

from sqlalchemy import Connection

from subscribers import former_people, ledger, pending_requests, people, suppression
from subscribers.address import AddressHasher, EmailAddress
from subscribers.commitments import commit_to_subject
from subscribers.kinds import Channel, ConsentKind, SuppressionReason
from subscribers.leaver import Leaver, LeaverKind, note_leaver
from subscribers.ledger import EVERY_TOPIC, NewEvent
from subscribers.personal_data import holders_of
from subscribers.rights import holds
from subscribers.rights.access import KEEP_OPT_OUT, find
from subscribers.rights.holds import Hold
from subscribers.rights.objection import object_to_mail


def erase(
    connection: Connection,
    address: EmailAddress,
    *,
    hasher: AddressHasher,
    source: str,
    now: datetime,
    channel: Channel = Channel.COMMAND,
) -> list[Hold]:
    """Erase a person (article 17), also what the attached holders have of them. Raises NotFound.

    The ledger's entries remain and no longer lead to a person; it gets an entry of the erasure. A keyed hash
    of the address remains, so that no import adds the person again. A later consent does. What proved the consents of
    somebody who left is deleted too.

    Where holds stand, they are returned, and the data stay until they end; the person gets no more mail from now on.
    `source` says through what the person asked; it is kept with the objection that a hold makes of the erasure, and no longer.
    """
    ledger.lock(connection)
    ledger.wait_for_gates(connection)  # before any delivery's row
    former = former_people.find(connection, address, hasher)
    on_file = people.find(connection, address)
    held = holds.standing(connection, [one.id for one in (*former, on_file) if one is not None], now)
    if held:
        holds.request_erasure(connection, held, now)
    is_held = {hold.subscriber_id for hold in held}
    subjects = {
        one.id: commit_to_subject(one.nonce, one.email_normalised) for one in former if one.id not in is_held
    }
    forget_former(connection, subjects, channel, now)
    if former and on_file is None:
        since = ledger.latest_moment(connection, [one.id for one in former], now)
        suppression.add(connection, former[0].hashed, SuppressionReason.ERASED, since, now, channel=channel)
        note_leaver(connection, Leaver(*former[0].hashed, EVERY_TOPIC, LeaverKind.ERASED, now))
        return held
    person = find(connection, address, hasher, hint=KEEP_OPT_OUT)
    if person.id in is_held:
        erased = SuppressionReason.ERASED
        object_to_mail(connection, person, source=source, now=now, channel=channel, reason=erased)
        pending_requests.remove_of_address(connection, person.email_normalised)
        note_leaver(connection, Leaver(*person.hashed, EVERY_TOPIC, LeaverKind.ERASED, now))
        return held
    since = ledger.latest_moment(connection, [person.id], now)
    _record(connection, person.id, channel, now)
    for holder in holders_of(connection):
        holder.erase(connection, person.id)
    people.remove(connection, person.id)
    pending_requests.remove_of_address(connection, person.email_normalised)
    suppression.add(connection, person.hashed, SuppressionReason.ERASED, since, now, channel=channel)
    return held


def forget_former(
    connection: Connection, subjects: Mapping[int, str | None], channel: Channel, now: datetime
) -> None:
    """Delete what proves the consents of people who left, and record it. `subjects` has the commitment to each."""
    events = [
        NewEvent(number, EVERY_TOPIC, ConsentKind.ERASED, now, channel, subject=subject)
        for number, subject in subjects.items()
    ]
    for number in subjects:
        ledger.erase_notes(connection, number)
    former_people.remove(connection, list(subjects))
    with suppress(*ledger.DAMAGE_ERRORS), connection.begin_nested():
        ledger.append(connection, events, now)


def _record(connection: Connection, person_id: int, channel: Channel, now: datetime) -> None:
    """Append the erasure to the ledger, without a note: a text about the person would stay where nobody sees it.

    A damaged ledger does not prevent an erasure: it is recorded as far as possible.
    """
    event = NewEvent(person_id, EVERY_TOPIC, ConsentKind.ERASED, now, channel)
    try:
        with connection.begin_nested():
            ledger.erase_notes(connection, person_id)
            ledger.append(connection, [event], now)
    except ledger.DAMAGE_ERRORS:
        with suppress(*ledger.DAMAGE_ERRORS), connection.begin_nested():
            ledger.append_unchecked(connection, [event], now)
