"""Whether the ledger is safe to send on: whom a campaign mails rests on entries that nobody has touched.

Quicker than `verify`, because it leaves out what decides nothing about who gets mail: notes, names, and people who
agreed to nothing. The address of each recipient is compared when the mail is composed (`ConsentedRecipient`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, String, and_, exists, func, or_, select, type_coerce

from mailer.database import is_postgresql
from subscribers.ledger.events import BrokenLink, encode_fields, instant_text
from subscribers.ledger.ledger import check_end
from subscribers.ledger.reading import CONSENT, EVENT, UNREADABLE_ROW_ERRORS
from subscribers.ledger.tiles import read_stored
from subscribers.ledger.tree import EMPTY, leaf_hash
from subscribers.ledger.verification import check_wordings
from subscribers.models import ConsentKind

_ENTRIES_AT_ONCE = 10_000
# Places of columns; `recorded_at` follows `occurred_at`, `hash` is the last.
_OCCURRED_AT, _TOPIC, _WORDING = map(EVENT.columns.keys().index, ("occurred_at", "topic", "wording"))
_ENDING = (ConsentKind.WITHDRAWN, ConsentKind.OBJECTED)


def check_before_run(connection: Connection) -> None:
    """What is checked before each run: the ledger's end, and the consents. Raises BrokenLink."""
    check_end(connection)
    check_consents(connection)


def check_before_freezing(connection: Connection) -> None:
    """What is checked before an audience is enrolled: as before a run, and each entry against the tree's root.

    It takes some 12 µs an entry. Raises BrokenLink.
    """
    check_entries(connection, check_wordings(connection))
    check_before_run(connection)


def check_consents(connection: Connection) -> None:
    """Compare the consent table with the entries that it cites and the last ones after them, in one query.

    Raises BrokenLink where a consent is not what its entry says, or where a later entry ends it.
    """
    cited, later = EVENT.alias(), EVENT.alias()
    ended = exists().where(
        later.c.subscriber_id == CONSENT.c.subscriber_id,
        later.c.id > CONSENT.c.event_id,
        or_(
            and_(later.c.topic == CONSENT.c.topic, later.c.kind.in_(_ENDING)),
            later.c.kind == ConsentKind.ERASED,
        ),
    )
    state, kind = type_coerce(CONSENT.c.state, String), type_coerce(cited.c.kind, String)
    differs = or_(
        cited.c.id.is_(None),
        cited.c.subscriber_id != CONSENT.c.subscriber_id,
        cited.c.topic != CONSENT.c.topic,
        # What was an objection stays one when a withdrawal follows.
        and_(state != kind, ~and_(state == ConsentKind.OBJECTED, kind == ConsentKind.WITHDRAWN)),
        and_(state == ConsentKind.GRANTED, ended),
    )
    statement = (
        select(CONSENT.c.subscriber_id, func.coalesce(cited.c.id, 0))
        .select_from(CONSENT.outerjoin(cited, cited.c.id == CONSENT.c.event_id))
        .where(differs)
        .limit(1)
    )
    if found := connection.execute(statement).first():
        subscriber_id, entry_id = found
        raise BrokenLink(
            entry_id, f"the consent table does not agree with the ledger about subscriber {subscriber_id}"
        )


def check_entries(connection: Connection, topic_of_wording: Mapping[str, str]) -> None:
    """Hash all entries anew, and compare the tree's root with the checkpoint's. Raises BrokenLink.

    `topic_of_wording` holds the wordings that are on file, by commitment.
    """
    frontier, expected = EMPTY, 0
    instant = _stored_instant(connection)
    while rows := _rows_after(connection, expected):
        hashes = []
        for row in rows:
            expected += 1
            if row[0] != expected:
                raise BrokenLink(expected, f"it is missing; line {row[0]} comes instead")
            hashes.append(_hash_of(row, instant))
            if row[_WORDING] is not None and topic_of_wording.get(row[_WORDING]) != row[_TOPIC]:
                raise BrokenLink(expected, "its wording is missing")
        frontier = frontier.extended(hashes)
    try:
        stored = read_stored(connection).frontier
    except UNREADABLE_ROW_ERRORS as error:
        raise BrokenLink(expected, f"its checkpoint was altered: {error}") from None
    if stored != frontier:
        raise BrokenLink(expected, "the entries up to it do not give the checkpoint's root")


def _hash_of(row: Any, instant: Callable[[Any], str]) -> bytes:
    try:
        instants = instant(row[_OCCURRED_AT]), instant(row[_OCCURRED_AT + 1])
        leaf = leaf_hash(encode_fields((*row[:_OCCURRED_AT], *instants, *row[_OCCURRED_AT + 2 : -1])))
        if leaf.hex() == row[-1]:
            return leaf
    except UNREADABLE_ROW_ERRORS:
        pass
    raise BrokenLink(row[0], "it was altered; its fields do not match its hash")


def _rows_after(connection: Connection, entry_id: int) -> Iterable[Any]:
    """The next entries as the driver gives them: reading them as values would take most of the time."""
    columns = ", ".join(column.name for column in EVENT.columns)
    statement = (
        f"SELECT {columns} FROM consent_event WHERE id > {entry_id} ORDER BY id LIMIT {_ENTRIES_AT_ONCE}"
    )
    return connection.exec_driver_sql(statement).fetchall()


def _stored_instant(connection: Connection) -> Callable[[Any], str]:
    """What turns an instant, as the driver gives it, into the one in an entry."""
    return lru_cache(maxsize=1000)(instant_text if is_postgresql(connection) else _from_sqlite)


def _from_sqlite(stored: str) -> str:
    instant = datetime.fromisoformat(stored)
    return f"{instant:%Y-%m-%dT%H:%M:%S}.{instant.microsecond:06}Z"
