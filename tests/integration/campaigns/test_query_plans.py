"""No statement that is run for each mail or each person goes through a whole table on SQLite."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import event
from sqlalchemy.pool import Pool

from campaigns import deliveries
from campaigns.deliveries import DeliveryHolder
from mailer.database import Database
from subscribers import ledger
from subscribers.kinds import Channel, ConsentKind
from subscribers.ledger import NewEvent
from subscribers.personal_data import PersonalDataHolders
from subscribers.rights.retention import PeopleWhoLeft
from tests.support.campaign import TOPIC, dispatch_for, draft, settings_for, subscribe, unwatched, withdraw
from tests.support.relay import FaultyRelay

WHOLE_TABLES = (
    "consent",
    "consent_1",
    "delivery",
    "subscriber",
    "subscriber_1",
    "suppression",
    "suppression_1",
)


@contextmanager
def planned() -> Iterator[list[Counter[str]]]:
    """For each connection to come: how often SQLite plans a statement that changes each column of deliveries."""
    connections: list[Counter[str]] = []

    def watch(connection: Any, _record: object) -> None:
        columns = Counter[str]()

        def authorize(action: int, table: str | None, column: str | None, *_: object) -> int:
            if action == sqlite3.SQLITE_UPDATE and table == "delivery" and column is not None:
                columns[column] += 1
            return sqlite3.SQLITE_OK

        if isinstance(connection, sqlite3.Connection):
            connection.set_authorizer(authorize)
            connections.append(columns)

    event.listen(Pool, "connect", watch)
    try:
        yield connections
    finally:
        event.remove(Pool, "connect", watch)


@contextmanager
def recorded() -> Iterator[set[str]]:
    """The statements of all connections that are opened meanwhile, with their values."""
    statements: set[str] = set()

    def trace(connection: Any, _record: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.set_trace_callback(statements.add)

    event.listen(Pool, "connect", trace)
    try:
        yield statements
    finally:
        event.remove(Pool, "connect", trace)


def scans(database: Database, statements: set[str]) -> list[tuple[str, str]]:
    """Each step that goes through one of the tables, with its statement."""
    with closing(sqlite3.connect(str(database.url.database))) as connection:
        return [
            (step, statement)
            for statement in statements
            if statement.startswith(("SELECT", "UPDATE", "DELETE", "INSERT"))
            for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {statement}")
            if step in {f"SCAN {table}" for table in WHOLE_TABLES}
            or (step.startswith("SCAN delivery USING") and "ix_delivery_held" not in step)
            or "(worker_id=? AND rowid=?)" in step  # by the index of what is held, and then by the key
        ]


async def test_sending_looks_deliveries_and_people_up_by_their_keys(sqlite_database: Database) -> None:
    subscribe(sqlite_database, 30)
    draft(sqlite_database)
    async with FaultyRelay(pipelining=True) as relay:
        dispatch = dispatch_for(sqlite_database, settings_for(relay.port))
        dispatch.start("notes")
        sqlite_database.close()  # so that the run opens connections of its own
        with recorded() as statements:
            tally = await dispatch.runs.run("notes", unwatched)
    assert tally.error is None
    assert any("UPDATE delivery" in statement for statement in statements)
    # All consents are compared with their entries, once before a run.
    of_mails = {statement for statement in statements if "FROM consent LEFT OUTER JOIN" not in statement}
    assert len(of_mails) < len(statements)
    assert scans(sqlite_database, of_mails) == []


def test_whether_a_delivery_is_held_is_told_by_those_that_are_held(sqlite_database: Database) -> None:
    with recorded() as statements, sqlite_database.read() as connection:
        deliveries.is_open(connection, 1)
    (held,) = (one for one in statements if "worker_id" in one)
    with closing(sqlite3.connect(str(sqlite_database.url.database))) as plain:
        (*_, step) = plain.execute(f"EXPLAIN QUERY PLAN {held}").fetchone()
    assert "USING INDEX ix_delivery_held" in step


async def test_sqlite_plans_the_statements_of_each_mail_once_a_connection(sqlite_database: Database) -> None:
    subscribe(sqlite_database, 30)
    draft(sqlite_database)
    async with FaultyRelay(pipelining=True) as relay:
        dispatch = dispatch_for(sqlite_database, settings_for(relay.port, smtp={"connections": 1}))
        dispatch.start("notes")
        sqlite_database.close()
        with planned() as connections:
            await dispatch.runs.run("notes", unwatched)
    # Where a commit is slow, batches run in a thread, which has a connection of its own.
    assert {columns["attempted_at"] for columns in connections} - {0} == {1}  # the gate's
    assert {columns["reply_code"] for columns in connections} - {0} == {1}  # the settlements'


def test_a_withdrawal_looks_the_person_up_by_their_key(sqlite_database: Database) -> None:
    people = subscribe(sqlite_database, 30)
    sqlite_database.close()
    now = datetime.now(UTC)
    with recorded() as statements, sqlite_database.write() as connection:
        ledger.append(connection, [NewEvent(people[3], TOPIC, ConsentKind.WITHDRAWN, now, Channel.PAGE)], now)
    assert any("consent" in statement for statement in statements)
    assert scans(sqlite_database, statements) == []


def test_a_purge_looks_people_and_their_mails_up_by_their_keys(sqlite_database: Database) -> None:
    people = subscribe(sqlite_database, 30)
    withdraw(sqlite_database, *people[:5])
    now = datetime.now(UTC)
    kind = PeopleWhoLeft(now, now)
    sqlite_database.attach(PersonalDataHolders(lambda: [DeliveryHolder()]))
    sqlite_database.close()
    with recorded() as statements, sqlite_database.write() as connection:
        assert kind.delete(connection, people[:5]) == 5
    assert any("UPDATE delivery" in statement for statement in statements)
    assert scans(sqlite_database, statements) == []
