"""What is kept of people who left, for how long, and what deleting it leaves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, inspect, select

from mailer import retention
from mailer.config.retention_settings import RetentionSettings
from mailer.database import Database
from mailer.errors import NotFound
from mailer.retention import count_expired, purge_expired
from subscribers import former_people, ledger, people, rights, suppression
from subscribers.address import normalise
from subscribers.intake import Decision
from subscribers.kinds import Channel, ConsentKind, SuppressionReason
from subscribers.leaver import Leaver, LeaverKind
from subscribers.ledger import EVENT
from subscribers.ledger.bundle import make_bundle
from subscribers.pending_requests import PENDING_REQUEST
from subscribers.rights.retention import FormerPeople, PeopleWhoLeft
from subscribers.tables import HOLD, NOTE, SUBSCRIBER
from tests.support.admission import HASHER
from tests.support.admission import admit as put_on_file

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
GIVEN, LEFT = NOW - 50 * DAY, NOW - 30 * DAY
TOPIC = "release-notes"
JAN = normalise("jan@example.com")


def admit(
    database: Database, email: str = JAN.spelling, at: datetime = GIVEN, topic: str = TOPIC
) -> Decision:
    return put_on_file(database, email, at, NOW, topic)


def leave(database: Database, email: str = JAN.spelling, at: datetime = LEFT, topic: str = TOPIC) -> None:
    with database.write() as connection:
        rights.withdraw(connection, normalise(email), topic, hasher=HASHER, source="a link", now=at)


def purge(database: Database, now: datetime = NOW) -> int:
    """Purge by the default periods."""
    periods = RetentionSettings()
    kinds = [
        PeopleWhoLeft(now - periods.after_leaving, now),
        FormerPeople(now - periods.proof_after_leaving, now),
    ]
    before = count_expired(database, kinds)
    deleted = purge_expired(database, kinds)
    assert deleted == before  # the dry run says what the purge does
    return sum(deleted.values())


def number_of(database: Database, email: str = JAN.spelling) -> int:
    with database.read() as connection:
        person = people.find(connection, normalise(email))
    assert person is not None
    return person.id


@pytest.fixture
def gone(sqlite_database: Database) -> Database:
    """A database with Jan, who agreed 50 days ago, left 30 days ago, and was deleted by the purge."""
    return leave_and_purge(sqlite_database)


def leave_and_purge(database: Database) -> Database:
    admit(database)
    leave(database)
    assert purge(database) == 1
    return database


def test_thirty_days_after_leaving_the_fields_go_and_the_ledger_says_so(database: Database) -> None:
    gone = leave_and_purge(database)
    with gone.read() as connection:
        assert people.find(connection, JAN) is None
        newest = connection.execute(select(EVENT).order_by(EVENT.c.id.desc())).first()
        assert newest is not None
        assert (newest.kind, newest.channel) == (ConsentKind.ERASED, Channel.RETENTION)
        ledger.verify(connection, hasher=HASHER)
        suppressed = suppression.find(connection, HASHER, [JAN.key])[JAN.key]
    assert (suppressed.reason, suppressed.since) == (SuppressionReason.WITHDRAWN, LEFT)
    assert purge(gone) == 0


def test_a_consent_can_still_be_proved_to_who_names_the_address(gone: Database) -> None:
    with gone.read() as connection:
        person, proof = rights.prove(connection, normalise("JAN@example.com"), TOPIC, HASHER)
        bundle = make_bundle(connection, proof, person, "en")
        with pytest.raises(NotFound, match=r"they left on 2026-10-29"):
            rights.look_up(connection, JAN, HASHER)
        with pytest.raises(NotFound):
            rights.prove(connection, normalise("joe@example.com"), TOPIC, HASHER)
    assert (proof.grant.event.occurred_at, proof.note) == (GIVEN, "a form")
    assert proof.status.state is ConsentKind.WITHDRAWN
    assert JAN.key in bundle.proof


def test_the_proof_goes_five_years_after_leaving_and_the_suppression_stays(gone: Database) -> None:
    assert purge(gone, LEFT + 1825 * DAY) == 0
    assert purge(gone, LEFT + 1826 * DAY) == 1
    with gone.read() as connection:
        with pytest.raises(NotFound):
            rights.prove(connection, JAN, TOPIC, HASHER)
        assert connection.execute(select(NOTE)).all() == []
        assert suppression.find(connection, HASHER, [JAN.key])
        ledger.verify(connection, hasher=HASHER)


def test_no_consent_from_before_leaving_brings_the_person_back_and_a_later_one_does(gone: Database) -> None:
    assert admit(gone, at=LEFT - DAY) is Decision.STILL_WITHDRAWN
    assert admit(gone, at=LEFT + DAY) is Decision.GRANTED
    with gone.read() as connection:
        person, proof = rights.prove(connection, JAN, TOPIC, HASHER)
        assert proof.grant.event.occurred_at == LEFT + DAY
        assert [former.id for former in former_people.find(connection, JAN, HASHER)] != [person.id]


def test_who_left_twice_has_both_proofs_and_an_erasure_deletes_them(gone: Database) -> None:
    admit(gone, at=LEFT + DAY)
    leave(gone, at=LEFT + 2 * DAY)
    assert purge(gone, NOW + 2 * DAY) == 1
    with gone.write() as connection:
        assert len(former_people.find(connection, JAN, HASHER)) == 2
        rights.erase(connection, JAN, hasher=HASHER, source="by mail", now=NOW + 2 * DAY)
    with gone.read() as connection:
        assert former_people.find(connection, JAN, HASHER) == []
        assert connection.execute(select(NOTE)).all() == []
        suppressed = suppression.find(connection, HASHER, [JAN.key])[JAN.key]
        assert suppressed.reason is SuppressionReason.ERASED
        ledger.verify(connection, hasher=HASHER)
        with pytest.raises(NotFound, match="it was erased"):
            rights.prove(connection, JAN, TOPIC, HASHER)


def test_an_erasure_of_who_came_back_deletes_the_earlier_proof_too(gone: Database) -> None:
    admit(gone, at=LEFT + DAY)
    with gone.write() as connection:
        rights.erase(connection, JAN, hasher=HASHER, source="by mail", now=NOW)
        assert former_people.find(connection, JAN, HASHER) == []
        ledger.verify(connection, hasher=HASHER)


def test_an_erasure_of_who_left_is_repeated_after_a_restored_backup(sqlite_database: Database) -> None:
    admit(sqlite_database)
    leave(sqlite_database)
    purge(sqlite_database)
    noted: list[Leaver] = []
    sqlite_database.after_commit = lambda notes: noted.extend(one for one in notes if isinstance(one, Leaver))
    with sqlite_database.read() as connection:
        [former] = former_people.find(connection, JAN, HASHER)
    with sqlite_database.write() as connection:
        rights.erase(connection, JAN, hasher=HASHER, source="by mail", now=NOW)
    assert LeaverKind.ERASED in {leaver.kind for leaver in noted}
    with sqlite_database.write() as connection:
        former_people.add(connection, [(former, LEFT)])  # as in the backup
        ledger.store_note(connection, "a note of the backup", former.id)
        rights.replay(connection, noted, hasher=HASHER, now=NOW)
        assert former_people.find(connection, JAN, HASHER) == []
        assert connection.execute(select(NOTE)).all() == []
        *_, entry = ledger.history(connection, former.id)
        assert (entry.event.kind, entry.event.channel) == (ConsentKind.ERASED, Channel.REPLAY)
        assert entry.event.subject == ledger.commit_to_subject(former.nonce, JAN.key)
        ledger.verify(connection, hasher=HASHER)


def test_a_retention_is_not_in_the_journal_as_an_erasure(sqlite_database: Database) -> None:
    admit(sqlite_database)
    leave(sqlite_database)
    noted: list[object] = []
    sqlite_database.after_commit = noted.extend
    purge(sqlite_database)
    kinds = {leaver.kind for leaver in noted if isinstance(leaver, Leaver)}
    assert kinds == {LeaverKind.SUPPRESSED}


@pytest.mark.parametrize(
    "wait", ["too early", "agrees to another topic", "is held", "is in a campaign", "has asked for something"]
)
def test_people_wait(sqlite_database: Database, wait: str) -> None:
    database = sqlite_database
    admit(database)
    leave(database, at=LEFT + DAY if wait == "too early" else LEFT)
    if wait == "agrees to another topic":
        admit(database, topic="company-news")
    jan = number_of(database)
    with database.write() as connection:
        if wait == "is held":
            held = {"subscriber_id": jan, "ground": "tax law", "until": NOW + DAY, "added_at": LEFT}
            connection.execute(insert(HOLD), held)
        if wait == "has asked for something":
            asked = {"kind": "own_data", "subscriber_id": jan, "topic": "", "locale": "en", "salutation": ""}
            asked |= {"first_name": "", "surname": "", "email": "", "spent_at": None, "wording": None}
            connection.execute(
                insert(PENDING_REQUEST), asked | {"requested_at": NOW, "expires_at": NOW + DAY}
            )
    is_busy = SUBSCRIBER.c.id == jan if wait == "is in a campaign" else None
    assert purge_expired(database, [PeopleWhoLeft(NOW - 30 * DAY, NOW, is_busy)]) == {"people_who_left": 0}
    assert number_of(database) == jan


def test_a_person_who_objected_is_suppressed_as_one_who_objected(sqlite_database: Database) -> None:
    admit(sqlite_database)
    event = ledger.NewEvent(number_of(sqlite_database), TOPIC, ConsentKind.OBJECTED, LEFT, Channel.PAGE)
    with sqlite_database.write() as connection:
        ledger.append(connection, [event], LEFT)
    purge(sqlite_database)
    with sqlite_database.read() as connection:
        suppressed = suppression.find(connection, HASHER, [JAN.key])[JAN.key]
    assert suppressed.reason is SuppressionReason.OBJECTED


def test_others_write_between_the_small_transactions_of_a_purge(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "ROWS_AT_ONCE", 2)
    for number in range(6):
        admit(sqlite_database, f"p{number}@example.com")
        leave(sqlite_database, f"p{number}@example.com")
    left_now: list[int] = []

    def withdraw(_seconds: float) -> None:
        """Somebody leaves in a pause. `write_at_once` fails where another connection holds the lock."""
        left_now.append(len(left_now))
        admit(sqlite_database, f"other{len(left_now)}@example.com")
        with sqlite_database.write_at_once() as connection:
            address = normalise(f"other{len(left_now)}@example.com")
            rights.withdraw(connection, address, TOPIC, hasher=HASHER, source="a link", now=NOW)

    monkeypatch.setattr("mailer.retention.time.sleep", withdraw)
    deleted = purge_expired(sqlite_database, [PeopleWhoLeft(NOW - 30 * DAY, NOW)])
    assert (deleted["people_who_left"], len(left_now)) == (6, 3)


def test_a_purge_whose_time_is_over_leaves_the_rest_for_the_next(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "ROWS_AT_ONCE", 2)
    for number in range(5):
        admit(sqlite_database, f"p{number}@example.com")
        leave(sqlite_database, f"p{number}@example.com")
    times = iter([False, True, True])
    kinds = [PeopleWhoLeft(NOW - 30 * DAY, NOW), FormerPeople(NOW, NOW)]
    deleted = purge_expired(sqlite_database, kinds, lambda: next(times))
    assert deleted == {"people_who_left": 2, "proofs_after_leaving": 0}
    assert purge(sqlite_database) == 3


def test_a_person_who_agrees_again_while_the_purge_looks_stays(sqlite_database: Database) -> None:
    admit(sqlite_database)
    leave(sqlite_database)
    kind = PeopleWhoLeft(NOW - 30 * DAY, NOW)
    with sqlite_database.read() as connection:
        keys = kind.find(connection, None, 10)
    admit(sqlite_database, at=NOW - DAY)
    with sqlite_database.write() as connection:
        assert kind.delete(connection, keys) == 0
    assert number_of(sqlite_database)


def test_every_table_stands_in_the_list_of_what_is_kept_how_long(sqlite_database: Database) -> None:
    page = (Path(__file__).parents[3] / "docs" / "privacy.md").read_text(encoding="utf-8")
    _, _, kept = page.partition("## How long it is kept")
    tables = set(inspect(sqlite_database.engine).get_table_names())
    assert [table for table in tables if f"`{table}`" not in kept] == []
    assert [name for name in RetentionSettings.__struct_fields__ if f"`{name}`" not in kept] == []
