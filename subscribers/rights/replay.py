"""Apply the leavers' journal to a restored database."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from subscribers import former_people, ledger, people, suppression
from subscribers.address import AddressHasher, HashedAddress, normalise
from subscribers.kinds import AGREED, Channel, ConsentKind, SuppressionReason
from subscribers.leaver import Leaver, LeaverKind
from subscribers.ledger import EVERY_TOPIC, NewEvent
from subscribers.people import Person
from subscribers.rights import holds
from subscribers.rights.erasure import erase, forget_former

SOURCE = "leavers' journal"


@dataclass(frozen=True, slots=True)
class Replayed:
    """The number of lines in the journal, and of the changes."""

    read: int
    withdrawn: int
    suppressed: int
    erased: int


def replay(
    connection: Connection, leavers: Iterable[Leaver], *, hasher: AddressHasher, now: datetime
) -> Replayed:
    """Apply `leavers`. An entry that the database has, or that a later consent undid, changes nothing.

    People who are not on file are suppressed, so that no import adds them. Needs a writing transaction.
    Repeatable.
    """
    ledger.lock(connection)
    in_order = sorted(leavers, key=lambda one: one.at)
    known = people.find_by_hashes(connection, {one.address_hash for one in in_order})
    withdrawn = suppressed = erased = 0
    for leaver in in_order:
        hashed = HashedAddress(leaver.address_hash, leaver.key_id)
        person = known.get(hashed.hash)
        if person is None:
            if leaver.kind is LeaverKind.ERASED:
                _forget_former(connection, hashed, now)
            suppressed += _suppress(connection, hashed, leaver, now)
        elif leaver.kind is LeaverKind.ERASED:
            if person.created_at <= leaver.at:
                address = normalise(person.email)
                held = erase(
                    connection, address, hasher=hasher, source=SOURCE, now=now, channel=Channel.REPLAY
                )
                if person.id not in {hold.subscriber_id for hold in held}:
                    erased += 1
                    del known[hashed.hash]
        elif leaver.kind is LeaverKind.BOUNCED:
            if not _agreed_after(connection, person, leaver.at):
                suppressed += _suppress(connection, hashed, leaver, now)
        else:
            ended = _withdraw(connection, person, leaver, now)
            withdrawn += ended
            if leaver.kind is LeaverKind.SUPPRESSED and (ended or not _agrees(connection, person)):
                suppressed += _suppress(connection, hashed, leaver, now)
    return Replayed(len(in_order), withdrawn, suppressed, erased)


def _forget_former(connection: Connection, hashed: HashedAddress, now: datetime) -> None:
    """Delete the proofs of those who left with this address. Where a hold stands, they stay until it ends."""
    numbers = former_people.ids_by_hash(connection, hashed.hash)
    if not numbers:
        return
    held = holds.standing(connection, numbers, now)
    if held:
        holds.request_erasure(connection, held, now)
    is_held = {hold.subscriber_id for hold in held}
    subjects = {one: _subject_of(connection, one) for one in numbers if one not in is_held}
    forget_former(connection, subjects, Channel.REPLAY, now)


def _subject_of(connection: Connection, number: int) -> str | None:
    """The commitment to a person in their newest entry: the journal has no address. None where the ledger is damaged."""
    with suppress(*ledger.DAMAGE_ERRORS), connection.begin_nested():
        if entries := ledger.history(connection, number):
            return entries[-1].event.subject
    return None


def _withdraw(connection: Connection, person: Person, leaver: Leaver, now: datetime) -> int:
    """Withdraw the consents from before the person left; returns their number."""
    kind = ConsentKind.OBJECTED if leaver.kind is LeaverKind.OBJECTED else ConsentKind.WITHDRAWN
    events = [
        NewEvent(person.id, topic, kind, leaver.at, Channel.REPLAY)
        for (_, topic), status in ledger.statuses(connection, [person.id]).items()
        if leaver.topic in {topic, EVERY_TOPIC} and status.state in AGREED and status.since <= leaver.at
    ]
    if events:
        note = ledger.store_note(connection, SOURCE, person.id)
        ledger.append(connection, [event.with_note(note) for event in events], now)
    return len(events)


def _agrees(connection: Connection, person: Person) -> bool:
    return any(status.state in AGREED for status in ledger.statuses(connection, [person.id]).values())


def _agreed_after(connection: Connection, person: Person, moment: datetime) -> bool:
    statuses = ledger.statuses(connection, [person.id]).values()
    return any(status.state in AGREED and status.since > moment for status in statuses)


def _suppress(connection: Connection, hashed: HashedAddress, leaver: Leaver, now: datetime) -> bool:
    since = suppression.since_by_hash(connection, hashed.hash)
    if since is not None and since >= leaver.at:
        return False
    reason = {
        LeaverKind.WITHDRAWN: SuppressionReason.WITHDRAWN,
        LeaverKind.OBJECTED: SuppressionReason.OBJECTED,
        LeaverKind.SUPPRESSED: SuppressionReason.OPTED_OUT,
        LeaverKind.ERASED: SuppressionReason.ERASED,
        LeaverKind.BOUNCED: SuppressionReason.BOUNCED,
    }[leaver.kind]
    suppression.add(connection, hashed, reason, leaver.at, now, channel=Channel.REPLAY, source=SOURCE)
    return since is None
