"""People whose four fields are gone since they left: what proves their past consents to anyone who names the address.

GDPR art. 17(3)(e): for the defence of legal claims. The nonce opens the ledger's commitments only together with the
address, which is not stored; the keyed hash finds the nonce when the address is named.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from mailer.database import AnyOf
from subscribers.address import AddressHasher, EmailAddress, HashedAddress
from subscribers.people import Names, Person
from subscribers.tables import FORMER


def find(connection: Connection, address: EmailAddress, hasher: AddressHasher) -> list[Person]:
    """Those who had this address, the last first, without names. `created_at` is when they left."""
    hashes = [hashed.hash for hashed in hasher.every(address.key)]
    rows = connection.execute(
        select(FORMER).where(AnyOf(FORMER.c.address_hash, hashes)).order_by(FORMER.c.subscriber_id.desc())
    )
    return [
        Person(
            id=row.subscriber_id,
            names=Names(),
            email=address.spelling,
            email_normalised=address.key,
            hashed=HashedAddress(row.address_hash, row.key_id),
            nonce=row.nonce,
            created_at=row.left_at,
        )
        for row in rows
    ]


def ids_by_hash(connection: Connection, address_hash: str) -> list[int]:
    """The ids of those whose address has this keyed hash."""
    found = select(FORMER.c.subscriber_id).where(FORMER.c.address_hash == address_hash)
    return list(connection.execute(found).scalars())


def add(connection: Connection, people: Sequence[tuple[Person, datetime]]) -> None:
    """Keep the nonces of people, each with when they left."""
    rows = [
        {
            "subscriber_id": person.id,
            "address_hash": person.hashed.hash,
            "key_id": person.hashed.key_id,
            "nonce": person.nonce,
            "left_at": left_at,
        }
        for person, left_at in people
    ]
    if rows:
        connection.execute(insert(FORMER), rows)


def remove(connection: Connection, ids: Collection[int]) -> None:
    """Delete the nonces: their entries in the ledger then lead to nobody."""
    connection.execute(delete(FORMER).where(AnyOf(FORMER.c.subscriber_id, ids)))
