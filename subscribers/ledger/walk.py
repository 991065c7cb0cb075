"""Walk the whole ledger and hash each entry anew, as quickly as it can be done."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, func, select

from mailer.database import is_postgresql
from subscribers.ledger.events import BrokenLink, encode_fields, instant_text
from subscribers.ledger.proof import is_intact
from subscribers.ledger.reading import EVENT, UNREADABLE_ROW_ERRORS, WORDING
from subscribers.ledger.tree import leaf_hash

_ENTRIES_AT_ONCE = 10_000
# Places of columns; `recorded_at` follows `occurred_at`, `hash` is the last.
_OCCURRED_AT, _TOPIC, _WORDING = map(EVENT.columns.keys().index, ("occurred_at", "topic", "wording"))


def check_wordings(connection: Connection) -> dict[str, str]:
    """The topics of all wordings, by commitment."""
    topics = {}
    for row in connection.execute(select(WORDING)):
        if not is_intact(row):
            users = select(func.min(EVENT.c.id)).where(EVENT.c.wording == row.commitment)
            raise BrokenLink(connection.execute(users).scalar_one() or 0, "its wording was altered")
        topics[row.commitment] = row.topic
    return topics


def hashes_of_entries(connection: Connection, topic_of_wording: Mapping[str, str]) -> Generator[list[bytes]]:
    """The hashes of all entries, made anew, some thousands at a time; it takes some 12 µs an entry.

    Raises BrokenLink at a gap, at an entry that was altered, and at one whose wording is missing or about another
    topic.
    """
    expected = 0
    instant = _stored_instant(connection)
    while rows := _rows_after(connection, expected):
        hashes = []
        for row in rows:
            expected += 1
            if row[0] != expected:
                raise BrokenLink(expected, f"it is missing; line {row[0]} comes instead")
            hashes.append(_hash_of(row, instant))
            wording = row[_WORDING]
            if wording is not None and (topic := topic_of_wording.get(wording)) != row[_TOPIC]:
                problem = "its wording is missing" if topic is None else f"its wording is about {topic!r}"
                raise BrokenLink(expected, problem)
        yield hashes


def encoded_entries(connection: Connection, size: int) -> Generator[list[bytes]]:
    """The octets of the first `size` entries, some thousands at a time. Raises BrokenLink where one can't be read."""
    instant = _stored_instant(connection)
    passed = 0
    while passed < size and (rows := list(_rows_after(connection, passed))):
        lines = []
        for row in rows[: size - passed]:
            try:
                lines.append(_encode_row(row, instant))
            except UNREADABLE_ROW_ERRORS:
                raise BrokenLink(row[0], "it was altered; its fields can't be read") from None
        yield lines
        passed = rows[-1][0]


def _hash_of(row: Any, instant: Callable[[Any], str]) -> bytes:
    try:
        leaf = leaf_hash(_encode_row(row, instant))
        if leaf.hex() == row[-1]:
            return leaf
    except UNREADABLE_ROW_ERRORS:
        pass
    raise BrokenLink(row[0], "it was altered; its fields do not match its hash")


def _encode_row(row: Any, instant: Callable[[Any], str]) -> bytes:
    instants = instant(row[_OCCURRED_AT]), instant(row[_OCCURRED_AT + 1])
    return encode_fields((*row[:_OCCURRED_AT], *instants, *row[_OCCURRED_AT + 2 : -1]))


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
