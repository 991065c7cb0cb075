"""Delete what has been kept for its period, in small transactions between which others write."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, delete, func, select

from mailer.database import AnyOf, Database

ROWS_AT_ONCE = 100
PAUSE_SECONDS = (
    0.02  # SQLite's writers poll for the lock; without a pause they would wait for the whole purge
)


class ExpiredRows:
    """The rows of a table that have reached their end: those for which `condition` holds.

    `kind` names them for people, `key` is the table's primary key. A subclass may do more than delete them.
    """

    def __init__(self, kind: str, key: Column[Any], condition: ColumnElement[bool]) -> None:
        self.kind = kind
        self.key = key
        self.condition = condition

    def count(self, connection: Connection) -> int:
        """How many there are."""
        rows = select(func.count()).select_from(self.key.table).where(self.condition)
        return connection.execute(rows).scalar_one()

    def find(self, connection: Connection, after: object, limit: int) -> list[Any]:
        """The keys of the first `limit` of them that come after the key `after`."""
        keys = select(self.key).where(self.condition).order_by(self.key).limit(limit)
        if after is not None:
            keys = keys.where(self.key > after)
        return list(connection.execute(keys).scalars())

    def delete(self, connection: Connection, keys: Sequence[Any]) -> int:
        """Delete those with these keys to which the condition still applies; returns their number."""
        rows = delete(self.key.table).where(AnyOf(self.key, keys), self.condition)
        return connection.execute(rows).rowcount


def count_expired(database: Database, kinds: Iterable[ExpiredRows]) -> dict[str, int]:
    """How many rows of each kind have reached their end."""
    with database.read() as connection:
        return {each.kind: each.count(connection) for each in kinds}


def purge_expired(
    database: Database, kinds: Iterable[ExpiredRows], is_over: Callable[[], bool] = lambda: False
) -> dict[str, int]:
    """Delete them, at most ROWS_AT_ONCE in a transaction; returns how many of each kind were deleted.

    They are looked for in reading transactions, which keep nobody waiting. Once `is_over` says so, the rest stays for
    the next time.
    """
    deleted = {}
    for each in kinds:
        deleted[each.kind], last = 0, None
        while not is_over():
            with database.read() as connection:
                keys = each.find(connection, last, ROWS_AT_ONCE)
            if not keys:
                break
            last = keys[-1]
            with database.write() as connection:
                deleted[each.kind] += each.delete(connection, keys)
            if len(keys) < ROWS_AT_ONCE:
                break
            time.sleep(PAUSE_SECONDS)
    return deleted
