"""After an erasure no file of PostgreSQL's tables and indexes holds the person, however many others there are."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from mailer.database import Database
from subscribers import people, rights
from subscribers.address import AddressHasher, normalise
from tests.support.campaign import SECRET, TOPIC, subscribe

PEOPLE = 4000  # with fewer, PostgreSQL cleans the indexes by itself
ADDRESS = normalise("person1234@example.com")
HASHER = AddressHasher([SECRET.encode()])
NOTE = "told us by telephone"


def relations_with(database: Database, words: str) -> set[str]:
    """The tables and indexes whose files hold these words."""
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("CHECKPOINT"))
        found = connection.execute(
            text(
                "SELECT relname FROM pg_class WHERE relfilenode <> 0 AND relnamespace = 'public'::regnamespace"
                " AND position(:words IN pg_read_binary_file(pg_relation_filepath(oid))) > 0"
            ),
            {"words": words.encode()},
        )
        return set(found.scalars())


@pytest.mark.parametrize("has_left", [False, True])
def test_no_index_and_no_table_of_notes_keeps_who_was_erased(
    postgresql_database: Database, has_left: bool
) -> None:
    subscribe(postgresql_database, PEOPLE)
    now = datetime.now(UTC)
    with postgresql_database.write() as connection:
        if has_left:
            rights.withdraw(connection, ADDRESS, TOPIC, hasher=HASHER, source=NOTE, now=now)
        former = people.find(connection, ADDRESS)
        assert former is not None
    assert "uq_subscriber_email_normalised" in relations_with(postgresql_database, ADDRESS.key)
    with postgresql_database.write() as connection:
        rights.erase(connection, ADDRESS, hasher=HASHER, source="asked", now=now)
    assert rights.erase_on_disk(postgresql_database, former) == []
    assert relations_with(postgresql_database, ADDRESS.key) == set()
    assert relations_with(postgresql_database, NOTE) == set()
