"""The consent ledger in the database: append to it, read it, prove a consent from it.

Appending writes the event and derives the current `Consent` in one transaction, which the caller owns.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import Connection, Row, Select, and_, bindparam, delete, select, update

from mailer.database import AnyOf, bulk, insert_if_absent, lock_table
from mailer.errors import InvalidInput
from subscribers.ledger.events import (
    BrokenLink,
    ConsentStatus,
    Head,
    LedgerEntry,
    NewEvent,
    check_entry,
    link,
    status_after,
)
from subscribers.models import Consent, ConsentEvent, ConsentKind, Subscriber, Wording

CONSENT = Consent.metadata.tables["consent"]
EVENT = ConsentEvent.metadata.tables["consent_event"]
SUBSCRIBER = Subscriber.metadata.tables["subscriber"]
WORDING = Wording.metadata.tables["wording"]

Statuses: TypeAlias = dict[tuple[int, str], ConsentStatus]
"""Where people stand, by (subscriber id, topic)."""


TAKING_AWAY = frozenset({ConsentKind.WITHDRAWN, ConsentKind.OBJECTED, ConsentKind.ERASED})


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
    one. Raises BrokenLink, and writes nothing, where the ledger's last entry was tampered with; a withdrawal, an
    objection and an erasure are appended all the same.
    """
    if not events:
        return Appended({}, 0)
    lock(connection)
    gives = any(event.kind not in TAKING_AWAY for event in events)
    last = _last_intact_entry(connection) if gives else _head(connection)
    before = statuses(connection, {event.subscriber_id for event in events}.difference(new_people))
    after = dict(before)
    appended = _link_all(last, events, now)
    for entry in appended:
        apply_entry(after, entry)
    bulk.insert(connection, EVENT, [_row_of(entry) for entry in appended])
    _store(connection, before, after)
    return Appended(after, appended[0].id)


def append_unchecked(connection: Connection, events: Sequence[NewEvent], now: datetime) -> None:
    """Write `events` at the end of a ledger that may be damaged; the consent table is neither read nor written."""
    lock(connection)
    entries = _link_all(_head(connection), events, now)
    bulk.insert(connection, EVENT, [_row_of(entry) for entry in entries])


def _link_all(
    last: LedgerEntry | Head | None, events: Sequence[NewEvent], now: datetime
) -> list[LedgerEntry]:
    entries: list[LedgerEntry] = []
    for event in events:
        last = link(last, event, now)
        entries.append(last)
    return entries


def store_wording(
    connection: Connection, wording: str, now: datetime, *, language: str = "", version: str = ""
) -> str:
    """Store the verbatim text that was shown, once; returns its SHA-256 (hex), by which events name it."""
    if not wording.strip() or "\0" in wording:
        raise InvalidInput("The wording is empty or not text.", hint="Give the text that people agreed to.")
    if len(wording) > LONGEST_WORDING:
        raise InvalidInput(f"The wording is longer than {LONGEST_WORDING} characters.")
    if len(language) > LONGEST_LANGUAGE or len(version) > LONGEST_VERSION:
        raise InvalidInput(
            f"A wording's language has at most {LONGEST_LANGUAGE} characters, its version {LONGEST_VERSION}."
        )
    name = sha256(wording.encode()).hexdigest()
    row = {"sha256": name, "text": wording, "language": language, "version": version, "first_used_at": now}
    insert_if_absent(connection, WORDING, row)
    return name


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


def wording_hash(wording: object) -> str | None:
    """A text's name: its SHA-256 (hex)."""
    return sha256(wording.encode()).hexdigest() if isinstance(wording, str) else None


def _last_intact_entry(connection: Connection) -> LedgerEntry | None:
    last = select(EVENT).order_by(EVENT.c.id.desc()).limit(1)
    entry = next(read(connection, last), None)
    if entry is not None:
        check_entry(entry)
    return entry


def _head(connection: Connection) -> Head | None:
    """The number and hash of the last entry as they are stored, whether or not it is intact."""
    row = connection.execute(select(EVENT.c.id, EVENT.c.hash).order_by(EVENT.c.id.desc()).limit(1)).first()
    return Head(row.id, str(row.hash)[:64]) if row else None


def _entry_from_row(row: Row[Any]) -> LedgerEntry:
    event = NewEvent(row.subscriber_id, row.topic, row.kind, row.occurred_at, row.source, row.wording_sha256)
    return LedgerEntry(row.id, event, row.recorded_at, row.previous_hash, row.hash)


def _row_of(entry: LedgerEntry) -> bulk.Row:
    event = entry.event
    return {
        "id": entry.id,
        "subscriber_id": event.subscriber_id,
        "topic": event.topic,
        "kind": event.kind.value,
        "occurred_at": event.occurred_at,
        "recorded_at": entry.recorded_at,
        "source": event.source,
        "wording_sha256": event.wording_sha256,
        "previous_hash": entry.previous_hash,
        "hash": entry.hash,
    }


def apply_entry(statuses: Statuses, line: LedgerEntry) -> None:
    event = line.event
    if event.kind is ConsentKind.ERASED:
        for key in [key for key in statuses if key[0] == event.subscriber_id]:
            del statuses[key]
    elif event.kind is not ConsentKind.RECTIFIED:
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
