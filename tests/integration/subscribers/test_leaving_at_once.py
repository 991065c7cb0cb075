"""Withdrawals that meet something else at the same moment, and what remains of one when its person comes back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection

from mailer.database import Database
from mailer.errors import NotFound
from subscribers import audience, ledger, people, rights, suppression
from subscribers.address import normalise
from subscribers.intake import Decision
from subscribers.kinds import Channel, ConsentKind, SuppressionReason
from tests.support.admission import HASHER, admit
from tests.support.waiting import until

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
TOPIC, OTHER = "release-notes", "security"
EMAIL = "ann@example.org"
ANN = normalise(EMAIL)


def withdraw(connection: Connection, now: datetime = NOW, at: datetime | None = None) -> bool:
    return rights.withdraw(connection, ANN, TOPIC, hasher=HASHER, source="by phone", now=now, occurred_at=at)


def test_a_withdrawal_that_waits_for_an_erasure_finds_nobody_and_leaves_the_ledger_whole(
    postgresql_database: Database,
) -> None:
    admit(postgresql_database, EMAIL, NOW, NOW, TOPIC)

    def withdraw_meanwhile() -> bool:
        with postgresql_database.write() as connection:
            return withdraw(connection)

    def somebody_waits() -> bool:
        with postgresql_database.read() as connection:
            waiting = connection.exec_driver_sql("SELECT count(*) FROM pg_locks WHERE NOT granted")
            return bool(waiting.scalar_one())

    with ThreadPoolExecutor(1) as thread:
        with postgresql_database.write() as connection:
            ledger.lock(connection)
            withdrawing = thread.submit(withdraw_meanwhile)
            until(somebody_waits, "the withdrawal")
            rights.erase(connection, ANN, hasher=HASHER, source="by letter", now=NOW)
        with pytest.raises(NotFound):
            withdrawing.result()
    with postgresql_database.read() as connection:
        ledger.verify(connection)


@pytest.mark.parametrize("at", [None, NOW - timedelta(seconds=1)])
def test_only_a_withdrawal_with_a_time_of_its_own_spares_a_later_consent(
    sqlite_database: Database, at: datetime | None
) -> None:
    """The clock of the host that withdraws may be behind that of the one which recorded the consent."""
    admit(sqlite_database, EMAIL, NOW, NOW, TOPIC)
    with sqlite_database.write() as connection:
        assert withdraw(connection, NOW - timedelta(seconds=1), at) == (at is None)
        assert audience.count(connection, TOPIC) == (at is not None)


@pytest.mark.parametrize("leave", ["erase", "suppress"])
def test_a_consent_to_one_topic_brings_no_older_consent_to_another_back(
    sqlite_database: Database, leave: str
) -> None:
    """A list of before the person left may come again at any time."""
    for topic in (TOPIC, OTHER):
        admit(sqlite_database, EMAIL, NOW - timedelta(days=9), NOW, topic)
        admit(sqlite_database, "bob@example.org", NOW, NOW, topic)
    with sqlite_database.write() as connection:
        if leave == "erase":
            rights.erase(connection, ANN, hasher=HASHER, source="x", now=NOW)
        else:  # as by a link in a mail to somebody who had the address before
            hashed, reason = HASHER.newest(ANN.key), SuppressionReason.WITHDRAWN
            suppression.add(connection, hashed, reason, NOW, NOW, channel=Channel.ONE_CLICK)
    later = NOW + timedelta(days=1)
    assert admit(sqlite_database, EMAIL, later, later, TOPIC) is Decision.GRANTED
    assert admit(sqlite_database, EMAIL, NOW - timedelta(days=5), later, OTHER) is Decision.STILL_WITHDRAWN
    with sqlite_database.read() as connection:
        person = people.find(connection, ANN)
        assert person is not None
        states = {topic: each.state for (_, topic), each in ledger.statuses(connection, [person.id]).items()}
        ledger.verify(connection)
    assert states == {TOPIC: ConsentKind.GRANTED, OTHER: ConsentKind.WITHDRAWN}
    assert admit(sqlite_database, EMAIL, later, later, OTHER) is Decision.GRANTED


def test_where_nobody_agreed_to_another_topic_a_return_is_one_consent(sqlite_database: Database) -> None:
    admit(sqlite_database, EMAIL, NOW, NOW, TOPIC)
    with sqlite_database.write() as connection:
        rights.erase(connection, ANN, hasher=HASHER, source="x", now=NOW)
    admit(sqlite_database, EMAIL, NOW + timedelta(days=1), NOW + timedelta(days=1), TOPIC)
    with sqlite_database.read() as connection:
        person = people.find(connection, ANN)
        assert person is not None
        assert [each.event.kind for each in ledger.history(connection, person.id)] == [ConsentKind.GRANTED]
