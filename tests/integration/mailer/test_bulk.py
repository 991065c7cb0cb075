"""Rows by the thousand, on real databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from mailer.database import Database, bulk
from subscribers.tables import SUBSCRIBER

COLUMNS = tuple(SUBSCRIBER.columns.keys())
NONCE = bytes(range(16))
MOMENT = datetime(2026, 5, 1, 10, 0, tzinfo=timezone(timedelta(hours=2)))


@pytest.mark.parametrize("moment", [MOMENT, MOMENT.astimezone(UTC), MOMENT + timedelta(microseconds=5)])
def test_a_row_is_stored_to_the_letter_as_core_stores_it(database: Database, moment: datetime) -> None:
    names = 'tab\there, back\\slash, "quote", \\N, newline\n, ŁÜ', "", "'t Hooft"
    row = (*names, "a@example.com", "a@example.com", "hash", "key", NONCE, moment)
    with database.write() as connection:
        bulk.insert(connection, SUBSCRIBER, COLUMNS, [(1, *row)])
        [stored] = connection.execute(text("SELECT * FROM subscriber")).all()
        connection.execute(text("DELETE FROM subscriber"))
        connection.execute(SUBSCRIBER.insert().values((1, *row)))
        [expected] = connection.execute(text("SELECT * FROM subscriber")).all()
    assert tuple(stored) == tuple(expected)


@pytest.mark.parametrize("people", [bulk.AT_ONCE - 1, bulk.AT_ONCE, 2 * bulk.AT_ONCE + 3])
def test_however_many_the_rows_each_is_stored_with_its_own_values(database: Database, people: int) -> None:
    rows = [
        (
            n,
            "Ms",
            "Zoë",
            f"{n}",
            f"{n}@x.nl",
            f"{n}@x.nl",
            "hash",
            "key",
            NONCE,
            MOMENT + timedelta(seconds=n),
        )
        for n in range(1, people + 1)
    ]
    with database.write() as connection:
        bulk.insert(connection, SUBSCRIBER, COLUMNS, rows)
        stored = connection.execute(select(SUBSCRIBER).order_by(SUBSCRIBER.c.id)).all()
    assert [tuple(row) for row in stored] == rows


def test_what_the_database_refuses_is_an_error_like_any_other(database: Database) -> None:
    row = (1, "", "", "", "a@example.com", "a@example.com", "hash", "key", NONCE, MOMENT)
    with pytest.raises(DBAPIError), database.engine.begin() as connection:
        bulk.insert(connection, SUBSCRIBER, COLUMNS, [row] * 2)


def test_columns_may_be_named_in_any_order(database: Database) -> None:
    row = (1, "Ms", "Zoë", "de Vries", "a@example.com", "a@example.com", "hash", "key", NONCE, MOMENT)
    with database.write() as connection:
        bulk.insert(connection, SUBSCRIBER, COLUMNS[::-1], [row[::-1]])
        stored = connection.execute(select(SUBSCRIBER)).one()
    assert tuple(stored) == row


def test_no_rows_are_nothing_to_do(database: Database) -> None:
    with database.write() as connection:
        bulk.insert(connection, SUBSCRIBER, COLUMNS, [])
