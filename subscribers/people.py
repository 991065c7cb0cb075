"""The people on file: find, add, change and remove them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Connection, Row, bindparam, delete, func, select, update

from mailer.database import AnyOf, Prepared, bulk, reserve_ids
from mailer.errors import InvalidInput
from mailer.lone_surrogates import has_lone_surrogate
from subscribers.address import EmailAddress, HashedAddress
from subscribers.commitments import commit_to_subject, fresh_nonces
from subscribers.tables import SUBSCRIBER

LONGEST_NAME = 200

# Controls, line and paragraph separators, and the marks that change the direction of text.
_UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff]")


class Names(NamedTuple):
    """The names of a person. Each may be empty."""

    salutation: str = ""
    first_name: str = ""
    surname: str = ""

    def changed(self, other: Names) -> list[str]:
        """The names of the fields that differ."""
        return [field for field, own, its in zip(self._fields, self, other, strict=True) if own != its]


@dataclass(frozen=True, slots=True)
class Person:
    """A person on file. `hashed` is the keyed hash of the address. `nonce` opens the commitments to the
    person.
    """

    id: int
    names: Names
    email: str
    email_normalised: str
    hashed: HashedAddress
    nonce: bytes
    created_at: datetime

    @property
    def address(self) -> EmailAddress:
        """The address, with its normalised spelling."""
        return EmailAddress(self.email, self.email_normalised)


class OnFile(NamedTuple):
    """A person who was just added: their id, and the ledger's commitment to them."""

    id: int
    subject: str


class NewPerson(Protocol):
    """A person to add."""

    @property
    def names(self) -> Names: ...
    @property
    def address(self) -> EmailAddress: ...
    @property
    def hashed(self) -> HashedAddress: ...


def parse_name(raw: str) -> str:
    """A salutation, first name or surname: one line of NFC text without spaces around it.

    Raises InvalidInput, with a reason that does not repeat the name.
    """
    trimmed = raw.strip(" \u00a0")
    if len(trimmed) > LONGEST_NAME:
        raise InvalidInput(f"it is longer than {LONGEST_NAME} characters")
    if trimmed.isprintable() and unicodedata.is_normalized("NFC", trimmed):
        return trimmed  # as nearly every name is
    if has_lone_surrogate(trimmed):
        raise InvalidInput("it is not UTF-8 text")
    if _UNFIT.search(trimmed):
        raise InvalidInput("it contains a line break or another control character")
    composed = unicodedata.normalize("NFC", trimmed)
    if len(composed) > LONGEST_NAME:  # some letters, such as Devanagari qa, become two
        raise InvalidInput(f"it is longer than {LONGEST_NAME} characters")
    return composed


def find(connection: Connection, address: EmailAddress) -> Person | None:
    """The person with this address, in any spelling."""
    return find_all(connection, [address.key]).get(address.key)


def find_all(connection: Connection, address_keys: Collection[str]) -> dict[str, Person]:
    """The people with these addresses, by address key."""
    people = map(_person, _FIND.rows(connection, {"keys": list(address_keys)}))
    return {person.email_normalised: person for person in people}


_FIND = Prepared(select(SUBSCRIBER).where(AnyOf(SUBSCRIBER.c.email_normalised, "keys")))


def find_by_hashes(connection: Connection, address_hashes: Collection[str]) -> dict[str, Person]:
    """The people whose addresses have these keyed hashes, by hash. It reads all people, because there is no
    index.
    """
    rows = connection.execute(select(SUBSCRIBER).where(AnyOf(SUBSCRIBER.c.address_hash, address_hashes)))
    return {row.address_hash: person_from_row(row) for row in rows}


def get(connection: Connection, number: int) -> Person | None:
    """The person with this number."""
    row = connection.execute(select(SUBSCRIBER).where(SUBSCRIBER.c.id == number)).first()
    return person_from_row(row) if row else None


def add(connection: Connection, new_people: Sequence[NewPerson], now: datetime) -> dict[str, OnFile]:
    """Add people; returns them by address key. Needs the ledger's lock."""
    nonces = fresh_nonces(len(new_people))
    numbers = reserve_ids(connection, SUBSCRIBER, len(new_people))
    rows = [
        (number, *each.names, *each.address, *each.hashed, nonce, now)
        for number, nonce, each in zip(numbers, nonces, new_people, strict=True)
    ]
    bulk.insert(connection, SUBSCRIBER, _COLUMNS, rows)
    return {
        each.address.key: OnFile(number, commit_to_subject(nonce, each.address.key))
        for number, nonce, each in zip(numbers, nonces, new_people, strict=True)
    }


_COLUMNS = (
    "id",
    *Names._fields,
    "email",
    "email_normalised",
    "address_hash",
    "key_id",
    "nonce",
    "created_at",
)


def change_names(connection: Connection, names: Mapping[int, Names]) -> None:
    """Change the names of people, by id."""
    if names:
        statement = update(SUBSCRIBER).where(SUBSCRIBER.c.id == bindparam("number"))
        rows = [{"number": number} | wanted._asdict() for number, wanted in names.items()]
        connection.execute(statement.values({field: bindparam(field) for field in Names._fields}), rows)


def change_address(
    connection: Connection, number: int, address: EmailAddress, hashed: HashedAddress, nonce: bytes
) -> None:
    """Change a person's address. A new address has a new nonce."""
    statement = update(SUBSCRIBER).where(SUBSCRIBER.c.id == number)
    connection.execute(
        statement.values(
            email=address.spelling,
            email_normalised=address.key,
            address_hash=hashed.hash,
            key_id=hashed.key_id,
            nonce=nonce,
        )
    )


def is_part_of_another(connection: Connection, email: str) -> bool:
    """Whether another address on file contains this one, as arjan@example.com contains jan@example.com."""
    contains = func.lower(SUBSCRIBER.c.email).contains(email.lower(), autoescape=True)
    return connection.execute(select(SUBSCRIBER.c.id).where(contains).limit(1)).first() is not None


def remove(connection: Connection, *numbers: int) -> None:
    """Delete people and their consents."""
    connection.execute(delete(SUBSCRIBER).where(AnyOf(SUBSCRIBER.c.id, numbers)))


def _person(values: Sequence[Any]) -> Person:
    """The person with these values, in the order of the table's columns."""
    number, salutation, first_name, surname, email, normalised, address_hash, key_id, nonce, created_at = (
        values
    )
    names, hashed = Names(salutation, first_name, surname), HashedAddress(address_hash, key_id)
    return Person(number, names, email, normalised, hashed, nonce, created_at)


def person_from_row(row: Row[Any]) -> Person:
    """The person in a row of the subscriber table or of a join with it."""
    return Person(
        id=row.id,
        names=Names(row.salutation, row.first_name, row.surname),
        email=row.email,
        email_normalised=row.email_normalised,
        hashed=HashedAddress(row.address_hash, row.key_id),
        nonce=row.nonce,
        created_at=row.created_at,
    )
