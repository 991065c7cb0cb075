"""PostgreSQL breaks off a withdrawal, or the connection: it is done again, and nothing counts as damaged."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection, text

from mailer.database import Database, Transactions
from mailer.errors import TryAgainLater
from subscribers import ledger, rights
from subscribers.account import AccountRequests, SubmittedRequest, Withdraw
from subscribers.address import AddressHasher, normalise
from subscribers.kinds import Channel
from subscribers.public_ids import PublicIds
from subscribers.self_service.unsubscribe import Withdrawal, apply_requests
from tests.support.campaign import SECRET, TOPIC, subscribe
from tests.support.links import target_of

DEADLOCK_SECONDS = 0.2  # after which PostgreSQL looks for one, in the connection that is to be broken off


@contextmanager
def deadlock_with(database: Database, person: int) -> Iterator[None]:
    """Another transaction has the person's consent, and asks for the ledger once a withdrawal has that."""
    has_consent = threading.Event()

    def other() -> None:
        with database.engine.begin() as connection:
            connection.execute(text("SET LOCAL deadlock_timeout = '60s'"))
            connection.execute(
                text("SELECT 1 FROM consent WHERE subscriber_id = :person FOR UPDATE"), {"person": person}
            )
            has_consent.set()
            while not connection.execute(text(_HAS_LEDGER)).scalar():
                time.sleep(0.01)
            connection.execute(text("LOCK TABLE consent_event IN EXCLUSIVE MODE"))

    thread = threading.Thread(target=other)
    thread.start()
    assert has_consent.wait(30)
    yield
    thread.join(60)
    assert not thread.is_alive()


_HAS_LEDGER = """SELECT count(*) FROM pg_locks
    WHERE relation = 'consent_event'::regclass AND granted AND mode LIKE '%Exclusive%' AND pid <> pg_backend_pid()"""


@pytest.mark.parametrize("way", ["link", "command"])
async def test_a_withdrawal_that_is_broken_off_is_done_again(postgresql_database: Database, way: str) -> None:
    database = postgresql_database
    subscribe(database, 2)
    with database.engine.begin() as connection:
        name = connection.execute(text("SELECT current_database()")).scalar()
        connection.execute(
            text(f'ALTER DATABASE "{name}" SET deadlock_timeout = {int(DEADLOCK_SECONDS * 1000)}')
        )
    database.engine.dispose()
    target, hasher, now = target_of(database, 1), AddressHasher([SECRET.encode()]), database.clock()()
    transactions = Transactions(database)
    with deadlock_with(database, 1):
        if way == "link":
            request = Withdrawal(target, Channel.ONE_CLICK)
            await transactions.run(lambda connection: apply_requests(connection, [request], now))
        else:
            address = normalise("person1@example.com")
            await transactions.run(
                lambda connection: rights.withdraw(
                    connection, address, TOPIC, hasher=hasher, source="by phone", now=now
                )
            )
    transactions.close()
    with database.read() as connection:
        ledger.verify(connection)
        assert ledger.statuses(connection, [1])[1, TOPIC].state == "withdrawn"


def by_link(database: Database, connection: Connection) -> None:
    apply_requests(connection, [Withdrawal(target_of(database, 1), Channel.ONE_CLICK)], datetime.now(UTC))


def by_command(_database: Database, connection: Connection) -> None:
    address, hasher = normalise("person1@example.com"), AddressHasher([SECRET.encode()])
    rights.withdraw(connection, address, TOPIC, hasher=hasher, source="by phone", now=datetime.now(UTC))


def by_account(_database: Database, connection: Connection) -> None:
    requests = AccountRequests(AddressHasher([SECRET.encode()]), PublicIds("a" * 32))
    withdrawal = Withdraw(normalise("person1@example.com"), "*", None, "portal")
    requests.apply(connection, [SubmittedRequest(withdrawal)], datetime.now(UTC))


@pytest.mark.parametrize("leave", [by_link, by_command, by_account])
def test_a_connection_that_is_lost_is_taken_for_no_damage(
    postgresql_database: Database, leave: Callable[[Database, Connection], None]
) -> None:
    database = postgresql_database
    subscribe(database, 2)
    with pytest.raises(TryAgainLater):
        leave_and_lose(database, leave)
    with database.read() as connection:
        assert ledger.statuses(connection, [1])[1, TOPIC].state == "granted"


def leave_and_lose(database: Database, leave: Callable[[Database, Connection], None]) -> None:
    with database.write() as connection:
        lose(database, connection)
        leave(database, connection)


def lose(database: Database, connection: Connection) -> None:
    """Let PostgreSQL end the connection, as in a restart."""
    process = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    with database.engine.connect() as other:
        other.execute(text("SELECT pg_terminate_backend(:process)"), {"process": process})
        gone = text("SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = :process")
        while not other.execute(gone, {"process": process}).scalar():
            other.rollback()
            time.sleep(0.01)
