"""What people may ask of us, on real databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from mailer.database import Database
from mailer.errors import NotFound, Refused
from subscribers import audience, ledger, people, rights, suppression
from subscribers.address import normalise
from subscribers.intake import Decision
from subscribers.kinds import Channel, ConsentKind, SuppressionReason
from subscribers.people import Names
from subscribers.rights import Correction
from subscribers.rights.objection import object_to_mail
from subscribers.tables import NOTE, SUBSCRIBER, SUPPRESSION
from tests.support.admission import HASHER
from tests.support.admission import admit as put_on_file

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
TOPIC = "release-notes"
JAN = normalise("jan@example.com")
JOHAN = normalise("johan@example.com")


@pytest.fixture
def on_file(database: Database) -> Database:
    """A database with Jan, who agreed."""
    admit(database, "Jan@example.com", NOW - timedelta(days=10))
    return database


def admit(database: Database, email: str, at: datetime, topic: str = TOPIC) -> Decision:
    return put_on_file(database, email, at, NOW, topic)


def rectify(database: Database, correction: Correction) -> list[str]:
    with database.write() as connection:
        return rights.rectify(connection, JAN, correction, hasher=HASHER, source="by phone", now=NOW)


def erase(database: Database) -> None:
    with database.write() as connection:
        rights.erase(connection, JAN, hasher=HASHER, source="by phone", now=NOW)


def test_a_person_sees_all_that_is_on_file_about_them(on_file: Database) -> None:
    with on_file.read() as connection:
        file = rights.look_up(connection, JAN, HASHER)
    values = rights.export_values(file)
    assert (values["salutation"], values["first_name"], values["surname"]) == ("de heer", "Jan", "De Vries")
    assert values["email"] == "Jan@example.com"
    assert [consent["state"] for consent in values["consents"]] == ["granted"]
    assert [event["kind"] for event in values["events"]] == ["granted"]
    assert list(values["wordings"].values()) == ["Yes, mail me."]
    assert values["suppressed"] is None


def test_a_correction_changes_the_fields_and_the_ledger_names_them(on_file: Database) -> None:
    assert rectify(on_file, Correction(first_name="Johan", surname="")) == ["first_name", "surname"]
    with on_file.read() as connection:
        file = rights.look_up(connection, JAN, HASHER)
    assert file.person.names == Names("de heer", "Johan", "")
    assert file.history[-1].event.kind is ConsentKind.RECTIFIED
    assert file.notes[file.history[-1].event.note or ""] == "by phone; changed: first_name, surname"


def test_a_correction_to_what_is_so_already_writes_nothing(on_file: Database) -> None:
    assert rectify(on_file, Correction(first_name="Jan", email=normalise("Jan@EXAMPLE.com"))) == []
    with on_file.read() as connection:
        assert ledger.verify(connection).events == 1


def test_a_new_address_keeps_the_consent_and_its_proof(on_file: Database) -> None:
    assert rectify(on_file, Correction(email=JOHAN)) == ["email"]
    with on_file.read() as connection:
        person = rights.find(connection, JOHAN, HASHER)
        assert ledger.prove(connection, person.id, TOPIC).wording.text == "Yes, mail me."
        assert audience.count(connection, TOPIC) == 1
        with pytest.raises(NotFound):
            rights.find(connection, JAN, HASHER)


def test_a_new_address_that_is_someone_elses_is_refused(on_file: Database) -> None:
    admit(on_file, "johan@example.com", NOW)
    with pytest.raises(Refused, match="another person"):
        rectify(on_file, Correction(surname="Other", email=JOHAN))
    with on_file.read() as connection:
        assert rights.find(connection, JAN, HASHER).names.surname == "De Vries"


def test_a_new_address_that_is_suppressed_is_refused(on_file: Database) -> None:
    with on_file.write() as connection:
        suppression.add(
            connection,
            HASHER.every(JOHAN.key)[1],
            SuppressionReason.BOUNCED,
            NOW,
            NOW,
            channel=Channel.BOUNCE,
        )
    with pytest.raises(Refused, match="suppressed"):
        rectify(on_file, Correction(email=JOHAN))


def test_an_erased_person_leaves_a_keyed_hash_and_lines_that_lead_to_nobody(on_file: Database) -> None:
    erase(on_file)
    with on_file.read() as connection:
        assert connection.execute(select(SUBSCRIBER)).all() == []
        [left] = connection.execute(select(SUPPRESSION)).all()
        assert (left.address_hash, left.key_id) == (
            HASHER.newest(JAN.key).hash,
            HASHER.newest(JAN.key).key_id,
        )
        assert left.reason is SuppressionReason.ERASED
        kinds = [line.event.kind for line in ledger.entries(connection)]
        assert kinds == [ConsentKind.GRANTED, ConsentKind.ERASED, ConsentKind.SUPPRESSED]
        assert audience.count(connection, TOPIC) == 0
        ledger.verify(connection)
        with pytest.raises(NotFound, match="on or before 2026-11-22"):
            rights.find(connection, JAN, HASHER)


def test_an_erasure_leaves_no_note_about_the_person_not_even_its_own(on_file: Database) -> None:
    with on_file.write() as connection:
        rights.withdraw(connection, JAN, TOPIC, hasher=HASHER, source="Jan, by phone", now=NOW)
        rights.erase(connection, JAN, hasher=HASHER, source="Jan de Vries, by phone", now=NOW)
    with on_file.read() as connection:
        about = select(NOTE.c.text).where(NOTE.c.subscriber_id.is_not(None))
        assert connection.execute(about).all() == []
        ledger.verify(connection, hasher=HASHER)


def test_the_note_of_a_suppression_of_one_person_goes_with_them_and_without_effect_there_is_none(
    on_file: Database,
) -> None:
    notes = select(NOTE.c.text).where(NOTE.c.text.like("%letter%"))
    with on_file.write() as connection:
        rights.suppress_all(connection, [JOHAN], hasher=HASHER, source="Johan's letter", now=NOW)
        assert connection.execute(notes).all() == []
        rights.suppress_all(connection, [JAN], hasher=HASHER, source="Jan's letter", now=NOW)
        assert connection.execute(notes).scalars().all() == ["Jan's letter"]
        rights.erase(connection, JAN, hasher=HASHER, source="by phone", now=NOW + timedelta(hours=1))
        assert connection.execute(notes).all() == []
        ledger.verify(connection, hasher=HASHER)


def test_an_erased_person_comes_back_by_a_later_consent_only(on_file: Database) -> None:
    erase(on_file)
    assert admit(on_file, "jan@example.com", NOW - timedelta(days=1)) is Decision.STILL_WITHDRAWN
    assert admit(on_file, "jan@example.com", NOW + timedelta(days=1)) is Decision.GRANTED
    with on_file.read() as connection:
        assert audience.count(connection, TOPIC) == 1
        assert [line.event.kind for line in ledger.history(connection, 1)] == ["granted", "erased"]
        ledger.verify(connection)


def test_a_withdrawal_counts_once_and_per_topic(on_file: Database) -> None:
    admit(on_file, "jan@example.com", NOW - timedelta(days=9), "digest")
    with on_file.write() as connection:
        arguments: dict[str, Any] = {"hasher": HASHER, "source": "by phone", "now": NOW}
        assert rights.withdraw(connection, JAN, TOPIC, **arguments)
        assert not rights.withdraw(connection, JAN, TOPIC, **arguments)
        assert audience.count(connection, TOPIC) == 0
        assert audience.count(connection, "digest") == 1


def test_a_consent_to_another_topic_leaves_the_names_as_they_are(on_file: Database) -> None:
    rectify(on_file, Correction(first_name="Johan"))
    assert admit(on_file, "jan@example.com", NOW - timedelta(days=20), "digest") is Decision.GRANTED
    with on_file.read() as connection:
        assert rights.find(connection, JAN, HASHER).names.first_name == "Johan"


def test_the_list_says_what_the_gate_would(on_file: Database) -> None:
    admit(on_file, "piet@example.com", NOW)
    with on_file.write() as connection:
        jan = rights.find(connection, JAN, HASHER)
        suppression.add(connection, jan.hashed, SuppressionReason.BOUNCED, NOW, NOW, channel=Channel.BOUNCE)
        everyone = list(rights.list_people(connection, TOPIC))
        assert [(each.person.email, each.state, each.mailable) for each in everyone] == [
            ("Jan@example.com", ConsentKind.GRANTED, False),
            ("piet@example.com", ConsentKind.GRANTED, True),
        ]
        assert list(rights.list_people(connection, TOPIC, ConsentKind.WITHDRAWN)) == []
        assert [each.state for each in rights.list_people(connection, "other")] == [None, None]


def test_a_suppression_keeps_its_later_date_and_is_lifted_under_every_key(database: Database) -> None:
    newest, oldest = HASHER.every(JAN.key)
    with database.write() as connection:
        for hashed, reason, days in (
            (oldest, SuppressionReason.BOUNCED, 2),
            (newest, SuppressionReason.COMPLAINED, 1),
            (newest, SuppressionReason.BOUNCED, 3),
        ):
            since = NOW - timedelta(days=days)
            suppression.add(connection, hashed, reason, since, NOW, channel=Channel.BOUNCE)
        found = suppression.find(connection, HASHER, [JAN.key, JOHAN.key])
        assert list(found) == [JAN.key]
        assert found[JAN.key].since == NOW - timedelta(days=1)
        assert found[JAN.key].reason is SuppressionReason.COMPLAINED
    assert admit(database, "jan@example.com", NOW) is Decision.GRANTED
    with database.read() as connection:
        assert connection.execute(select(SUPPRESSION)).all() == []
        assert people.find(connection, JAN) is not None


def test_an_objection_stays_the_reason_whatever_follows(database: Database) -> None:
    hashed = HASHER.newest(JAN.key)
    with database.write() as connection:
        for days, reason in enumerate((SuppressionReason.OBJECTED, SuppressionReason.ERASED)):
            at = NOW + timedelta(days=days)
            suppression.add(connection, hashed, reason, at, NOW, channel=Channel.COMMAND)
        found = suppression.find(connection, HASHER, [JAN.key])[JAN.key]
    assert (found.reason, found.since) == (SuppressionReason.OBJECTED, NOW + timedelta(days=1))


def test_an_objection_follows_its_person_to_a_new_address(on_file: Database) -> None:
    with on_file.write() as connection:
        person = rights.find(connection, JAN, HASHER)
        object_to_mail(connection, person, source="by phone", now=NOW, channel=Channel.COMMAND)
        moved = Correction(email=JOHAN)
        rights.rectify(connection, JAN, moved, hasher=HASHER, source="by phone", now=NOW)
    decision = admit(on_file, JOHAN.spelling, NOW - timedelta(days=1))
    assert decision is Decision.STILL_WITHDRAWN
    with on_file.read() as connection:
        ledger.verify(connection, hasher=HASHER)
        assert (
            suppression.find(connection, HASHER, [JOHAN.key])[JOHAN.key].reason is SuppressionReason.OBJECTED
        )
