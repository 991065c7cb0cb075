"""Archiving holds: what the law makes one keep, until a date, for nothing else, and the person is told."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import update

from cli import mailer
from mailer import operator_log
from mailer.database import Database
from mailer.errors import InvalidInput, NotFound
from mailer.retention import purge_expired
from subscribers import audience, former_people, ledger, people, rights, suppression
from subscribers.address import AddressHasher, normalise
from subscribers.kinds import Channel, ConsentKind, SuppressionReason
from subscribers.leaver import Leaver, LeaverKind
from subscribers.ledger import EVERY_TOPIC
from subscribers.own_data import Act, Notice, perform
from subscribers.rights import holds
from subscribers.rights.retention import FormerPeople, HeldErasures, PeopleWhoLeft
from subscribers.tables import HOLD
from tests.support.campaign import SECRET, TOPIC, agree, subscribe, withdraw
from tests.support.signed import write_key

DAY = timedelta(days=1)
HASHER = AddressHasher([SECRET.encode()])
JAN = normalise("person1@example.com")
GROUND = "claim 2026/117"


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def held(sqlite_database: Database, now: datetime) -> Database:
    """A database with two people who agreed; on the first there is a hold of ten days."""
    return hold_first(sqlite_database, now)


def hold_first(database: Database, now: datetime) -> Database:
    first, _ = subscribe(database, 2)
    with database.write() as connection:
        holds.add(connection, first, GROUND, now + 10 * DAY, now)
    return database


def erase(database: Database, now: datetime) -> list[holds.Hold]:
    with database.write() as connection:
        return rights.erase(connection, JAN, hasher=HASHER, source="by mail", now=now)


def purge(database: Database, now: datetime) -> dict[str, int]:
    kinds = [
        HeldErasures(HASHER, now),
        PeopleWhoLeft(now - 30 * DAY, now),
        FormerPeople(now - 1826 * DAY, now),
        holds.ended(now),
    ]
    return {kind: number for kind, number in purge_expired(database, kinds).items() if number}


def test_an_erasure_under_a_hold_ends_all_mail_and_keeps_the_data_until_its_end(
    database: Database, now: datetime
) -> None:
    held = hold_first(database, now)
    [told] = erase(held, now)
    assert told.ground == GROUND
    with held.read() as connection:
        person = people.find(connection, JAN)
        assert person is not None
        [status] = ledger.statuses(connection, [person.id]).values()
        assert status.state is ConsentKind.OBJECTED
        assert JAN.key in suppression.find(connection, HASHER, [JAN.key])
        assert audience.count(connection, TOPIC) == 1
    assert purge(held, now + 9 * DAY) == {}
    assert purge(held, now + 11 * DAY) == {"held_erasures": 1, "holds": 1}
    with held.read() as connection:
        assert people.find(connection, JAN) is None
        assert former_people.find(connection, JAN, HASHER) == []
        assert suppression.find(connection, HASHER, [JAN.key])[JAN.key].reason is SuppressionReason.ERASED
        ledger.verify(connection, hasher=HASHER)


def test_a_hold_makes_nobody_mailable(held: Database, now: datetime) -> None:
    with held.read() as connection:
        person = people.find(connection, JAN)
    assert person is not None
    withdraw(held, person.id)
    with held.read() as connection:
        assert audience.count(connection, TOPIC) == 1
    with held.write() as connection:
        holds.add(connection, person.id, "another", now + DAY, now)
        assert audience.count(connection, TOPIC) == 1


def test_the_longest_hold_counts_and_an_erasure_stays_asked_for(held: Database, now: datetime) -> None:
    [told] = erase(held, now)
    with held.write() as connection:
        holds.add(connection, told.subscriber_id, "tax law", now + 20 * DAY, now)
    assert purge(held, now + 11 * DAY) == {}
    assert purge(held, now + 21 * DAY) == {"held_erasures": 1, "holds": 2}


def test_an_ended_hold_stays_as_long_as_an_erasure_waits_for_it(held: Database, now: datetime) -> None:
    erase(held, now)
    assert purge_expired(held, [holds.ended(now + 11 * DAY)]) == {"holds": 0}
    assert purge(held, now + 11 * DAY) == {"held_erasures": 1, "holds": 1}


def test_who_agrees_again_after_a_held_erasure_is_not_erased(held: Database, now: datetime) -> None:
    [told] = erase(held, now)
    agree(held, told.subscriber_id)
    assert purge(held, now + 11 * DAY) == {"holds": 1}
    with held.read() as connection:
        assert people.find(connection, JAN) is not None


def test_a_replayed_erasure_waits_for_a_hold_in_the_backup_and_is_not_counted(
    held: Database, now: datetime
) -> None:
    erased = Leaver(*HASHER.newest(JAN.key), EVERY_TOPIC, LeaverKind.ERASED, now + DAY)
    with held.write() as connection:
        assert rights.replay(connection, [erased], hasher=HASHER, now=now + DAY).erased == 0
        assert people.find(connection, JAN) is not None
    assert purge(held, now + 11 * DAY) == {"held_erasures": 1, "holds": 1}


def test_a_replayed_erasure_of_who_left_waits_for_a_hold_in_the_backup(held: Database, now: datetime) -> None:
    with held.write() as connection:
        person = people.find(connection, JAN)
        assert person is not None
        connection.execute(update(HOLD).values(until=now))
    withdraw(held, person.id)
    assert purge(held, now + 31 * DAY) == {"people_who_left": 1, "holds": 1}
    erased = Leaver(*HASHER.newest(JAN.key), EVERY_TOPIC, LeaverKind.ERASED, now + 32 * DAY)
    with held.write() as connection:
        holds.add(connection, person.id, GROUND, now + 50 * DAY, now + 31 * DAY)
        rights.replay(connection, [erased], hasher=HASHER, now=now + 33 * DAY)
        assert former_people.find(connection, JAN, HASHER)
    assert purge(held, now + 51 * DAY) == {"proofs_after_leaving": 1, "holds": 1}


def test_the_proof_of_who_left_is_kept_under_a_hold_and_then_deleted(held: Database, now: datetime) -> None:
    with held.read() as connection:
        person = people.find(connection, JAN)
    assert person is not None
    with held.write() as connection:
        connection.execute(update(HOLD).values(until=now))
    withdraw(held, person.id)
    assert purge(held, now + 31 * DAY) == {"people_who_left": 1, "holds": 1}
    with held.write() as connection:
        holds.add(connection, person.id, GROUND, now + 50 * DAY, now + 31 * DAY)
    assert [one.ground for one in erase(held, now + 32 * DAY)] == [GROUND]
    assert purge(held, now + 49 * DAY) == {}
    with held.read() as connection:
        rights.prove(connection, JAN, TOPIC, HASHER)
    assert purge(held, now + 51 * DAY) == {"proofs_after_leaving": 1, "holds": 1}
    with held.read() as connection, pytest.raises(NotFound):
        rights.prove(connection, JAN, TOPIC, HASHER)


def test_the_person_is_told_on_the_page(sqlite_database: Database, now: datetime) -> None:
    [number] = subscribe(sqlite_database, 1)
    with sqlite_database.write() as connection:
        holds.add(connection, number, GROUND, now + DAY, now)
        person = people.get(connection, number)
        assert person is not None
        done = perform(connection, Act.ERASE, person, {"sure": "yes"}, hasher=HASHER, locale="en", now=now)
        record = rights.look_up(connection, JAN, HASHER)
    assert done.notice is Notice.HELD
    [told] = rights.export_values(record)["holds"]
    assert (told["ground"], told["until"], told["erasure_requested_at"]) == (GROUND, now + DAY, now)
    assert record.history[-1].event.channel is Channel.PAGE


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sqlite_database: Database) -> Database:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAILER_SECRET_KEYS", SECRET)
    write_key(tmp_path)
    subscribe(sqlite_database, 2)
    return sqlite_database


def run(*arguments: str) -> Result:
    return CliRunner().invoke(mailer, list(arguments))


def add(*options: str) -> Result:
    return run("privacy", "hold", "add", JAN.spelling, "--ground", GROUND, "--until", "2126-06-01", *options)


def test_the_commands_add_list_show_erase_and_release(folder: Database) -> None:
    assert json.loads(add("--json").stdout)["until"] == "2126-05-31T22:00:00+00:00"
    [listed] = json.loads(run("privacy", "hold", "list", "--json").stdout)["holds"]
    assert (listed["email"], listed["ground"]) == (JAN.spelling, GROUND)
    assert f"for nothing else: {GROUND}" in run("subscribers", "show", JAN.spelling).stdout
    refused = json.loads(run("subscribers", "erase", JAN.spelling, "--yes", "--json").stdout)
    assert (refused["erased"], refused["holds"][0]["ground"]) == (False, GROUND)
    assert "until 2126-06-01" in run("subscribers", "erase", JAN.spelling, "--yes").stdout
    released = json.loads(run("privacy", "hold", "release", str(listed["id"]), "--json").stdout)
    assert released["erasure_waits"]
    run("privacy", "purge")
    with folder.read() as connection:
        assert people.find(connection, JAN) is None
        commands = [act.command for act in operator_log.read(connection)]
    assert commands[:2] == ["privacy hold add", "privacy hold list"]
    assert commands[-2:] == ["privacy hold release", "privacy purge"]
    assert isinstance(run("privacy", "hold", "release", str(listed["id"])).exception, NotFound)


@pytest.mark.parametrize(
    ("option", "value", "problem"),
    [
        ("--until", "2020-01-01", "lies in the past"),
        ("--until", "tomorrow", "not a time"),
        ("--until", "9999-12-31", "lies after the year 9998"),
        ("--until", "", "it is empty; write 2026-05-01"),
        ("--ground", "asked by jan@example.com", "holds an email address"),
        ("--ground", " ", "one line"),
    ],
)
def test_a_hold_without_an_end_or_a_ground_is_refused(
    folder: Database, option: str, value: str, problem: str
) -> None:
    result = add(option, value)
    assert isinstance(result.exception, InvalidInput)
    assert problem in str(result.exception)
    with folder.read() as connection:
        assert holds.every(connection) == []
