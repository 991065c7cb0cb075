"""Walk the whole ledger and hash each entry anew, as quickly as it can be done."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from operator import itemgetter
from typing import Any, TypeAlias

from sqlalchemy import Connection, String, bindparam, func, select, type_coerce

from mailer.database import Prepared, is_postgresql
from subscribers.ledger.events import BrokenEntry, encode_rows, instant_text
from subscribers.ledger.proof import is_wording_intact
from subscribers.ledger.reading import UNREADABLE_ROW_ERRORS
from subscribers.ledger.tree import leaf_hashes
from subscribers.tables import EVENT, WORDING

BATCH_BITS = 10
BATCH = 1 << BATCH_BITS  # entries that are read at a time, each of which takes 1 KB of memory
_TOPIC, _WORDING = map(EVENT.columns.keys().index, ("topic", "wording"))  # the hash is the last column

Rows: TypeAlias = Sequence[Any]
Instant: TypeAlias = Callable[[Any], str]
"""What turns an instant, as the driver gives it, into the one in an entry."""


def check_wordings(connection: Connection) -> dict[str, str]:
    """The topics of all wordings, by commitment. Raises BrokenEntry where a wording was altered."""
    topics = {}
    for row in connection.execute(select(WORDING)):
        if not is_wording_intact(row):
            users = select(func.min(EVENT.c.id)).where(EVENT.c.wording == row.commitment)
            raise BrokenEntry(connection.execute(users).scalar_one() or 0, "its wording was altered")
        topics[row.commitment] = row.topic
    return topics


def hashes_of_entries(
    connection: Connection, topic_of_wording: Mapping[str, str], passed: int = 0, end: int | None = None
) -> Generator[list[bytes]]:
    """The hashes of all entries, made anew, a BATCH at a time; it takes some 5 µs an entry.

    `passed` entries are left out, and those after number `end`, which is as many batches after `passed`.

    Raises BrokenEntry at a gap, at an entry that was altered, and at one whose wording is missing or about another
    topic.
    """
    instant = _stored_instant(connection)
    while passed != end and (rows := _ENTRIES_AFTER.rows(connection, {"passed": passed})):
        hashes = _hashes_if_intact(rows, passed, topic_of_wording, instant)
        if hashes is None:
            raise _first_problem(rows, passed, topic_of_wording, instant)
        yield hashes
        passed += len(rows)


def encoded_entries(connection: Connection, size: int) -> Generator[list[bytes]]:
    """The octets of the first `size` entries, some at a time. Raises BrokenEntry where one can't be read."""
    instant = _stored_instant(connection)
    passed = 0
    while passed < size and (rows := _ENTRIES_AFTER.rows(connection, {"passed": passed})):
        lines = []
        for row in rows[: size - passed]:
            try:
                lines += encode_rows([row], instant)
            except UNREADABLE_ROW_ERRORS:
                raise BrokenEntry(row[0], "it was altered; its fields can't be read") from None
        yield lines
        passed = rows[-1][0]


def _hashes_if_intact(
    rows: Rows, passed: int, topic_of_wording: Mapping[str, str], instant: Instant
) -> list[bytes] | None:
    """The hashes of the entries after the first `passed`; None where something is wrong with one of them.

    All are compared at once, which takes half the time of comparing one after the other.
    """
    try:
        hashes = leaf_hashes(encode_rows(rows, instant))
    except UNREADABLE_ROW_ERRORS:
        return None
    numbers, stored = map(itemgetter(0), rows), map(itemgetter(-1), rows)
    wordings = set(map(itemgetter(_WORDING, _TOPIC), rows))
    is_intact = (
        list(numbers) == list(range(passed + 1, passed + 1 + len(rows)))
        and list(stored) == [one.hex() for one in hashes]
        and all(wording is None or topic_of_wording.get(wording) == topic for wording, topic in wordings)
    )
    return hashes if is_intact else None


def _first_problem(
    rows: Rows, passed: int, topic_of_wording: Mapping[str, str], instant: Instant
) -> BrokenEntry:
    """What is wrong with the first of these entries that is not intact."""
    for expected, row in enumerate(rows, passed + 1):
        if row[0] != expected:
            return BrokenEntry(expected, f"it is missing; entry {row[0]} comes instead")
        if not _is_hashed(row, instant):
            return BrokenEntry(expected, "it was altered; its fields do not match its hash")
        wording = row[_WORDING]
        if wording is not None and (topic := topic_of_wording.get(wording)) != row[_TOPIC]:
            problem = "its wording is missing" if topic is None else f"its wording is about {topic!r}"
            return BrokenEntry(expected, problem)
    raise AssertionError("one of the entries is not intact")


def _is_hashed(row: Any, instant: Instant) -> bool:
    try:
        return [row[-1]] == [one.hex() for one in leaf_hashes(encode_rows([row], instant))]
    except UNREADABLE_ROW_ERRORS:
        return False


# The values as the driver gives them: reading them as their types do would take most of the time.
_ENTRIES_AFTER = Prepared(
    select(*(type_coerce(column, String) for column in EVENT.columns))
    .where(EVENT.c.id > bindparam("passed"))
    .order_by(EVENT.c.id)
    .limit(BATCH)
)


def _stored_instant(connection: Connection) -> Instant:
    return instant_text if is_postgresql(connection) else _from_sqlite


def _from_sqlite(stored: str) -> str:
    return f"{stored.replace(' ', 'T')}Z"
