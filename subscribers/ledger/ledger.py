"""Append to the consent ledger.

Appending writes the event and derives the current `Consent` in one transaction, which the caller owns.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import (
    Connection,
    and_,
    bindparam,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.exc import DBAPIError

from mailer.database import AnyOf, bulk, lock_table, note
from mailer.errors import MailerError
from mailer.quantity import quantity
from subscribers.commitments import (
    commit_to_subject,
)
from subscribers.leaver import Leaver, LeaverKind, note_leaver
from subscribers.ledger.checkpoint import TAKING_AWAY, check_signed, signer_of
from subscribers.ledger.events import (
    BrokenLink,
    LedgerEntry,
    NewEvent,
    check_entry,
    make_entry,
    status_after,
)
from subscribers.ledger.reading import (
    CONSENT,
    EVENT,
    SUBSCRIBER,
    UNREADABLE_ROW_ERRORS,
    Statuses,
    read,
    statuses,
)
from subscribers.ledger.tiles import read_stored, store
from subscribers.ledger.tree import Frontier
from subscribers.models import ConsentKind

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
    connection: Connection, events: Sequence[NewEvent], now: datetime, *, new_people: Iterable[int] = ()
) -> Appended:
    """Write `events` at the end of the ledger, in order, and derive the consent table from them.

    The statuses of `new_people` are not read: they were put on file in this transaction, which must be a writing
    one. Raises BrokenLink, and writes nothing, where the ledger's end was tampered with; a withdrawal, an
    objection and an erasure are appended all the same.
    """
    if not events:
        return Appended({}, 0)
    lock(connection)
    gives = any(event.kind not in TAKING_AWAY for event in events)
    note_leavers(connection, events)
    end = _intact_end(connection) if gives else _end(connection)
    people = {event.subscriber_id for event in events if event.subscriber_id is not None}
    before = statuses(connection, people.difference(new_people))
    after = dict(before)
    appended = _make_entries(end, _with_subjects(connection, events), now)
    for entry in appended:
        apply_entry(after, entry)
    _write(connection, end, appended)
    _store(connection, before, after)
    return Appended(after, appended[0].id)


def note_leavers(connection: Connection, events: Sequence[NewEvent]) -> None:
    """Let the leavers' journal have those of `events` by which somebody leaves."""
    leaving = [event for event in events if event.kind in _LEAVING]
    if not leaving:
        return
    of_people = AnyOf(SUBSCRIBER.c.id, {event.subscriber_id for event in leaving})
    found = select(SUBSCRIBER.c.id, SUBSCRIBER.c.address_hash, SUBSCRIBER.c.key_id).where(of_people)
    hashed = {row.id: row for row in connection.execute(found)}
    for event in leaving:
        if (row := hashed.get(event.subscriber_id)) is not None:
            kind = LeaverKind(event.kind.value)
            leaver = Leaver(row.address_hash, row.key_id, event.topic, kind, event.occurred_at)
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
        end = _End(_last_id(connection), None)
    _write(connection, end, _make_entries(end, _with_subjects(connection, events), now))


class _End(NamedTuple):
    """Where the ledger ends: its last entry's number, and the tree's frontier unless that is damaged.

    Only what `is_intact` is signed.
    """

    last_id: int
    frontier: Frontier | None
    is_intact: bool = False


def check_end(connection: Connection) -> None:
    """Raise BrokenLink where the last entry or the checkpoint was tampered with, or where they do not go together.

    Raises ConfigurationError where the key that signed the checkpoint is missing.
    """
    _intact_end(connection)


def _intact_end(connection: Connection) -> _End:
    last = next(read(connection, select(EVENT).order_by(EVENT.c.id.desc()).limit(1)), None)
    if last is not None:
        check_entry(last)
    last_id = last.id if last else 0
    try:
        stored = read_stored(connection)
    except UNREADABLE_ROW_ERRORS as error:
        raise BrokenLink(last_id, f"its checkpoint was altered: {error}") from None
    frontier = stored.frontier
    if frontier.size != last_id:
        raise BrokenLink(
            min(last_id, frontier.size) + 1,
            f"the checkpoint has {quantity(frontier.size, 'entry', 'entries')}, the ledger {last_id}",
        )
    signed = check_signed(connection, stored)
    if signed < last_id and (signer := signer_of(connection)) is not None and signer.key is not None:
        log.warning(
            "The ledger's entries %d to %d, recorded without its key, are signed now.", signed + 1, last_id
        )
    return _End(last_id, frontier, is_intact=True)


def _end(connection: Connection) -> _End:
    try:
        return _intact_end(connection)
    except (*UNREADABLE_ROW_ERRORS, MailerError):
        last_id = _last_id(connection)
        try:
            frontier = read_stored(connection).frontier
        except UNREADABLE_ROW_ERRORS:
            return _End(last_id, None)
        return _End(last_id, frontier if frontier.size == last_id else None)


def _last_id(connection: Connection) -> int:
    return connection.execute(select(func.max(EVENT.c.id))).scalar_one() or 0


def _make_entries(end: _End, events: Sequence[NewEvent], now: datetime) -> list[LedgerEntry]:
    return [make_entry(entry_id, event, now) for entry_id, event in enumerate(events, end.last_id + 1)]


def _write(connection: Connection, end: _End, entries: Sequence[LedgerEntry]) -> None:
    signer = signer_of(connection) if end.is_intact else None
    sign = signer.sign if signer is not None else _not_signed
    if end.frontier is not None:
        store(connection, end.frontier, [bytes.fromhex(entry.hash) for entry in entries], sign)
    bulk.insert(connection, EVENT, [_row_of(entry) for entry in entries])
    note(connection, Grown(end.last_id + len(entries)))


def _not_signed(_size: int, _root: bytes) -> None:
    return None


def _with_subjects(connection: Connection, events: Sequence[NewEvent]) -> Sequence[NewEvent]:
    """The events, each with the commitment to its person."""
    lacking = {event.subscriber_id for event in events if event.subject is None}
    if not lacking:
        return events
    known = _subjects_on_file(connection, lacking)
    return [
        replace(event, subject=known.get(event.subscriber_id, UNKNOWN_SUBJECT))
        if event.subject is None
        else event
        for event in events
    ]


def _subjects_on_file(
    connection: Connection, subscriber_ids: Collection[int | None]
) -> dict[int | None, str]:
    on_file = select(SUBSCRIBER.c.id, SUBSCRIBER.c.nonce, SUBSCRIBER.c.email_normalised)
    rows = connection.execute(on_file.where(AnyOf(SUBSCRIBER.c.id, subscriber_ids)))
    return {number: commit_to_subject(nonce, key) for number, nonce, key in rows}


def _row_of(entry: LedgerEntry) -> bulk.Row:
    event = entry.event
    return {
        "id": entry.id,
        "subscriber_id": event.subscriber_id,
        "subject": event.subject,
        "previous": event.previous,
        "topic": event.topic,
        "kind": event.kind.value,
        "occurred_at": event.occurred_at,
        "recorded_at": entry.recorded_at,
        "channel": event.channel.value,
        "note": event.note,
        "wording": event.wording,
        "hash": entry.hash,
    }


def apply_entry(statuses: Statuses, line: LedgerEntry) -> None:
    event = line.event
    if event.kind is ConsentKind.ERASED:
        for key in [key for key in statuses if key[0] == event.subscriber_id]:
            del statuses[key]
    elif event.subscriber_id is not None and event.kind is not ConsentKind.RECTIFIED:
        key = (event.subscriber_id, event.topic)
        status = status_after(statuses.get(key), event, line.id)
        if status is not None:
            statuses[key] = status


def _store(connection: Connection, before: Statuses, after: Statuses) -> None:
    """Bring the consent table from `before` to `after`; nobody else writes there while the lock is held."""
    new = [
        {
            "subscriber_id": subscriber_id,
            "topic": topic,
            "state": status.state.value,
            "since": status.since,
            "event_id": status.event_id,
        }
        for (subscriber_id, topic), status in after.items()
        if (subscriber_id, topic) not in before
    ]
    bulk.insert(connection, CONSENT, new)
    # In the order in which the gate holds them on PostgreSQL, so that the two never wait for each other.
    changed = [
        {"person": person, "about": topic, "state": now.state, "since": now.since, "event_id": now.event_id}
        for (person, topic), was in sorted(before.items())
        if (now := after.get((person, topic), was)) != was
    ]
    ended = [{"person": person, "about": topic} for person, topic in before.keys() - after.keys()]
    of_key = and_(CONSENT.c.subscriber_id == bindparam("person"), CONSENT.c.topic == bindparam("about"))
    if changed:
        connection.execute(update(CONSENT).where(of_key), changed)
    if ended:
        connection.execute(delete(CONSENT).where(of_key), ended)
