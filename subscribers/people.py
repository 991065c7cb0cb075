"""The people on file: their four fields, how they are found, added, changed and taken out."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, select, update
from sqlmodel import SQLModel

from mailer.errors import InvalidInput
from subscribers.address import EmailAddress, HashedAddress

SUBSCRIBER = SQLModel.metadata.tables["subscriber"]

LONGEST_NAME = 200

_NOT_UTF8 = re.compile(r"[\ud800-\udfff]")
# Controls, line and paragraph separators, and the marks that turn the direction of what follows.
_UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff]")


@dataclass(frozen=True, slots=True)
class Names:
    """What a person is called; each may be empty."""

    salutation: str = ""
    first_name: str = ""
    surname: str = ""

    def changed(self, other: Names) -> list[str]:
        """Which of the three differ, by field name."""
        return [each.name for each in fields(self) if getattr(self, each.name) != getattr(other, each.name)]


@dataclass(frozen=True, slots=True)
class Person:
    """A person on file. `hashed` is the address as a suppression would know it."""

    id: int
    names: Names
    email: str
    address_key: str
    hashed: HashedAddress
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A person about to be put on file."""

    names: Names
    address: EmailAddress
    hashed: HashedAddress


def name(raw: str) -> str:
    """A salutation, first name or surname: one line of NFC text without spaces around it.

    Raises InvalidInput, with a reason that does not repeat the name.
    """
    trimmed = raw.strip(" \u00a0")
    if len(trimmed) > LONGEST_NAME:
        raise InvalidInput(f"it is longer than {LONGEST_NAME} characters")
    if trimmed.isascii() and trimmed.isprintable():
        return trimmed
    if _NOT_UTF8.search(trimmed):
        raise InvalidInput("it is not UTF-8 text")
    if _UNFIT.search(trimmed):
        raise InvalidInput("it contains a line break or another control character")
    return unicodedata.normalize("NFC", trimmed)


def find(connection: Connection, address: EmailAddress) -> Person | None:
    """The person with this address, in whatever spelling."""
    return find_all(connection, [address.key]).get(address.key)


def find_all(connection: Connection, address_keys: Collection[str]) -> dict[str, Person]:
    """The people with these addresses, by address key."""
    rows = connection.execute(select(SUBSCRIBER).where(SUBSCRIBER.c.address_key.in_(address_keys)))
    return {person.address_key: person for person in map(_person, rows)}


def add(connection: Connection, newcomers: Sequence[Newcomer], now: datetime) -> dict[str, int]:
    """Put people on file; returns their numbers by address key."""
    rows = [
        asdict(newcomer.names)
        | {
            "email": newcomer.address.spelling,
            "address_key": newcomer.address.key,
            "address_hash": newcomer.hashed.hash,
            "key_id": newcomer.hashed.key_id,
            "created_at": now,
        }
        for newcomer in newcomers
    ]
    if not rows:
        return {}
    statement = SUBSCRIBER.insert().returning(SUBSCRIBER.c.address_key, SUBSCRIBER.c.id)
    return dict(connection.execute(statement, rows).tuples().all())


def rename(connection: Connection, names: Mapping[int, Names]) -> None:
    """Change what people are called, by number."""
    if names:
        statement = update(SUBSCRIBER).where(SUBSCRIBER.c.id == bindparam("person"))
        rows = [{"person": person} | asdict(wanted) for person, wanted in names.items()]
        connection.execute(statement.values({f.name: bindparam(f.name) for f in fields(Names)}), rows)


def readdress(connection: Connection, person: int, address: EmailAddress, hashed: HashedAddress) -> None:
    """Change a person's address."""
    statement = update(SUBSCRIBER).where(SUBSCRIBER.c.id == person)
    connection.execute(
        statement.values(
            email=address.spelling,
            address_key=address.key,
            address_hash=hashed.hash,
            key_id=hashed.key_id,
        )
    )


def remove(connection: Connection, person: int) -> None:
    """Take a person off file; the consents go with them."""
    connection.execute(delete(SUBSCRIBER).where(SUBSCRIBER.c.id == person))


def _person(row: Row[Any]) -> Person:
    return Person(
        id=row.id,
        names=Names(row.salutation, row.first_name, row.surname),
        email=row.email,
        address_key=row.address_key,
        hashed=HashedAddress(row.address_hash, row.key_id),
        created_at=row.created_at,
    )
