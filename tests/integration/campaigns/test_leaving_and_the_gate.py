"""People who leave while the gate's transaction is open, on PostgreSQL: the two wait for each other."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection

from campaigns import deliveries
from campaigns.deliveries import Attempt, Withheld
from mailer.database import Database
from subscribers import audience, ledger, people, rights, suppression
from subscribers.address import AddressHasher, HashedAddress, normalise
from subscribers.intake.opt_outs import OptOut, withdraw_all
from subscribers.kinds import Channel, ConsentKind, SuppressionReason
from subscribers.ledger import NewEvent
from subscribers.people import Person
from subscribers.rights.retention import PeopleWhoLeft
from subscribers.self_service import Target, unsubscribe
from subscribers.self_service.unsubscribe import Withdrawal
from subscribers.topic import Topic
from tests.support.admission import admit
from tests.support.campaign import SECRET, TOPIC
from tests.support.deliveries import SentCampaign
from tests.support.waiting import until

NOW = datetime(2126, 11, 22, 12, 0, tzinfo=UTC)  # after every consent
LATER = NOW + timedelta(days=1)
HASHER = AddressHasher([SECRET.encode()])

Act = Callable[[Connection, Person], object]


def _withdraw_by_link(connection: Connection, person: Person) -> None:
    link = Target(person.id, HashedAddress(*person.hashed), Topic(TOPIC), "en")
    unsubscribe.apply_requests(connection, [Withdrawal(link, Channel.PAGE)], NOW)


def _withdraw_by_command(connection: Connection, person: Person) -> None:
    rights.withdraw(connection, person.address, TOPIC, hasher=HASHER, source="by phone", now=NOW)


def _withdraw_from_damaged(connection: Connection, person: Person) -> None:
    event = NewEvent(person.id, TOPIC, ConsentKind.WITHDRAWN, NOW, Channel.PAGE)
    assert ledger.withdraw_from_damaged(connection, event, NOW)


def _withdraw_by_file(connection: Connection, person: Person) -> None:
    no = OptOut(person.email_normalised, None, ends_consent=True)
    assert withdraw_all(connection, [no], TOPIC, "a file", NOW)


def _object(connection: Connection, person: Person) -> None:
    rights.object_to_mail(connection, person, source="by letter", now=NOW, channel=Channel.COMMAND)


def _erase(connection: Connection, person: Person) -> None:
    rights.erase(connection, person.address, hasher=HASHER, source="by letter", now=NOW)


def _change_address(connection: Connection, person: Person) -> None:
    correction = rights.Correction(email=normalise("new@example.org"))
    rights.rectify(connection, person.address, correction, hasher=HASHER, source="by letter", now=NOW)


def _suppress(connection: Connection, person: Person) -> None:
    suppression.add(connection, person.hashed, SuppressionReason.BOUNCED, NOW, NOW, channel=Channel.BOUNCE)


def _purge(connection: Connection, person: Person) -> None:
    _withdraw_by_command(connection, person)
    connection.commit()
    assert not _keeps_gates_waiting(connection)
    assert PeopleWhoLeft(LATER, LATER).delete(connection, [person.id])


LEAVING = [
    _withdraw_by_link,
    _withdraw_by_command,
    _withdraw_from_damaged,
    _withdraw_by_file,
    _object,
    _erase,
    _change_address,
    _suppress,
    _purge,
]


@pytest.mark.parametrize("leave", LEAVING)
def test_whoever_ends_a_consent_or_suppresses_an_address_keeps_gates_waiting_until_the_commit(
    postgresql_database: Database, leave: Act
) -> None:
    scene = SentCampaign(postgresql_database, 1)
    with postgresql_database.engine.connect() as connection:
        leave(connection, _person(connection, scene))
        assert _keeps_gates_waiting(connection)
        connection.commit()
        assert not _keeps_gates_waiting(connection)
        assert audience.count(connection, TOPIC) == (leave is _change_address)


def test_a_consent_that_is_given_keeps_no_gate_waiting(postgresql_database: Database) -> None:
    """An import of millions does not stop sending."""
    scene = SentCampaign(postgresql_database, 1)
    claimed = scene.claim(context := scene.worker())
    with postgresql_database.write() as gate:
        deliveries.attempt(gate, context, claimed, NOW)
        admit(postgresql_database, "ann@example.org", NOW, NOW, TOPIC)


def test_a_withdrawal_waits_for_the_commit_of_a_gate_that_let_the_mail_through(
    postgresql_database: Database,
) -> None:
    scene = SentCampaign(postgresql_database, 1)
    claimed = scene.claim(context := scene.worker())
    with ThreadPoolExecutor(1) as thread:
        with postgresql_database.write() as gate:
            [answer] = deliveries.attempt(gate, context, claimed, NOW).values()
            leaving = _leave(thread, scene)
            until(lambda: _somebody_waits(postgresql_database), "the withdrawal's wait")
        leaving.result()
    assert isinstance(answer, Attempt)


def test_a_gate_waits_for_the_commit_of_a_withdrawal_and_sees_it(postgresql_database: Database) -> None:
    scene = SentCampaign(postgresql_database, 2)
    claimed = scene.claim(context := scene.worker())
    with ThreadPoolExecutor(1) as thread:
        with postgresql_database.write() as connection:
            _withdraw_by_command(connection, _person(connection, scene))
            answers = thread.submit(scene.attempt, context, claimed)
            until(lambda: _somebody_waits(postgresql_database), "the gate's wait")
        kinds = [type(answer) for answer in answers.result().values()]
    assert sorted(kinds, key=str) == [Attempt, Withheld]


def test_a_gate_that_is_cut_off_keeps_no_withdrawal_waiting(postgresql_database: Database) -> None:
    scene = SentCampaign(postgresql_database, 1)
    claimed = scene.claim(context := scene.worker())
    with ThreadPoolExecutor(1) as thread, postgresql_database.engine.connect() as gate:
        deliveries.attempt(gate, context, claimed, NOW)
        leaving = _leave(thread, scene)
        until(lambda: _somebody_waits(postgresql_database), "the withdrawal's wait")
        _kill(postgresql_database, gate)
        leaving.result()
    assert [type(answer) for answer in scene.attempt(context, claimed).values()] == [Withheld]


def test_a_withdrawal_that_is_cut_off_keeps_no_gate_waiting(postgresql_database: Database) -> None:
    scene = SentCampaign(postgresql_database, 1)
    claimed = scene.claim(context := scene.worker())
    with ThreadPoolExecutor(1) as thread, postgresql_database.engine.connect() as connection:
        _withdraw_by_command(connection, _person(connection, scene))
        answers = thread.submit(scene.attempt, context, claimed)
        until(lambda: _somebody_waits(postgresql_database), "the gate's wait")
        _kill(postgresql_database, connection)
        assert [type(answer) for answer in answers.result().values()] == [Attempt]


def _leave(thread: ThreadPoolExecutor, scene: SentCampaign) -> Future[None]:
    def leave() -> None:
        with scene.database.write() as connection:
            _withdraw_by_command(connection, _person(connection, scene))

    return thread.submit(leave)


def _person(connection: Connection, scene: SentCampaign) -> Person:
    person = people.get(connection, scene.people[0])
    assert person is not None
    return person


def _keeps_gates_waiting(connection: Connection) -> bool:
    held = (
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' AND granted"
        " AND pid = pg_backend_pid()"
    )
    return bool(connection.exec_driver_sql(held).scalar_one())


def _somebody_waits(database: Database) -> bool:
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    with database.read() as connection:
        return bool(connection.exec_driver_sql(waiting).scalar_one())


def _kill(database: Database, connection: Connection) -> None:
    pid = connection.connection.driver_connection.info.backend_pid
    with database.read() as other:
        other.exec_driver_sql(f"SELECT pg_terminate_backend({pid})")
    connection.invalidate()
