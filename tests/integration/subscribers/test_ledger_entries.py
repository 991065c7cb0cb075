"""What the ledger appends, derives, reads and refuses, entry by entry."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, select, text

from mailer.database import Database
from mailer.errors import InvalidInput
from subscribers import ledger
from subscribers.kinds import Channel, ConsentKind
from subscribers.ledger import EVERY_TOPIC, BrokenEntry, ConsentStatus, NewEvent
from tests.support.campaign import TOPIC, agree, subscribe, withdraw

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
ABOUT_PERSON = {ConsentKind.RECTIFIED, ConsentKind.ERASED}


def _event(person: int, kind: ConsentKind, at: datetime = NOW, *, topic: str = TOPIC) -> NewEvent:
    wording = "0" * 64 if kind is ConsentKind.GRANTED else None
    return NewEvent(
        person, EVERY_TOPIC if kind in ABOUT_PERSON else topic, kind, at, Channel.COMMAND, wording
    )


def _append(database: Database, *events: NewEvent) -> ledger.Statuses:
    with database.write() as connection:
        return ledger.append(connection, events, NOW).statuses


def _statuses(database: Database, *people: int) -> ledger.Statuses:
    with database.read() as connection:
        return ledger.statuses(connection, people)


def _damage_last_entry(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        connection.execute(text("DROP TRIGGER consent_event_no_update"))
    else:
        connection.execute(text("ALTER TABLE consent_event DISABLE TRIGGER USER"))
    connection.execute(
        text("UPDATE consent_event SET channel = 'api' WHERE id = (SELECT max(id) FROM consent_event)")
    )


def test_nothing_is_appended_without_an_event(database: Database) -> None:
    with database.write() as connection:
        assert ledger.append(connection, [], NOW) == ({}, 0)


def test_an_append_tells_its_first_entry_and_the_statuses_of_all_whom_it_names(database: Database) -> None:
    first, second = subscribe(database, 2)
    agree(database, first, topic="security")
    with database.write() as connection:
        done = ledger.append(connection, [_event(first, ConsentKind.WITHDRAWN, datetime.now(UTC))], NOW)
    assert done.first_entry_id == 4
    assert {key: status.state for key, status in done.statuses.items()} == {
        (first, TOPIC): ConsentKind.WITHDRAWN,
        (first, "security"): ConsentKind.GRANTED,
    }
    assert _statuses(database, first) == done.statuses
    assert _statuses(database, first, second).keys() == {*done.statuses, (second, TOPIC)}


def test_an_entry_is_stored_as_it_was_appended(database: Database) -> None:
    (person,) = subscribe(database, 1)
    event = NewEvent(
        person, TOPIC, ConsentKind.WITHDRAWN, NOW - HOUR, Channel.PAGE, None, "1" * 64, "2" * 64, "3" * 64
    )
    _append(database, event)
    with database.read() as connection:
        _, second = ledger.history(connection, person)
        assert ledger.entry(connection, 2) == second
        assert ledger.entry(connection, 3) is None
    assert (second.id, second.event, second.recorded_at) == (2, event, NOW)


def test_the_history_of_a_person_is_theirs_alone_and_in_order(database: Database) -> None:
    first, second = subscribe(database, 2)
    withdraw(database, first, second)
    with database.read() as connection:
        assert [entry.id for entry in ledger.history(connection, second)] == [2, 4]
        assert [entry.id for entry in ledger.entries(connection)] == [1, 2, 3, 4]
        assert [entry.id for entry in ledger.entries_by_subscriber(connection)] == [1, 3, 2, 4]


def test_an_event_changes_the_consent_to_its_own_topic_alone(database: Database) -> None:
    first, second = subscribe(database, 2)
    agree(database, first, topic="security")
    withdraw(database, first)
    states = {key: status.state for key, status in _statuses(database, first, second).items()}
    assert states == {
        (first, TOPIC): ConsentKind.WITHDRAWN,
        (first, "security"): ConsentKind.GRANTED,
        (second, TOPIC): ConsentKind.GRANTED,
    }


def test_an_erasure_ends_all_consents_of_that_person_alone(database: Database) -> None:
    first, second = subscribe(database, 2)
    agree(database, first, topic="security")
    assert _append(
        database, _event(first, ConsentKind.ERASED), _event(second, ConsentKind.WITHDRAWN)
    ).keys() == {(second, TOPIC)}
    assert _statuses(database, first, second).keys() == {(second, TOPIC)}


def test_a_correction_changes_no_consent(database: Database) -> None:
    (person,) = subscribe(database, 1)
    before = _statuses(database, person)
    assert _append(database, _event(person, ConsentKind.RECTIFIED)) == before
    assert _statuses(database, person) == before


def test_events_that_are_appended_together_count_one_after_the_other(database: Database) -> None:
    (person,) = subscribe(database, 1)
    later = datetime.now(UTC) + HOUR
    _append(
        database,
        _event(person, ConsentKind.WITHDRAWN, later),
        _event(person, ConsentKind.REQUESTED, topic="security"),
        _event(person, ConsentKind.WITHDRAWN, topic="security"),
    )
    statuses = _statuses(database, person)
    assert statuses[person, TOPIC] == ConsentStatus(ConsentKind.WITHDRAWN, later, 2)
    assert statuses[person, "security"] == ConsentStatus(ConsentKind.WITHDRAWN, NOW, 4)


@pytest.mark.parametrize("kind", [ConsentKind.WITHDRAWN, ConsentKind.OBJECTED, ConsentKind.ERASED])
def test_a_way_out_is_appended_to_a_damaged_ledger(database: Database, kind: ConsentKind) -> None:
    (person,) = subscribe(database, 1)
    with database.write() as connection:
        _damage_last_entry(connection)
    _append(database, _event(person, kind, datetime.now(UTC)))
    [*states] = _statuses(database, person).values()
    assert [status.state for status in states] == ([] if kind is ConsentKind.ERASED else [kind])


@pytest.mark.parametrize(
    "kinds",
    [
        [ConsentKind.GRANTED],
        [ConsentKind.REQUESTED],
        [ConsentKind.RECTIFIED],
        [ConsentKind.WITHDRAWN, ConsentKind.GRANTED],
    ],
)
def test_nothing_else_is_appended_to_a_damaged_ledger(
    database: Database, kinds: Sequence[ConsentKind]
) -> None:
    (person,) = subscribe(database, 1)
    with database.write() as connection:
        _damage_last_entry(connection)
        with pytest.raises(BrokenEntry, match="entry 1"):
            ledger.append(connection, [_event(person, kind) for kind in kinds], NOW)
        assert ledger.history(connection, person)[1:] == []


def test_a_number_follows_the_last_one_of_a_damaged_ledger(database: Database) -> None:
    people = subscribe(database, 2)
    with database.write() as connection:
        _damage_last_entry(connection)
        ledger.append_unchecked(connection, [_event(people[0], ConsentKind.WITHDRAWN)], NOW)
        appended = ledger.history(connection, people[0])[-1]
    assert appended.id == 3
    assert _statuses(database, people[0])[people[0], TOPIC].state is ConsentKind.GRANTED


def test_a_wording_is_stored_once_with_its_names(database: Database) -> None:
    with database.write() as connection:
        names = {"topic": TOPIC, "language": "nl", "version": "3"}
        name = ledger.store_wording(connection, "Ja.", NOW, **names)
        assert ledger.store_wording(connection, "Ja.", NOW + HOUR, **names) == name
        (row,) = connection.execute(select(ledger.WORDING)).mappings()
    assert (row["commitment"], row["sha256"]) == (name, ledger.text_hash("Ja."))
    assert (row["text"], row["language"], row["version"], row["topic"]) == ("Ja.", "nl", "3", TOPIC)
    assert row["first_used_at"] == NOW


@pytest.mark.parametrize("other", [{"language": "en"}, {"version": "2"}, {"topic": "other"}])
def test_a_text_with_other_names_is_another_wording(sqlite_database: Database, other: dict[str, str]) -> None:
    names = {"topic": TOPIC, "language": "nl", "version": "1"}
    with sqlite_database.write() as connection:
        first = ledger.store_wording(connection, "Ja.", NOW, **names)
        assert ledger.store_wording(connection, "Ja.", NOW, **names | other) != first


def test_a_wording_is_stored_without_names(database: Database) -> None:
    with database.write() as connection:
        ledger.store_wording(connection, "Ja.", NOW, topic=TOPIC)
        (row,) = connection.execute(select(ledger.WORDING)).mappings()
    assert (row["language"], row["version"]) == ("", "")


@pytest.mark.parametrize("wording", ["", " \n", "Yes\0", "y" * 100_001])
def test_a_wording_is_a_text_of_bounded_length(sqlite_database: Database, wording: str) -> None:
    with sqlite_database.write() as connection, pytest.raises(InvalidInput, match="wording"):
        ledger.store_wording(connection, wording, NOW, topic=TOPIC)


def test_a_wording_may_use_all_the_room_that_there_is(database: Database) -> None:
    with database.write() as connection:
        assert ledger.store_wording(
            connection, "y" * 100_000, NOW, topic=TOPIC, language="l" * 35, version="v" * 100
        )


def test_the_entries_before_an_unreadable_one_are_read_once(sqlite_database: Database) -> None:
    """Entries are read by thousands; the unreadable one is found among those that came with it."""
    subscribe(sqlite_database, 4005)
    with sqlite_database.write() as connection:
        connection.execute(text("DROP TRIGGER consent_event_no_update"))
        connection.execute(text("UPDATE consent_event SET occurred_at = 'once' WHERE id = 4003"))
    read: list[int] = []
    with sqlite_database.read() as connection, pytest.raises(BrokenEntry, match="can't be read") as broken:
        read.extend(entry.id for entry in ledger.entries(connection))
    assert broken.value.entry_id == 4003
    assert read == list(range(1, 4003))
