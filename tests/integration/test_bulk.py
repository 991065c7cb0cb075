"""Rows by the thousand, on real databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from mailer.database import Database
from subscribers import bulk
from subscribers.people import SUBSCRIBER

MOMENT = datetime(2026, 5, 1, 10, 0, tzinfo=timezone(timedelta(hours=2)))


@pytest.mark.parametrize("moment", [MOMENT, MOMENT.astimezone(UTC), MOMENT + timedelta(microseconds=5)])
def test_a_row_is_stored_to_the_letter_as_core_stores_it(database: Database, moment: datetime) -> None:
    names = 'tab\there, back\\slash, "quote", \\N, newline\n, ŁÜ', "", "'t Hooft"
    row = (*names, "a@example.com", "a@example.com", "hash", "key", moment)
    with database.write() as connection:
        bulk.insert(connection, SUBSCRIBER, [(1, *row)])
        [stored] = connection.execute(text("SELECT * FROM subscriber")).all()
        connection.execute(text("DELETE FROM subscriber"))
        connection.execute(SUBSCRIBER.insert().values((1, *row)))
        [expected] = connection.execute(text("SELECT * FROM subscriber")).all()
    assert tuple(stored) == tuple(expected)


def test_what_the_database_refuses_is_an_error_like_any_other(database: Database) -> None:
    row = (1, "", "", "", "a@example.com", "a@example.com", "hash", "key", MOMENT)
    with pytest.raises(DBAPIError), database.engine.begin() as connection:
        bulk.insert(connection, SUBSCRIBER, [row, row])


def test_no_rows_are_nothing_to_do(database: Database) -> None:
    with database.write() as connection:
        bulk.insert(connection, SUBSCRIBER, [])
