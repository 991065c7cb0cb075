"""The consent ledger on real databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import Connection, insert, select, text

from mailer.database import Database
from mailer.errors import InvalidInput, MailerError, NotFound
from subscribers import audience, ledger, suppression
from subscribers.address import HashedAddress
from subscribers.kinds import Channel, ConsentKind, SuppressionReason
from subscribers.ledger import EVERY_TOPIC, BrokenEntry, NewEvent
from subscribers.tables import CONSENT, SUBSCRIBER
from tests.support.campaign import subscribe
from tests.support.tampering import tamper

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
TOPIC = "release-notes"


def address_hash(name: str) -> str:
    return name.encode().hex()


def add_person(connection: Connection, name: str) -> int:
    row = {
        "email": f"{name}@example.com",
        "email_normalised": f"{name}@example.com",
        "address_hash": address_hash(name),
        "key_id": "test",
        "created_at": NOW,
        "salutation": "",
        "first_name": "",
        "surname": "",
    }
    number: int = connection.execute(insert(SUBSCRIBER).values(row).returning(SUBSCRIBER.c.id)).scalar_one()
    return number


def event(person: int, kind: ConsentKind, at: datetime, wording: str | None = None) -> NewEvent:
    topic = EVERY_TOPIC if kind in {ConsentKind.RECTIFIED, ConsentKind.ERASED} else TOPIC
    return NewEvent(person, topic, kind, at, Channel.COMMAND, wording)


def grant(connection: Connection, person: int, at: datetime = NOW) -> None:
    wording = ledger.store_wording(connection, "Yes, mail me.", NOW, topic=TOPIC)
    ledger.append(connection, [event(person, ConsentKind.GRANTED, at, wording)], NOW)


def test_a_grant_is_derived_in_the_same_transaction(database: Database) -> None:
    with database.write() as connection:
        person = add_person(connection, "jan")
        grant(connection, person)
        assert audience.count(connection, TOPIC) == 1
        assert audience.count(connection, "other") == 0
    with database.read() as connection:
        [status] = ledger.statuses(connection, [person]).values()
        assert (status.state, status.since, status.event_id) == (ConsentKind.GRANTED, NOW, 1)


def test_a_withdrawal_takes_effect_and_an_older_grant_does_not_undo_it(database: Database) -> None:
    with database.write() as connection:
        person = add_person(connection, "jan")
        grant(connection, person)
        ledger.append(connection, [event(person, ConsentKind.WITHDRAWN, NOW + timedelta(hours=1))], NOW)
        grant(connection, person, NOW + timedelta(minutes=30))
        assert audience.count(connection, TOPIC) == 0
        grant(connection, person, NOW + timedelta(hours=2))
        assert audience.count(connection, TOPIC) == 1


def test_a_suppressed_address_is_not_in_the_audience(database: Database) -> None:
    with database.write() as connection:
        grant(connection, add_person(connection, "jan"))
        grant(connection, add_person(connection, "piet"))
        hashed, bounced = HashedAddress(address_hash("jan"), "test"), SuppressionReason.BOUNCED
        suppression.add(connection, hashed, bounced, NOW, NOW, channel=Channel.BOUNCE)
        assert audience.count(connection, TOPIC) == 1


def test_an_erased_event_ends_the_consents(database: Database) -> None:
    with database.write() as connection:
        person = add_person(connection, "jan")
        grant(connection, person)
        assert ledger.append(connection, [event(person, ConsentKind.ERASED, NOW)], NOW).statuses == {}
        assert connection.execute(select(CONSENT)).all() == []
        assert [line.event.kind for line in ledger.history(connection, person)] == ["granted", "erased"]


@pytest.mark.parametrize("statement", ["UPDATE consent_event SET topic = 'x'", "DELETE FROM consent_event"])
def test_the_database_refuses_to_change_the_ledger(database: Database, statement: str) -> None:
    with database.write() as connection:
        grant(connection, add_person(connection, "jan"))
    with pytest.raises(MailerError), database.write() as connection:
        connection.execute(text(statement))


@pytest.mark.parametrize("names", [{"language": "n" * 36}, {"version": "1" * 101}])
def test_a_wording_whose_names_fit_no_column_is_refused(database: Database, names: dict[str, str]) -> None:
    with pytest.raises(InvalidInput, match="has at most 35"), database.write() as connection:
        ledger.store_wording(connection, "Yes.", NOW, topic=TOPIC, **names)


def test_proof_is_the_last_grant_that_counted_with_its_verbatim_text(database: Database) -> None:
    with database.write() as connection:
        person = add_person(connection, "jan")
        grant(connection, person)
        grant(connection, person, NOW - timedelta(days=1))
        proof = ledger.prove(connection, person, TOPIC)
        assert (proof.grant.id, proof.wording.text, proof.status.state) == (
            1,
            "Yes, mail me.",
            ConsentKind.GRANTED,
        )
        ledger.append(connection, [event(person, ConsentKind.WITHDRAWN, NOW)], NOW)
        proof = ledger.prove(connection, person, TOPIC)
        assert (proof.grant.id, proof.status.state) == (1, ConsentKind.WITHDRAWN)
        with pytest.raises(NotFound):
            ledger.prove(connection, person, "other")


def test_nothing_is_appended_to_a_last_line_that_was_tampered_with(database: Database) -> None:
    with database.write() as connection:
        person = add_person(connection, "jan")
        grant(connection, person)
        unlock_ledger(connection)
        connection.execute(text("UPDATE consent_event SET channel = 'api'"))
        with pytest.raises(BrokenEntry, match="entry 1: it was altered"):
            grant(connection, person, NOW + timedelta(days=1))


def unlock_ledger(connection: Connection) -> None:
    """What someone with the database's own rights could do."""
    if connection.dialect.name == "sqlite":
        connection.execute(text("DROP TRIGGER consent_event_no_update"))
        connection.execute(text("DROP TRIGGER consent_event_no_delete"))
    else:
        connection.execute(text("ALTER TABLE consent_event DISABLE TRIGGER USER"))


@pytest.fixture
def tampered(database: Database) -> Database:
    """Three people who agreed, the second of whom withdrew, in a database whose triggers are off."""
    with database.write() as connection:
        for name in ("jan", "piet", "els"):
            grant(connection, add_person(connection, name))
        ledger.append(connection, [event(2, ConsentKind.WITHDRAWN, NOW + timedelta(hours=1))], NOW)
        assert ledger.verify(connection).events == 4
        unlock_ledger(connection)
    return database


@pytest.mark.parametrize(
    ("statement", "line", "problem"),
    [
        ("UPDATE consent_event SET channel = 'api' WHERE id = 2", 2, "altered"),
        ("UPDATE consent_event SET subscriber_id = 3 WHERE id = 4", 4, "altered"),
        ("UPDATE consent_event SET kind = 'requested' WHERE id = 4", 4, "altered"),
        ("DELETE FROM consent_event WHERE id = 2", 2, "missing"),
        ("DELETE FROM consent_event WHERE id = 1", 1, "missing"),
        ("UPDATE consent_event SET hash = subject WHERE id = 3", 3, "altered"),
        ("UPDATE consent_event SET id = 5 WHERE id = 4", 4, "missing"),
        ("DELETE FROM consent_event WHERE id = 4", 4, "missing"),
        ("UPDATE consent SET state = 'granted' WHERE subscriber_id = 2", 4, "does not agree"),
        ("UPDATE consent SET topic = 'other' WHERE subscriber_id = 1", 1, "does not agree"),
        ("DELETE FROM consent WHERE subscriber_id = 3", 3, "does not agree"),
        (
            "INSERT INTO consent SELECT 3, 'other', state, since, 3 FROM consent WHERE topic <> 'x' LIMIT 1",
            3,
            "does not agree",
        ),
        ("UPDATE wording SET text = 'No.'", 1, "wording was altered"),
        ("DELETE FROM wording", 1, "wording is missing"),
        ("UPDATE consent_event SET kind = 'rectified' WHERE id = 2", 2, "do not match its hash"),
        ("UPDATE consent_event SET wording = NULL WHERE id = 3", 3, "do not match its hash"),
    ],
)
def test_verify_names_the_first_line_that_was_tampered_with(
    tampered: Database, statement: str, line: int, problem: str
) -> None:
    tamper(tampered, statement)
    with pytest.raises(BrokenEntry, match=problem) as broken, tampered.read() as connection:
        ledger.verify(connection)
    assert broken.value.entry_id == line


def forge(database: Database, entry_id: int, **changes: Any) -> None:
    """Write an entry anew with its own hash, as somebody with all rights can."""
    with database.read() as connection:
        entry = ledger.entry(connection, entry_id)
    assert entry is not None
    forged = ledger.make_entry(entry_id, replace(entry.event, **changes), entry.recorded_at)
    columns = ", ".join(f"{name} = '{value}'" for name, value in changes.items())
    tamper(database, f"UPDATE consent_event SET {columns}, hash = '{forged.hash}' WHERE id = {entry_id}")


def test_verify_finds_an_entry_that_was_written_anew_with_its_own_hash(tampered: Database) -> None:
    """An attacker who can do that must also rewrite the tree, and then its root differs from the noted one."""
    forge(tampered, 2, channel=Channel.API)
    with (
        pytest.raises(BrokenEntry, match="does not give the checkpoint's root"),
        tampered.read() as connection,
    ):
        ledger.verify(connection)


@pytest.mark.parametrize("entry_id", [1, 256, 257, 300, 512])
def test_verify_names_an_entry_of_a_full_tile_that_was_written_anew(
    sqlite_database: Database, entry_id: int
) -> None:
    subscribe(sqlite_database, 600)
    with sqlite_database.write() as connection:
        unlock_ledger(connection)
    forge(sqlite_database, entry_id, channel=Channel.API)
    with pytest.raises(BrokenEntry, match="written anew") as broken, sqlite_database.read() as connection:
        ledger.verify(connection)
    assert broken.value.entry_id == entry_id


@pytest.mark.parametrize(
    ("statement", "line"),
    [
        ("UPDATE consent_event SET kind = 'invented' WHERE id = 2", 2),
        ("UPDATE consent_event SET occurred_at = 'once' WHERE id = 3", 3),
        ("UPDATE consent_event SET subject = x'ff' WHERE id = 1", 1),
        ("UPDATE wording SET text = x'ff'", 1),
        ("UPDATE consent SET state = 'invented' WHERE subscriber_id = 2", 4),
        ("UPDATE consent SET since = 'once' WHERE subscriber_id = 3", 4),
    ],
)
def test_verify_names_the_first_line_with_what_its_column_never_holds(
    sqlite_database: Database, statement: str, line: int
) -> None:
    with sqlite_database.write() as connection:
        for name in ("jan", "piet", "els", "an"):
            grant(connection, add_person(connection, name))
        unlock_ledger(connection)
    tamper(sqlite_database, statement)
    with pytest.raises(BrokenEntry) as broken, sqlite_database.read() as connection:
        ledger.verify(connection)
    assert broken.value.entry_id == line


@pytest.mark.parametrize(
    "statement", ["UPDATE wording SET text = 'Yes, sell my data.'", "DELETE FROM wording"]
)
def test_nothing_is_proved_with_a_wording_that_was_tampered_with(tampered: Database, statement: str) -> None:
    tamper(tampered, statement)
    with pytest.raises(BrokenEntry, match="entry 1: its wording"), tampered.read() as connection:
        ledger.prove(connection, 1, TOPIC)


def test_a_ledger_that_was_written_anew_lacks_the_head_that_was_noted(database: Database) -> None:
    with database.write() as connection:
        grant(connection, add_person(connection, "jan"))
        head = ledger.verify(connection).head
        grant(connection, add_person(connection, "piet"))
        assert ledger.verify(connection, noted=head).events == 2
        with pytest.raises(BrokenEntry, match="noted"):
            ledger.verify(connection, noted="0" * 64)


def test_an_empty_ledger_is_whole(database: Database) -> None:
    with database.read() as connection:
        assert ledger.verify(connection).events == 0


def test_appends_from_several_connections_form_one_ledger(database: Database) -> None:
    with database.write() as connection:
        people = [add_person(connection, name) for name in ("jan", "piet", "els", "noor")]

    def often(person: int) -> None:
        for number in range(10):
            with database.write() as connection:
                grant(connection, person, NOW + timedelta(seconds=number))

    with ThreadPoolExecutor() as threads:
        list(threads.map(often, people))
    with database.read() as connection:
        assert ledger.verify(connection).events == 40


@pytest.mark.parametrize("people", [1, 300])
def test_an_earlier_root_can_be_told_again_and_covers_all_entries(database: Database, people: int) -> None:
    numbers = subscribe(database, people)
    with database.write() as connection:
        before = ledger.head(connection)
        ledger.append(connection, [event(numbers[0], ConsentKind.WITHDRAWN, NOW)], NOW)
        after = ledger.head(connection)
    with database.read() as connection:
        assert (before.size, after.size) == (people, people + 1)
        assert ledger.head(connection, before.size) == before
        assert ledger.head(connection, after.size) == after
        assert ledger.head(connection, after.size + 1).root == ""


def test_an_empty_ledger_has_a_root(database: Database) -> None:
    with database.read() as connection:
        assert ledger.head(connection) == ledger.head(connection, 0)
