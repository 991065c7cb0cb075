"""`consent prove` proves nothing to the credit of somebody with all rights on the database and without the keys."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from msgspec import structs
from sqlalchemy import text, update

from mailer.database import Database
from mailer.retention import purge_expired
from subscribers import rights
from subscribers.address import normalise
from subscribers.kinds import ConsentKind
from subscribers.ledger import CONSENT, EVENT, BrokenEntry, Proof
from subscribers.ledger.events import make_entry
from subscribers.ledger.reading import entry
from subscribers.rights import Correction
from subscribers.rights.retention import PeopleWhoLeft
from tests.support.admission import HASHER, admit
from tests.support.tampering import tamper, with_all_rights

TOPIC = "release-notes"
NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
GIVEN, LEFT = NOW - timedelta(days=50), NOW - timedelta(days=30)
SWAPPED = ("email", "email_normalised", "address_hash")


def subscribe(database: Database, people: int, first: int = 1) -> None:
    """Put person1@example.com and so on on file, with the ids 1 and so on."""
    for number in range(first, first + people):
        admit(database, f"person{number}@example.com", GIVEN, NOW, TOPIC)


def withdraw(database: Database, number: int) -> None:
    with database.write() as connection:
        address = normalise(f"person{number}@example.com")
        rights.withdraw(connection, address, TOPIC, hasher=HASHER, source="a link", now=LEFT)


def prove(database: Database, email: str) -> Proof:
    with database.read() as connection:
        return rights.prove(connection, normalise(email), TOPIC, HASHER)[1]


def swap(database: Database, table: str, key: str, columns: Sequence[str]) -> None:
    """Swap `columns` of the rows 1 and 2."""
    names = ", ".join(columns)
    with with_all_rights(database) as connection:
        rows = {
            number: connection.execute(text(f"SELECT {names} FROM {table} WHERE {key} = {number}")).one()
            for number in (1, 2)
        }
        values = ", ".join(f"{name} = :{name}" for name in columns)
        for number, row in ((1, [f"x{at}" for at in range(len(columns))]), (2, rows[1]), (1, rows[2])):
            parameters = dict(zip(columns, row, strict=True))
            connection.execute(text(f"UPDATE {table} SET {values} WHERE {key} = {number}"), parameters)


def test_the_consent_of_another_person_is_not_proved_where_two_addresses_were_swapped(
    database: Database,
) -> None:
    subscribe(database, 2)
    swap(database, "subscriber", "id", SWAPPED)
    with pytest.raises(BrokenEntry, match="the address of subscriber 2 is not the one it commits to"):
        prove(database, "person1@example.com")


def test_nor_where_the_keyed_hashes_of_two_who_left_were_swapped(database: Database) -> None:
    subscribe(database, 2)
    withdraw(database, 1)
    withdraw(database, 2)
    purge_expired(database, [PeopleWhoLeft(LEFT, NOW)])
    assert prove(database, "person1@example.com").grant.id == 1
    swap(database, "former_subscriber", "subscriber_id", ["address_hash"])
    with pytest.raises(BrokenEntry, match="the address of subscriber 2 is not the one it commits to"):
        prove(database, "person1@example.com")


def test_an_entry_that_was_written_anew_with_its_hash_proves_nothing(database: Database) -> None:
    subscribe(database, 2)
    with database.read() as connection:
        first = entry(connection, 1)
    assert first is not None
    earlier = structs.replace(first.event, occurred_at=GIVEN - timedelta(days=500))
    forged = make_entry(1, earlier, first.recorded_at)
    with with_all_rights(database) as connection:
        values = {"occurred_at": earlier.occurred_at, "hash": forged.hash}
        connection.execute(update(EVENT).where(EVENT.c.id == 1).values(values))
        since = {"since": earlier.occurred_at}
        connection.execute(update(CONSENT).where(CONSENT.c.subscriber_id == 1).values(since))
    with pytest.raises(BrokenEntry, match="root"):
        prove(database, "person1@example.com")


def test_a_withdrawal_that_was_taken_out_is_missed(database: Database) -> None:
    subscribe(database, 40)  # the entry is in a full tile
    withdraw(database, 1)
    subscribe(database, 230, first=41)
    assert prove(database, "person1@example.com").status.state is ConsentKind.WITHDRAWN
    tamper(
        database,
        "DELETE FROM consent_event WHERE kind = 'withdrawn'",
        "UPDATE consent SET state = 'granted', event_id = 1 WHERE subscriber_id = 1",
    )
    with pytest.raises(BrokenEntry, match="entry 41: it is missing"):
        prove(database, "person1@example.com")


def test_a_corrected_address_keeps_its_proof(database: Database) -> None:
    subscribe(database, 1)
    for former, new in (("person1", "second"), ("second", "third")):
        with database.write() as connection:
            rights.rectify(
                connection,
                normalise(f"{former}@example.com"),
                Correction(email=normalise(f"{new}@example.com")),
                hasher=HASHER,
                source="by phone",
                now=NOW,
            )
    assert prove(database, "third@example.com").grant.id == 1
