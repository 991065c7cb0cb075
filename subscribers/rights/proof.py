"""Prove the consent of somebody who is on file, or who left since."""

from __future__ import annotations

from contextlib import suppress

from sqlalchemy import Connection

from mailer.errors import NotFound
from subscribers import former_people, ledger, people
from subscribers.address import AddressHasher, EmailAddress
from subscribers.ledger import Proof
from subscribers.people import Person
from subscribers.rights.access import find


def prove(
    connection: Connection, address: EmailAddress, topic: str, hasher: AddressHasher
) -> tuple[Person, Proof]:
    """Who last consented on `topic` with this address, and the proof of it.

    Of somebody who left, the address is the one that is given: only the keyed hash of it is stored. Raises NotFound
    where nobody did, BrokenLink where the entry was tampered with.
    """
    person = people.find(connection, address)
    candidates = [*([person] if person else []), *former_people.find(connection, address, hasher)]
    for one in candidates[:-1]:
        with suppress(NotFound):
            return one, ledger.prove(connection, one.id, topic)
    last = candidates[-1] if candidates else find(connection, address, hasher)
    return last, ledger.prove(connection, last.id, topic)
