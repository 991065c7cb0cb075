"""Any alteration of what is evidence is named by `verify`, and has nobody mailed who did not agree."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from mailer.database import Database
from mailer.errors import MailerError
from subscribers import ledger, rights, suppression
from subscribers.address import AddressHasher, normalise
from subscribers.kinds import Channel, SuppressionReason
from subscribers.ledger import BrokenEntry, HeadFile
from subscribers.rights import Correction
from tests.support.campaign import (
    SECRET,
    agree,
    dispatch_for,
    draft,
    settings_for,
    subscribe,
    unwatched,
    withdraw,
)
from tests.support.relay import FaultyRelay
from tests.support.signed import signed
from tests.support.tampering import with_all_rights

EXAMPLES = int(os.environ.get("MAILER_TESTS_TAMPERINGS", "30"))
HASHER = AddressHasher([SECRET.encode()])
CROWD = 256  # entries, so that the tree has a full tile

# All that is evidence: who, what, when, to which words, and that nobody has touched it. Names and the times at which
# rows were made are none. A note may be erased, so its row may be gone.
EVIDENCE = {
    "consent_event": (
        *("id", "subscriber_id", "subject", "previous", "topic", "kind", "occurred_at", "recorded_at"),
        *("channel", "note", "wording", "hash"),
    ),
    "consent": ("subscriber_id", "topic", "state", "since", "event_id"),
    "subscriber": ("id", "email", "email_normalised", "address_hash", "key_id", "nonce"),
    "wording": ("commitment", "sha256", "text", "language", "version", "topic"),
    "consent_note": ("commitment", "salt", "text"),
    "suppression": ("address_hash", "salt", "since", "entry_id"),
    "ledger_tile": ("level", "number", "hashes"),
    "ledger_checkpoint": ("size", "root", "frontier", "signed"),
}
KEYS = {
    "consent_event": ("id",),
    "consent": ("subscriber_id", "topic"),
    "subscriber": ("id",),
    "wording": ("commitment",),
    "consent_note": ("commitment",),
    "suppression": ("address_hash",),
    "ledger_tile": ("level", "number"),
    "ledger_checkpoint": ("id",),
}
KEPT = {"consent_note", "ledger_checkpoint"}  # rows that are not deleted
STATES = ("granted", "withdrawn", "objected", "requested", "erased", "rectified", "suppressed", "lifted")
PERSON = ("email", "email_normalised", "address_hash", "key_id", "nonce")
MAY_BE_MAILED = {"person1@example.com", "person3@example.com", "new@example.com"}

Rows = dict[str, list[tuple[Any, ...]]]


@dataclass(repr=False)
class Office:
    """A database file to copy, its head file, and its evidence."""

    path: Path
    head: Path
    before: Rows


_numbers = count()


def prepare(database: Database) -> None:
    """Of those on the topic 1, 3 and 4 agree, 2 left, 4 has a new address, 5 agreed to another topic only.

    One more agrees, and their address bounces. One address was suppressed twice, one no longer is.
    """
    people = subscribe(database, 4)
    subscribe(database, 1, topic="other", domain="example.net")
    subscribe(database, CROWD, topic="crowd", domain="example.org")
    withdraw(database, people[1])
    agree(database, people[2], topic="other")
    with database.write() as connection:
        correction = Correction(email=normalise("new@example.com"))
        rights.rectify(
            connection,
            normalise("person4@example.com"),
            correction,
            hasher=HASHER,
            source="by phone",
            now=datetime.now(UTC),
        )
    subscribe(database, 1, domain="gone.example")
    for address in ("person1@gone.example", "nobody@example.com", "lifted@example.com", "nobody@example.com"):
        suppress_address(database, address)
    with database.write() as connection:
        lifted = normalise("lifted@example.com")
        rights.lift(connection, lifted, hasher=HASHER, source="by phone", now=datetime.now(UTC))
    draft(database)


def suppress_address(database: Database, address: str) -> None:
    now = datetime.now(UTC)
    hashed, bounced = HASHER.newest(normalise(address).key), SuppressionReason.BOUNCED
    with database.write() as connection:
        suppression.add(connection, hashed, bounced, now, now, channel=Channel.BOUNCE)


def rows(database: Database) -> Rows:
    """All evidence as it is stored; spellings of one address count as one."""
    found: Rows = {}
    with database.engine.connect() as connection:
        for table, fields in EVIDENCE.items():
            names = dict.fromkeys((*KEYS[table], *fields))
            columns = ", ".join(f"lower({name})" if name == "email" else name for name in names)
            order = ", ".join(KEYS[table])
            statement = text(f"SELECT {columns} FROM {table} ORDER BY {order}")
            found[table] = [tuple(row) for row in connection.execute(statement)]
    return found


def tamper(database: Database, rng: random.Random) -> list[str]:
    """Alter, swap or delete one to three values or rows, as somebody with all rights on the database does."""
    told = []
    with with_all_rights(database) as connection:
        for _ in range(rng.randint(1, 3)):
            table = rng.choice(list(EVIDENCE))
            act = rng.choice((_alter, _alter, _alter, _swap, _delete))
            with suppress(DBAPIError), connection.begin_nested():
                told.append(act(connection, table, rng))
    return told


def _row(connection: Any, table: str, rng: random.Random) -> tuple[str, dict[str, Any]]:
    found = connection.execute(text(f"SELECT {', '.join(KEYS[table])} FROM {table}")).all()
    interesting = found[:6] + found[-4:] if table == "consent_event" else found
    key = rng.choice(interesting or [tuple(0 for _ in KEYS[table])])
    where = " AND ".join(f"{name} = :{name}_" for name in KEYS[table])
    return where, {f"{name}_": value for name, value in zip(KEYS[table], key, strict=True)}


def _value(connection: Any, table: str, field: str, rng: random.Random) -> Any:
    """Another row's value, or one that fits the column, or any."""
    values = list(connection.execute(text(f"SELECT {field} FROM {table}")).scalars())
    some = next((one for one in values if one is not None), "")
    made = {
        bytes: lambda: rng.randbytes(16),
        int: lambda: rng.choice((0, 1, 2, 3, 9, 400)),
        str: lambda: rng.choice(("x", "release-notes", "other", "page", "api", rng.randbytes(32).hex())),
    }.get(type(some), lambda: datetime(2020, 1, 1, tzinfo=UTC))
    if field in {"state", "kind"}:
        return rng.choice(STATES)
    if isinstance(some, bytes) and rng.random() < 0.3:
        place = rng.randrange(len(some) or 1)
        return some[:place] + bytes([rng.randrange(256)]) + some[place + 1 :]
    return rng.choice(values) if values and rng.random() < 0.6 else made()


def _alter(connection: Any, table: str, rng: random.Random) -> str:
    field = rng.choice(EVIDENCE[table])
    where, key = _row(connection, table, rng)
    value = _value(connection, table, field, rng)
    connection.execute(text(f"UPDATE {table} SET {field} = :value WHERE {where}"), key | {"value": value})
    return f"{table}.{field} = {value!r} where {key}"


def _swap(connection: Any, _table: str, rng: random.Random) -> str:
    """Put two people in each other's place, with or without their nonces and hashes."""
    fields = rng.choice((PERSON, PERSON[:-1], ("email", "email_normalised"), ("email",), ("nonce",)))
    one, other = rng.sample(range(1, 6), 2)
    found = connection.execute(
        text(f"SELECT {', '.join(fields)} FROM subscriber WHERE id IN (:a, :b) ORDER BY id = :a DESC"),
        {"a": one, "b": other},
    ).all()
    sets = ", ".join(f"{field} = :{field}" for field in fields)
    free = "UPDATE subscriber SET email_normalised = email_normalised || 'x' WHERE id IN (:a, :b)"
    if "email_normalised" in fields:
        connection.execute(text(free), {"a": one, "b": other})
    for number, row in zip((other, one), found, strict=True):
        values = dict(zip(fields, row, strict=True)) | {"number": number}
        connection.execute(text(f"UPDATE subscriber SET {sets} WHERE id = :number"), values)
    return f"swap {fields} of {one} and {other}"


def _delete(connection: Any, table: str, rng: random.Random) -> str:
    if table in KEPT:
        return "nothing"
    where, key = _row(connection, table, rng)
    connection.execute(text(f"DELETE FROM {table} WHERE {where}"), key)
    return f"delete of {table} where {key}"


async def mailed(database: Database) -> set[str]:
    async with FaultyRelay() as relay:
        dispatch = dispatch_for(database, settings_for(relay.port))
        with suppress(MailerError):
            dispatch.start("notes")
            await dispatch.runs.run("notes", unwatched)
        return {mail.recipient for mail in relay.accepted}


def named(database: Database, head: Path) -> str | None:
    """What `mailer consent verify` says is wrong."""
    try:
        with database.read() as connection:
            HeadFile(database, head).check(connection)
            ledger.verify(connection, hasher=HASHER)
    except BrokenEntry as error:
        return error.problem
    return None


def check(database: Database, before: Rows, head: Path, rng: random.Random) -> None:
    told = tamper(database, rng)
    changed = rows(database) != before
    problem = named(database, head)
    assert (problem is not None) == changed, told
    assert asyncio.run(mailed(database)) <= MAY_BE_MAILED, told


@pytest.fixture(scope="module")
def office(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Office:
    folder = tmp_path_factory.mktemp("office")
    path = folder / "mailer.db"
    shutil.copyfile(sqlite_template, path)
    database = signed(Database(f"sqlite:///{path}"))
    prepare(database)
    HeadFile(database, folder / "mailer.head").note(at_once=True)
    before = rows(database)
    database.copy_file(folder / "whole.db")
    database.close()
    return Office(folder / "whole.db", folder / "mailer.head", before)


@contextmanager
def copied(path: Path) -> Iterator[Database]:
    copy = path.with_name(f"copy-{next(_numbers)}.db")
    shutil.copyfile(path, copy)
    database = signed(Database(f"sqlite:///{copy}"))
    yield database
    database.close()
    for file in path.parent.glob(f"{copy.name}*"):
        file.unlink()


def test_the_untouched_office_is_intact_and_mails_who_agreed(office: Office) -> None:
    with copied(office.path) as database:
        assert rows(database) == office.before
        assert named(database, office.head) is None
        assert asyncio.run(mailed(database)) == MAY_BE_MAILED


@given(seed=st.integers(0, 2**32))
@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
def test_each_alteration_is_named_and_mails_nobody_who_did_not_agree(office: Office, seed: int) -> None:
    with copied(office.path) as database:
        check(database, office.before, office.head, random.Random(seed))


@pytest.mark.parametrize("seed", range(max(3, EXAMPLES // 60)))
def test_each_alteration_is_named_on_postgresql_too(
    postgresql_database: Database, tmp_path: Path, seed: int
) -> None:
    prepare(postgresql_database)
    HeadFile(postgresql_database, tmp_path / "mailer.head").note(at_once=True)
    check(postgresql_database, rows(postgresql_database), tmp_path / "mailer.head", random.Random(seed))
