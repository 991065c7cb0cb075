"""What verification compares with the ledger, and which line it names."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mailer.database import Database
from subscribers import ledger
from subscribers.kinds import Channel, ConsentKind
from subscribers.ledger import BrokenEntry
from subscribers.ledger.tree import EMPTY, root_of
from subscribers.ledger.walk import BATCH, check_wordings, hashes_of_entries
from tests.support.campaign import TOPIC, agree, subscribe, withdraw
from tests.support.tampering import tamper


def verify(database: Database, noted: str | None = None) -> ledger.Verified:
    with database.read() as connection:
        return ledger.verify(connection, noted=noted)


def broken(database: Database, noted: str | None = None) -> tuple[int, str]:
    with pytest.raises(BrokenEntry) as found:
        verify(database, noted)
    return found.value.entry_id, found.value.problem


def test_a_whole_ledger_tells_its_length_and_head(database: Database) -> None:
    assert verify(database) == ledger.Verified(0, EMPTY.root.hex(), 0, 0)
    people = subscribe(database, 3)
    withdraw(database, people[1])
    with database.read() as connection:
        hashes = [bytes.fromhex(entry.hash) for entry in ledger.entries(connection)]
    assert verify(database) == ledger.Verified(4, root_of(hashes).hex(), 4, 4)


def test_a_head_that_was_noted_is_found_wherever_it_stands(database: Database) -> None:
    subscribe(database, 3)
    with database.read() as connection:
        hashes = [bytes.fromhex(entry.hash) for entry in ledger.entries(connection)]
    for size in range(4):
        assert verify(database, root_of(hashes[:size]).hex()).events == 3
    assert broken(database, "0" * 64) == (3, "up to here no root is the one that was noted")


def test_an_empty_ledger_lacks_any_head_that_was_noted(database: Database) -> None:
    assert broken(database, "0" * 64)[0] == 0


def test_the_first_line_that_cites_an_altered_wording_is_named(database: Database) -> None:
    people = subscribe(database, 2)
    withdraw(database, people[0])
    now = datetime.now(UTC)
    with database.write() as connection:
        name = ledger.store_wording(connection, "Another text.", now, topic=TOPIC)
    agree(database, people[1], topic="security")
    tamper(database, f"UPDATE wording SET text = 'Mail me all.' WHERE commitment <> '{name}'")
    assert broken(database) == (1, "its wording was altered")


def test_an_altered_wording_that_no_line_cites_is_named_by_no_line(database: Database) -> None:
    subscribe(database, 1)
    with database.write() as connection:
        name = ledger.store_wording(connection, "Another text.", datetime.now(UTC), topic=TOPIC)
    assert verify(database).events == 1
    tamper(database, f"UPDATE wording SET text = 'Mail me all.' WHERE commitment = '{name}'")
    assert broken(database) == (0, "its wording was altered")


def test_in_a_long_ledger_the_first_altered_line_is_named_wherever_it_stands(
    sqlite_database: Database,
) -> None:
    subscribe(sqlite_database, BATCH + 2)
    with sqlite_database.read() as connection:
        assert list(map(len, hashes_of_entries(connection, check_wordings(connection)))) == [BATCH, 2]
    for line in (BATCH + 2, BATCH + 1, BATCH, 1):
        tamper(sqlite_database, f"UPDATE consent_event SET channel = 'api' WHERE id = {line}")
        assert broken(sqlite_database) == (line, "it was altered; its fields do not match its hash")


def test_hashes_that_were_cut_at_another_place_are_found(sqlite_database: Database) -> None:
    subscribe(sqlite_database, 2)
    tamper(
        sqlite_database,
        "UPDATE consent_event SET hash = (SELECT substr(hash, 64, 1) FROM consent_event WHERE id = 1) || hash WHERE id = 2",
        "UPDATE consent_event SET hash = substr(hash, 1, 63) WHERE id = 1",
    )
    assert broken(sqlite_database) == (1, "it was altered; its fields do not match its hash")


def test_the_first_line_whose_wording_is_missing_is_named(database: Database) -> None:
    people = subscribe(database, 2)
    withdraw(database, people[0])
    tamper(database, "DELETE FROM wording")
    assert broken(database) == (1, "its wording is missing")


@pytest.mark.parametrize(
    ("statement", "person", "line"),
    [
        ("UPDATE consent SET event_id = 1 WHERE subscriber_id = 2 AND topic = 'release-notes'", 2, 5),
        ("DELETE FROM consent WHERE subscriber_id = 2", 2, 5),
        ("DELETE FROM consent WHERE subscriber_id = 1", 1, 4),
        ("DELETE FROM consent WHERE subscriber_id = 3", 3, 3),
        ("UPDATE consent SET state = 'granted' WHERE subscriber_id = 1", 1, 4),
        ("INSERT INTO consent SELECT 9, topic, state, since, 3 FROM consent WHERE subscriber_id = 3", 9, 3),
    ],
)
def test_the_last_line_about_a_person_whose_consent_was_changed_is_named(
    database: Database, statement: str, person: int, line: int
) -> None:
    first, second, _ = subscribe(database, 3)
    withdraw(database, first)
    agree(database, second, topic="security")
    tamper(database, statement)
    named, problem = broken(database)
    assert (named, problem) == (
        line,
        f"the consent table does not agree with the ledger about subscriber {person}",
    )


def test_a_person_who_was_erased_has_no_consent_to_compare(database: Database) -> None:
    first, second = subscribe(database, 2)
    with database.write() as connection:
        now = datetime.now(UTC)
        erased = ledger.NewEvent(first, ledger.EVERY_TOPIC, ConsentKind.ERASED, now, Channel.COMMAND)
        ledger.append(connection, [erased], now)
        assert (second, TOPIC) in ledger.statuses(connection, [first, second])
    assert verify(database).events == 3


def test_an_unreadable_consent_is_named_by_the_last_line_and_the_person_before(
    sqlite_database: Database,
) -> None:
    subscribe(sqlite_database, 3)
    tamper(
        sqlite_database,
        "PRAGMA ignore_check_constraints=ON",
        "UPDATE consent SET since = 'once' WHERE subscriber_id = 3",
    )
    line, problem = broken(sqlite_database)
    assert line == 3
    assert "goes on with what can't be read" in problem


def test_a_ledger_whose_end_was_cut_off_lacks_the_entries_of_its_checkpoint(database: Database) -> None:
    subscribe(database, 3)
    tamper(
        database,
        "DELETE FROM consent WHERE subscriber_id >= 2",
        "DELETE FROM consent_event WHERE subscriber_id >= 2",
        "DELETE FROM subscriber WHERE id >= 2",
    )
    assert broken(database) == (2, "it is missing; the checkpoint has 3 entries")


def test_people_without_any_line_show_that_the_end_is_missing(database: Database) -> None:
    subscribe(database, 3)
    root = EMPTY.root.hex()
    tamper(
        database,
        "DELETE FROM consent",
        "DELETE FROM consent_event",
        f"UPDATE ledger_checkpoint SET size = 0, root = '{root}', frontier = '', signed = NULL",
    )
    assert broken(database) == (1, "it is missing; subscriber 1 is on file without any entry")
