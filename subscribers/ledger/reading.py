"""Read the consent ledger, and where people stand by it."""

from __future__ import annotations

from collections.abc import Collection, Generator, Sequence
from typing import Any, TypeAlias

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    ScalarSelect,
    Select,
    Subquery,
    func,
    or_,
    select,
)

from mailer.database import AnyOf, Prepared
from subscribers.kinds import ConsentKind
from subscribers.ledger.events import EVERY_TOPIC, BrokenEntry, ConsentStatus, LedgerEntry, NewEvent
from subscribers.tables import CONSENT, EVENT, WORDING

Statuses: TypeAlias = dict[tuple[int, str], ConsentStatus]
"""Where people stand, by (subscriber id, topic)."""

# Rows that a cursor brings at a time: a walk over millions of entries stays within a few megabytes.
READ_AHEAD = 2000

# What reading a row raises that holds what its columns never should: another kind, no instant, bytes for a text.
UNREADABLE_ROW_ERRORS = (AttributeError, LookupError, TypeError, ValueError)


def newest_entry_id(subscriber_id: ColumnElement[int]) -> ScalarSelect[int]:
    """The number of a person's newest entry, for a statement that gives `subscriber_id`."""
    about = EVENT.alias()
    return select(func.max(about.c.id)).where(about.c.subscriber_id == subscriber_id).scalar_subquery()


def newest_entry_of(subscriber_id: ColumnElement[int]) -> FromClause:
    """A person's newest entry, the columns id and subject, to be joined to what gives `subscriber_id` (PostgreSQL)."""
    newest = select(EVENT.c.id, EVENT.c.subject).where(EVENT.c.subscriber_id == subscriber_id)
    return newest.order_by(EVENT.c.id.desc()).limit(1).lateral()


def subject_of(entry_id: ColumnElement[Any]) -> ScalarSelect[str]:
    """The commitment to the person of an entry, for a statement that gives `entry_id`."""
    # SQLAlchemy writes columns without their tables into RETURNING on SQLite; so this one has a name of its own.
    cited = select(EVENT.c.id.label("entry_id"), EVENT.c.subject).subquery()
    return select(cited.c.subject).where(cited.c.entry_id == entry_id).scalar_subquery()


def consented_wording(topic: ColumnElement[str], subscriber_id: ColumnElement[int]) -> ScalarSelect[str]:
    """The commitment to the wording that a person agreed to for `topic`, for a statement that gives `subscriber_id`."""
    entry = select(EVENT.c.id.label("agreed_id"), EVENT.c.wording).subquery()
    agreed = select(
        CONSENT.c.event_id.label("agreed_event_id"),
        CONSENT.c.subscriber_id.label("agreed_subscriber_id"),
        CONSENT.c.topic.label("agreed_topic"),
    ).subquery()
    found = select(entry.c.wording).join(agreed, agreed.c.agreed_event_id == entry.c.agreed_id)
    return found.where(
        agreed.c.agreed_subscriber_id == subscriber_id, agreed.c.agreed_topic == topic
    ).scalar_subquery()


def agreed_wording(
    topic: str, subscriber_id: ColumnElement[int], until: ColumnElement[int | None]
) -> ScalarSelect[str | None]:
    """The commitment to the wording of a person's newest consent to `topic` up to the entry `until`; up to now where that is NULL."""
    return (
        select(EVENT.c.wording)
        .where(
            EVENT.c.subscriber_id == subscriber_id,
            EVENT.c.topic == topic,
            EVENT.c.kind == ConsentKind.GRANTED,
            or_(until.is_(None), EVENT.c.id <= until),
        )
        .order_by(EVENT.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )


def leavings(topic: str) -> Subquery:
    """The entries by which people left `topic`: the columns id, subscriber_id, recorded_at and channel."""
    kinds = (ConsentKind.WITHDRAWN, ConsentKind.OBJECTED, ConsentKind.ERASED)
    columns = (EVENT.c.id, EVENT.c.subscriber_id, EVENT.c.recorded_at, EVENT.c.channel)
    return select(*columns).where(EVENT.c.kind.in_(kinds), EVENT.c.topic.in_((topic, EVERY_TOPIC))).subquery()


def languages_of_wordings(connection: Connection, topic: str) -> dict[str, str]:
    """The language of each wording for `topic`, by its commitment."""
    rows = connection.execute(
        select(WORDING.c.commitment, WORDING.c.language).where(WORDING.c.topic == topic)
    )
    return {row.commitment: row.language for row in rows}


def statuses(connection: Connection, subscriber_ids: Collection[int]) -> Statuses:
    """Where these people stand, on every topic there is a consent for."""
    rows = _STATUSES.rows(connection, {"subscribers": list(subscriber_ids)})
    return {
        (subscriber_id, topic): ConsentStatus(state, since, entry_id)
        for subscriber_id, topic, state, since, entry_id in rows
    }


_STATUSES = Prepared(
    select(
        CONSENT.c.subscriber_id, CONSENT.c.topic, CONSENT.c.state, CONSENT.c.since, CONSENT.c.event_id
    ).where(AnyOf(CONSENT.c.subscriber_id, "subscribers"))
)


def last_entry(connection: Connection) -> LedgerEntry | None:
    """The last entry of the ledger. Raises BrokenEntry where it can't be read."""
    try:
        return next(map(_entry_from_row, _LAST.rows(connection, {})), None)
    except UNREADABLE_ROW_ERRORS:
        raise BrokenEntry(last_id(connection), _UNREADABLE) from None


def last_id(connection: Connection) -> int:
    """The number of the last entry; 0 where there is none."""
    [(number,)] = _LAST_ID.rows(connection, {})
    return number or 0


_UNREADABLE = "it was altered; its fields can't be read"
_LAST = Prepared(select(EVENT).order_by(EVENT.c.id.desc()).limit(1))
_LAST_ID = Prepared(select(func.max(EVENT.c.id)))


def history(connection: Connection, subscriber_id: int) -> list[LedgerEntry]:
    """Everything the ledger says of one person, oldest first."""
    of_person = select(EVENT).where(EVENT.c.subscriber_id == subscriber_id)
    return list(read(connection, of_person.order_by(EVENT.c.id)))


def entry(connection: Connection, entry_id: int) -> LedgerEntry | None:
    """The ledger entry with this number. Raises BrokenEntry where it can't be read."""
    return next(read(connection, select(EVENT).where(EVENT.c.id == entry_id)), None)


def entries(connection: Connection) -> Generator[LedgerEntry]:
    """The whole ledger from its first entry, read as it is walked."""
    return read(connection, select(EVENT).order_by(EVENT.c.id))


def entries_by_subscriber(connection: Connection) -> Generator[LedgerEntry]:
    """The ledger without the entries of suppressions, person by person, read as it is walked."""
    of_people = select(EVENT).where(EVENT.c.subscriber_id.is_not(None))
    by_person = of_people.order_by(EVENT.c.subscriber_id, EVENT.c.id)
    return read(connection, by_person)


def read(connection: Connection, statement: Select[Any]) -> Generator[LedgerEntry]:
    """The lines that a selection of the ledger's columns yields.

    Raises BrokenEntry at a line that no `append` can have written, such as one of an unknown kind.
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
            raise BrokenEntry(number, _UNREADABLE) from None


def _entry_from_row(row: Sequence[Any]) -> LedgerEntry:
    """The entry with these values, in the order of the table's columns."""
    (
        number,
        subscriber_id,
        subject,
        previous,
        topic,
        kind,
        occurred_at,
        recorded_at,
        channel,
        note,
        wording,
        leaf,
    ) = row
    event = NewEvent(
        subscriber_id, topic, kind, occurred_at, channel, wording, note, subject=subject, previous=previous
    )
    return LedgerEntry(number, event, recorded_at, leaf)
