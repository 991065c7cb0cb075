"""A suppression that somebody with all rights on the database puts back to an earlier state is found."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from mailer.database import Database
from subscribers import ledger, rights, suppression
from subscribers.address import normalise
from subscribers.kinds import Channel, SuppressionReason
from subscribers.ledger import BrokenEntry
from subscribers.ledger.safety import check_before_run
from subscribers.tables import SUPPRESSION
from tests.support.admission import HASHER
from tests.support.tampering import with_all_rights

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
JAN, HASHED = normalise("jan@example.com"), HASHER.newest("jan@example.com")


def suppress(database: Database, since: datetime) -> None:
    """Suppress Jan's address."""
    with database.write() as connection:
        suppression.add(connection, HASHED, SuppressionReason.OPTED_OUT, since, NOW, channel=Channel.COMMAND)


def stored(database: Database) -> dict[str, Any]:
    with database.read() as connection:
        return dict(connection.execute(select(SUPPRESSION)).mappings().one())


def assert_found(database: Database, line: int, problem: str) -> None:
    for check in (ledger.verify, check_before_run):
        with pytest.raises(BrokenEntry, match=f"entry {line}: {problem}"), database.read() as connection:
            check(connection)


def test_one_that_was_dated_back_to_an_earlier_entry_is_found(database: Database) -> None:
    suppress(database, NOW - 9 * DAY)
    former = stored(database)
    suppress(database, NOW - DAY)
    with with_all_rights(database) as connection:
        connection.execute(update(SUPPRESSION).values(since=former["since"], entry_id=former["entry_id"]))
    assert_found(database, 2, "the suppression that it records is missing")


def test_one_that_was_put_back_after_it_was_lifted_is_found(database: Database) -> None:
    suppress(database, NOW - 9 * DAY)
    former = stored(database)
    with database.write() as connection:
        rights.lift(connection, JAN, hasher=HASHER, source="a mistake", now=NOW)
    with with_all_rights(database) as connection:
        connection.execute(insert(SUPPRESSION).values(former))
    assert_found(database, 2, "the suppression that it lifted was put back")


def test_a_later_and_an_earlier_no_and_a_new_one_after_lifting_are_intact(database: Database) -> None:
    suppress(database, NOW - 5 * DAY)
    suppress(database, NOW - 9 * DAY)
    suppress(database, NOW - 2 * DAY)
    with database.write() as connection:
        rights.lift(connection, JAN, hasher=HASHER, source="a mistake", now=NOW)
    suppress(database, NOW - DAY)
    with database.read() as connection:
        ledger.verify(connection, hasher=HASHER)
        check_before_run(connection)
