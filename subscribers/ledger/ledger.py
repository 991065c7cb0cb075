"""The consent ledger in the database: append to it, read it, prove a consent from it.

Appending writes the event and derives the current `Consent` in one transaction, which the caller owns.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    ScalarSelect,
    Select,
    and_,
    bindparam,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.exc import DBAPIError

from mailer.database import AnyOf, bulk, insert_if_absent, lock_table
from mailer.errors import InvalidInput
from subscribers.commitments import (
    commit_to_note,
    commit_to_subject,
    commit_to_wording,
    fresh_nonces,
    text_hash,
)
from subscribers.leaver import Leaver, LeaverKind, note_leaver
from subscribers.ledger.events import (
    BrokenLink,
    ConsentStatus,
    LedgerEntry,
    NewEvent,
    check_entry,
    make_entry,
    status_after,
)
from subscribers.ledger.tiles import read_frontier, store
from subscribers.ledger.tree import Frontier
from subscribers.models import Consent, ConsentEvent, ConsentKind, ConsentNote, Subscriber, Wording

CONSENT = Consent.metadata.tables["consent"]
EVENT = ConsentEvent.metadata.tables["consent_event"]
NOTE = ConsentNote.metadata.tables["consent_note"]
SUBSCRIBER = Subscriber.metadata.tables["subscriber"]
WORDING = Wording.metadata.tables["wording"]

Statuses: TypeAlias = dict[tuple[int, str], ConsentStatus]
"""Where people stand, by (subscriber id, topic)."""


TAKING_AWAY = frozenset(
    {ConsentKind.WITHDRAWN, ConsentKind.OBJECTED, ConsentKind.ERASED, ConsentKind.SUPPRESSED}
)

# Suppressions are noted where they are made, for they may concern nobody on file.
_LEAVING = TAKING_AWAY - {ConsentKind.SUPPRESSED}

# In an entry about somebody of whom a damaged database tells nothing: it leads to nobody.
UNKNOWN_SUBJECT = "0" * 64


class Appended(NamedTuple):
    """What an append did: all statuses of the people that the events name, and the first new entry's number."""

    statuses: Statuses
    first_entry_id: int


LONGEST_WORDING = 100_000
LONGEST_LANGUAGE = 35
LONGEST_VERSION = 100

# Rows that a cursor brings at a time: a walk over millions of lines stays within a few megabytes.
READ_AHEAD = 2000

# What reading a row raises that holds what its columns never should: another kind, no instant, bytes for a text.
UNREADABLE_ROW_ERRORS = (AttributeError, LookupError, TypeError, ValueError)


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
    """Where the ledger ends: its last entry's number, and the tree's frontier unless that is damaged."""

    last_id: int
    frontier: Frontier | None


def check_end(connection: Connection) -> None:
    """Raise BrokenLink where the last entry or the checkpoint was tampered with, or where they do not go together."""
    _intact_end(connection)


def _intact_end(connection: Connection) -> _End:
    last = next(read(connection, select(EVENT).order_by(EVENT.c.id.desc()).limit(1)), None)
    if last is not None:
        check_entry(last)
    last_id = last.id if last else 0
    try:
        frontier = read_frontier(connection)
    except UNREADABLE_ROW_ERRORS as error:
        raise BrokenLink(last_id, f"its checkpoint was altered: {error}") from None
    if frontier.size != last_id:
        raise BrokenLink(
            min(last_id, frontier.size) + 1,
            f"the checkpoint has {frontier.size} entries, the ledger {last_id}",
        )
    return _End(last_id, frontier)


def _end(connection: Connection) -> _End:
    try:
        return _intact_end(connection)
    except (*UNREADABLE_ROW_ERRORS, BrokenLink):
        last_id = _last_id(connection)
        try:
            frontier = read_frontier(connection)
        except UNREADABLE_ROW_ERRORS:
            return _End(last_id, None)
        return _End(last_id, frontier if frontier.size == last_id else None)


def _last_id(connection: Connection) -> int:
    return connection.execute(select(func.max(EVENT.c.id))).scalar_one() or 0


def _make_entries(end: _End, events: Sequence[NewEvent], now: datetime) -> list[LedgerEntry]:
    return [make_entry(entry_id, event, now) for entry_id, event in enumerate(events, end.last_id + 1)]


def _write(connection: Connection, end: _End, entries: Sequence[LedgerEntry]) -> None:
    if end.frontier is not None:
        store(connection, end.frontier, [bytes.fromhex(entry.hash) for entry in entries])
    bulk.insert(connection, EVENT, [_row_of(entry) for entry in entries])


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


def newest_subject(subscriber_id: ColumnElement[int]) -> ScalarSelect[str]:
    """The commitment to a person in their newest entry, for a statement that gives `subscriber_id`."""
    # SQLAlchemy writes columns without their tables into RETURNING on SQLite; so these have names of their own.
    entry = select(
        EVENT.c.id.label("entry_id"), EVENT.c.subscriber_id.label("entry_subscriber_id"), EVENT.c.subject
    ).subquery()
    newest = select(entry.c.subject).where(entry.c.entry_subscriber_id == subscriber_id)
    return newest.order_by(entry.c.entry_id.desc()).limit(1).scalar_subquery()


def _subjects_on_file(
    connection: Connection, subscriber_ids: Collection[int | None]
) -> dict[int | None, str]:
    on_file = select(SUBSCRIBER.c.id, SUBSCRIBER.c.nonce, SUBSCRIBER.c.email_normalised)
    rows = connection.execute(on_file.where(AnyOf(SUBSCRIBER.c.id, subscriber_ids)))
    return {number: commit_to_subject(nonce, key) for number, nonce, key in rows}


def store_wording(
    connection: Connection, wording: str, now: datetime, *, topic: str, language: str = "", version: str = ""
) -> str:
    """Store the verbatim text that was shown, once; returns the commitment by which events name it."""
    if not wording.strip() or "\0" in wording:
        raise InvalidInput("The wording is empty or not text.", hint="Give the text that people agreed to.")
    if len(wording) > LONGEST_WORDING:
        raise InvalidInput(f"The wording is longer than {LONGEST_WORDING} characters.")
    if len(language) > LONGEST_LANGUAGE or len(version) > LONGEST_VERSION:
        raise InvalidInput(
            f"A wording's language has at most {LONGEST_LANGUAGE} characters, its version {LONGEST_VERSION}."
        )
    sha256 = text_hash(wording)
    names = {"language": language, "topic": topic, "version": version}
    commitment = commit_to_wording(sha256, **names)
    row = {"commitment": commitment, "sha256": sha256, "text": wording, "first_used_at": now} | names
    insert_if_absent(connection, WORDING, row)
    return commitment


def store_note(connection: Connection, note: str, subscriber_id: int | None = None) -> str:
    """Store a free text beside the ledger; returns the commitment by which events name it.

    `subscriber_id` is the one person that it is about: erasing them erases it.
    """
    [commitment] = store_notes(connection, [(note, subscriber_id)])
    return commitment


def store_notes(connection: Connection, notes: Sequence[tuple[str, int | None]]) -> list[str]:
    """Store free texts, each with the person that it is about; returns their commitments."""
    salts = fresh_nonces(len(notes))
    commitments = [commit_to_note(salt, text) for salt, (text, _) in zip(salts, notes, strict=True)]
    rows = [
        {"commitment": commitment, "salt": salt, "text": text, "subscriber_id": subscriber_id}
        for commitment, salt, (text, subscriber_id) in zip(commitments, salts, notes, strict=True)
    ]
    bulk.insert(connection, NOTE, rows)
    return commitments


def erase_notes(connection: Connection, subscriber_id: int) -> None:
    """Erase the notes about one person."""
    connection.execute(delete(NOTE).where(NOTE.c.subscriber_id == subscriber_id))


def notes_of(connection: Connection, entries: Iterable[LedgerEntry]) -> dict[str, str]:
    """The notes of these entries, by commitment; those that were erased are left out."""
    named = {entry.event.note for entry in entries} - {None}
    rows = connection.execute(select(NOTE.c.commitment, NOTE.c.text).where(AnyOf(NOTE.c.commitment, named)))
    return dict(rows.all())


def statuses(connection: Connection, subscriber_ids: Collection[int]) -> Statuses:
    """Where these people stand, on every topic there is a consent for."""
    rows = connection.execute(select(CONSENT).where(AnyOf(CONSENT.c.subscriber_id, subscriber_ids)))
    return {(row.subscriber_id, row.topic): ConsentStatus(row.state, row.since, row.event_id) for row in rows}


def history(connection: Connection, subscriber_id: int) -> list[LedgerEntry]:
    """Everything the ledger says of one person, oldest first."""
    of_person = select(EVENT).where(EVENT.c.subscriber_id == subscriber_id)
    return list(read(connection, of_person.order_by(EVENT.c.id)))


def entry(connection: Connection, entry_id: int) -> LedgerEntry | None:
    """The ledger entry with this number. Raises BrokenLink where it can't be read."""
    return next(read(connection, select(EVENT).where(EVENT.c.id == entry_id)), None)


def entries(connection: Connection) -> Generator[LedgerEntry]:
    """The whole ledger from its first line, read as it is walked."""
    return read(connection, select(EVENT).order_by(EVENT.c.id))


def entries_by_subscriber(connection: Connection) -> Generator[LedgerEntry]:
    """The whole ledger, person by person, read as it is walked."""
    by_person = select(EVENT).order_by(EVENT.c.subscriber_id, EVENT.c.id)
    return read(connection, by_person)


def read(connection: Connection, statement: Select[Any]) -> Generator[LedgerEntry]:
    """The lines that a selection of the ledger's columns yields.

    Raises BrokenLink at a line that no `append` can have written, such as one of an unknown kind.
    """
    passed = 0
    try:
        with connection.execute(statement.execution_options(yield_per=READ_AHEAD)) as rows:
            for row in rows:
                line = _entry_from_row(row)
                passed += 1
                yield line
    except UNREADABLE_ROW_ERRORS:
        yield from _one_by_one(connection, statement.offset(passed))


def _one_by_one(connection: Connection, statement: Select[Any]) -> Generator[LedgerEntry]:
    """A cursor fails for all the rows that it brings at a time; so the one that is to blame is found."""
    numbers = connection.execute(statement.with_only_columns(EVENT.c.id)).scalars().all()
    for number in numbers:
        try:
            yield _entry_from_row(connection.execute(select(EVENT).where(EVENT.c.id == number)).one())
        except UNREADABLE_ROW_ERRORS:
            raise BrokenLink(number, "it was altered; its fields can't be read") from None


class Head(NamedTuple):
    """The ledger's last entry: its number and hash; 0 and nothing for an empty ledger."""

    size: int
    hash: str


def head(connection: Connection, size: int | None = None) -> Head:
    """The last entry as it is stored, now or when the ledger had `size` entries; empty where that entry is missing."""
    last = select(EVENT.c.id, EVENT.c.hash)
    last = last.order_by(EVENT.c.id.desc()).limit(1) if size is None else last.where(EVENT.c.id == size)
    row = connection.execute(last).first()
    return Head(row.id, str(row.hash)[:64]) if row else Head(0, "")


def _entry_from_row(row: Row[Any]) -> LedgerEntry:
    event = NewEvent(
        row.subscriber_id,
        row.topic,
        row.kind,
        row.occurred_at,
        row.channel,
        row.wording,
        row.note,
        row.subject,
        row.previous,
    )
    return LedgerEntry(row.id, event, row.recorded_at, row.hash)


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
