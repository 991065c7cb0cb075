"""Append to the consent ledger.

Appending writes the event and derives the current `Consent` in one transaction, which the caller owns.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple, TypeAlias

from sqlalchemy import (
    Connection,
    String,
    select,
    type_coerce,
)
from sqlalchemy.exc import DBAPIError

from mailer.database import AnyOf, Prepared, bulk, lock_table, note
from mailer.errors import MailerError
from mailer.quantity import quantity
from subscribers.commitments import (
    commit_to_subject,
)
from subscribers.kinds import Channel, ConsentKind
from subscribers.leaver import Leaver, LeaverKind, note_leaver
from subscribers.ledger.checkpoint import TAKING_AWAY, check_signed, signer_of
from subscribers.ledger.consent_table import apply_entry, store_statuses
from subscribers.ledger.events import (
    BrokenEntry,
    LedgerEntry,
    NewEvent,
    check_entry,
    make_entry,
)
from subscribers.ledger.reading import UNREADABLE_ROW_ERRORS, Statuses, last_entry, last_id, statuses
from subscribers.ledger.tiles import read_stored, store
from subscribers.ledger.tree import Frontier
from subscribers.tables import EVENT, SUBSCRIBER

# Suppressions are noted where they are made, for they may concern nobody on file.
_LEAVING = TAKING_AWAY - {ConsentKind.SUPPRESSED}

log = logging.getLogger("mailer.ledger")

# In an entry about somebody of whom a damaged database tells nothing: it leads to nobody.
UNKNOWN_SUBJECT = "0" * 64


class Grown(NamedTuple):
    """Noted by each append for what is done after the commit: the ledger has new entries."""

    last_id: int


class Appended(NamedTuple):
    """What an append did: all statuses of the people that the events name, and the first new entry's number."""

    statuses: Statuses
    first_entry_id: int


def lock(connection: Connection) -> None:
    """Wait until nobody else appends, and keep it so until the transaction ends.

    What is read after it and what is appended on the strength of it agree. SQLite's BEGIN IMMEDIATE has done
    that already.
    """
    lock_table(connection, EVENT)


def append(
    connection: Connection,
    events: Sequence[NewEvent],
    now: datetime,
    *,
    new_people: Iterable[int] = (),
    before: Statuses | None = None,
) -> Appended:
    """Write `events` at the end of the ledger, in order, and derive the consent table from them.

    The statuses of `new_people` are not read: they were put on file in this transaction, which must be a writing
    one. `before` has all statuses of the people that the events name, where they were read under the lock.
    Raises BrokenEntry, and writes nothing, where the ledger's end was tampered with; a withdrawal, an objection and
    an erasure are appended all the same.
    """
    if not events:
        return Appended({}, 0)
    lock(connection)
    gives = any(event.kind not in TAKING_AWAY for event in events)
    on_file = _people_on_file(connection, events)
    _note_leavers(connection, events, on_file)
    end = _intact_end(connection) if gives else _end(connection)
    if before is None:
        people = {event.subscriber_id for event in events if event.subscriber_id is not None}
        before = statuses(connection, people.difference(new_people))
    after = dict(before)
    appended = _make_entries(end, _with_subjects(events, on_file), now)
    for entry in appended:
        apply_entry(after, entry)
    _write(connection, end, appended)
    store_statuses(connection, before, after)
    return Appended(after, appended[0].id)


def note_leavers(connection: Connection, events: Sequence[NewEvent]) -> None:
    """Let the leavers' journal have those of `events` by which somebody leaves."""
    _note_leavers(connection, events, _people_on_file(connection, events))


def _note_leavers(connection: Connection, events: Sequence[NewEvent], on_file: _PeopleOnFile) -> None:
    if not on_file:
        return
    for event in events:
        if event.channel is Channel.RETENTION:
            continue  # the person left long before; a restored database finds that out by itself
        if event.kind in _LEAVING and (person := on_file.get(event.subscriber_id)) is not None:
            kind = LeaverKind(event.kind.value)
            leaver = Leaver(person.address_hash, person.key_id, event.topic, kind, event.occurred_at)
            note_leaver(connection, leaver)


def append_unchecked(connection: Connection, events: Sequence[NewEvent], now: datetime) -> None:
    """Write `events` at the end of a ledger that may be damaged; the consent table is neither read nor written.

    The checkpoint moves only where it can be read; otherwise verification names the entries after it.
    """
    lock(connection)
    try:
        with connection.begin_nested():
            end = _end(connection)
    except DBAPIError:
        end = _End(last_id(connection), None)
    with_subjects = _with_subjects(events, _people_on_file(connection, events))
    _write(connection, end, _make_entries(end, with_subjects, now))


class _End(NamedTuple):
    """Where the ledger ends: its last entry's number, and the tree's frontier unless that is damaged.

    Only what `is_intact` is signed.
    """

    last_id: int
    frontier: Frontier | None
    is_intact: bool = False


def check_end(connection: Connection) -> None:
    """Raise BrokenEntry where the last entry or the checkpoint was tampered with, or where they do not go together.

    Raises ConfigurationError where the key that signed the checkpoint is missing.
    """
    _intact_end(connection)


def _intact_end(connection: Connection) -> _End:
    last = last_entry(connection)
    if last is not None:
        check_entry(last)
    size = last.id if last else 0
    try:
        stored = read_stored(connection)
    except UNREADABLE_ROW_ERRORS as error:
        raise BrokenEntry(size, f"its checkpoint was altered: {error}") from None
    frontier = stored.frontier
    if frontier.size != size:
        raise BrokenEntry(
            min(size, frontier.size) + 1,
            f"the checkpoint has {quantity(frontier.size, 'entry', 'entries')}, the ledger {size}",
        )
    signed = check_signed(connection, stored)
    if signed < size and (signer := signer_of(connection)) is not None and signer.key is not None:
        log.warning(
            "The ledger's entries %d to %d, recorded without its key, are signed now.", signed + 1, size
        )
    return _End(size, frontier, is_intact=True)


def _end(connection: Connection) -> _End:
    try:
        return _intact_end(connection)
    except (*UNREADABLE_ROW_ERRORS, MailerError):
        size = last_id(connection)
        try:
            frontier = read_stored(connection).frontier
        except UNREADABLE_ROW_ERRORS:
            return _End(size, None)
        return _End(size, frontier if frontier.size == size else None)


def _make_entries(end: _End, events: Sequence[NewEvent], now: datetime) -> list[LedgerEntry]:
    return [make_entry(entry_id, event, now) for entry_id, event in enumerate(events, end.last_id + 1)]


def _write(connection: Connection, end: _End, entries: Sequence[LedgerEntry]) -> None:
    signer = signer_of(connection) if end.is_intact else None
    sign = signer.sign if signer is not None else _not_signed
    if end.frontier is not None:
        store(connection, end.frontier, [bytes.fromhex(entry.hash) for entry in entries], sign)
    bulk.insert(connection, EVENT, _COLUMNS, [_row_of(entry) for entry in entries])
    note(connection, Grown(end.last_id + len(entries)))


def _not_signed(_size: int, _root: bytes) -> None:
    return None


class _PersonOnFile(NamedTuple):
    """What the ledger and the leavers' journal say of a person is made of this. `nonce` is as the driver gives it."""

    address_hash: str
    key_id: str
    nonce: bytes
    email_normalised: str


_PeopleOnFile: TypeAlias = dict[int | None, _PersonOnFile]


def _people_on_file(connection: Connection, events: Sequence[NewEvent]) -> _PeopleOnFile:
    """The people whose address is needed to record `events`."""
    ids = {event.subscriber_id for event in events if event.subject is None or event.kind in _LEAVING}
    if not ids:
        return {}
    rows = _PEOPLE_ON_FILE.rows(connection, {"subscribers": list(ids)})
    return {subscriber_id: _PersonOnFile(*values) for subscriber_id, *values in rows}


_PEOPLE_ON_FILE = Prepared(
    select(
        SUBSCRIBER.c.id,
        SUBSCRIBER.c.address_hash,
        SUBSCRIBER.c.key_id,
        type_coerce(SUBSCRIBER.c.nonce, String),
        SUBSCRIBER.c.email_normalised,
    ).where(AnyOf(SUBSCRIBER.c.id, "subscribers"))
)


def _with_subjects(events: Sequence[NewEvent], on_file: _PeopleOnFile) -> Sequence[NewEvent]:
    """The events, each with the commitment to its person."""
    return [
        event if event.subject is not None else event.with_subject(_subject(on_file.get(event.subscriber_id)))
        for event in events
    ]


def _subject(person: _PersonOnFile | None) -> str:
    return UNKNOWN_SUBJECT if person is None else commit_to_subject(person.nonce, person.email_normalised)


_COLUMNS = (
    "id",
    "subscriber_id",
    "subject",
    "previous",
    "topic",
    "kind",
    "occurred_at",
    "recorded_at",
    "channel",
    "note",
    "wording",
    "hash",
)


def _row_of(entry: LedgerEntry) -> bulk.Row:
    """The values of `_COLUMNS`."""
    event = entry.event
    return (
        entry.id,
        event.subscriber_id,
        event.subject,
        event.previous,
        event.topic,
        str(event.kind),
        event.occurred_at,
        entry.recorded_at,
        str(event.channel),
        event.note,
        event.wording,
        entry.hash,
    )
