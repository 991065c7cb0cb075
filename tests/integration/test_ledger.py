"""The consent ledger on real databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, insert, select, text
from sqlmodel import SQLModel

from mailer.database import Database
from mailer.errors import MailerError, NotFound
from subscribers import audience, ledger
from subscribers.consent import EVERY_TOPIC, BrokenLink, NewEvent
from subscribers.models import ConsentKind, Subscriber, SuppressionReason

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
TOPIC = "release-notes"
TABLES = SQLModel.metadata.tables


def add_person(connection: Connection, name: str) -> int:
    row = {
        "email": f"{name}@example.com",
        "address_key": f"{name}@example.com",
        "address_hash": name,
        "key_id": "test",
        "created_at": NOW,
        "salutation": "",
        "first_name": "",
        "surname": "",
    }
    return connection.execute(
        insert(Subscriber).values(row).returning(TABLES["subscriber"].c.id)
    ).scalar_one()


def event(person: int, kind: ConsentKind, at: datetime, wording: str | None = None) -> NewEvent:
    topic = EVERY_TOPIC if kind in {ConsentKind.RECTIFIED, ConsentKind.ERASED} else TOPIC
    return NewEvent(person, topic, kind, at, "a form", wording)


def grant(connection: Connection, person: int, at: datetime = NOW) -> None:
    wording = ledger.keep_wording(connection, "Yes, mail me.", NOW)
    ledger.append(connection, [event(person, ConsentKind.GRANTED, at, wording)], NOW)


def test_a_grant_is_derived_in_the_same_transaction(database: Database) -> None:
    with database.write() as connection:
        person = add_person(connection, "jan")
        grant(connection, person)
        assert audience.count(connection, TOPIC) == 1
        assert audience.count(connection, "other") == 0
    with database.read() as connection:
        [standing] = ledger.standings(connection, [person]).values()
        assert (standing.state, standing.since, standing.event_id) == (ConsentKind.GRANTED, NOW, 1)


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
        row = {"address_hash": "jan", "key_id": "test", "reason": SuppressionReason.BOUNCED, "since": NOW}
        connection.execute(TABLES["suppression"].insert(), row)
        assert audience.count(connection, TOPIC) == 1


def test_an_erased_event_ends_the_consents(database: Database) -> None:
    with database.write() as connection:
        person = add_person(connection, "jan")
        grant(connection, person)
        assert ledger.append(connection, [event(person, ConsentKind.ERASED, NOW)], NOW) == {}
        assert connection.execute(select(TABLES["consent"])).all() == []
        assert [line.event.kind for line in ledger.history(connection, person)] == ["granted", "erased"]


@pytest.mark.parametrize("statement", ["UPDATE consent_event SET source = 'x'", "DELETE FROM consent_event"])
def test_the_database_refuses_to_change_the_ledger(database: Database, statement: str) -> None:
    with database.write() as connection:
        grant(connection, add_person(connection, "jan"))
    with pytest.raises(MailerError), database.write() as connection:
        connection.execute(text(statement))


def test_proof_is_the_last_grant_that_counted_with_its_verbatim_text(database: Database) -> None:
    with database.write() as connection:
        person = add_person(connection, "jan")
        grant(connection, person)
        grant(connection, person, NOW - timedelta(days=1))
        proof = ledger.prove(connection, person, TOPIC)
        assert (proof.grant.id, proof.wording, proof.standing.state) == (
            1,
            "Yes, mail me.",
            ConsentKind.GRANTED,
        )
        ledger.append(connection, [event(person, ConsentKind.WITHDRAWN, NOW)], NOW)
        proof = ledger.prove(connection, person, TOPIC)
        assert (proof.grant.id, proof.standing.state) == (1, ConsentKind.WITHDRAWN)
        with pytest.raises(NotFound):
            ledger.prove(connection, person, "other")


def test_nothing_is_appended_to_a_last_line_that_was_tampered_with(database: Database) -> None:
    with database.write() as connection:
        person = add_person(connection, "jan")
        grant(connection, person)
        unlock_ledger(connection)
        connection.execute(text("UPDATE consent_event SET source = 'elsewhere'"))
        with pytest.raises(BrokenLink, match="line 1: it was altered"):
            grant(connection, person, NOW + timedelta(days=1))


def unlock_ledger(connection: Connection) -> None:
    """What someone with the database's own rights could do."""
    if connection.dialect.name == "sqlite":
        connection.execute(text("DROP TRIGGER consent_event_no_update"))
        connection.execute(text("DROP TRIGGER consent_event_no_delete"))
    else:
        connection.execute(text("ALTER TABLE consent_event DISABLE TRIGGER USER"))
