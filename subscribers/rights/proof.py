"""Prove the consent of somebody who is on file, or who left since."""

from __future__ import annotations

from contextlib import suppress

from sqlalchemy import Connection

from mailer.errors import NotFound
from subscribers import former_people, ledger, people
from subscribers.address import AddressHasher, EmailAddress
from subscribers.commitments import commit_to_subject
from subscribers.ledger import BrokenEntry, Proof
from subscribers.ledger.safety import check_before_freezing
from subscribers.people import Person
from subscribers.rights.access import find


def prove(
    connection: Connection, address: EmailAddress, topic: str, hasher: AddressHasher
) -> tuple[Person, Proof]:
    """Who last consented on `topic` with this address, and the proof of it.

    All entries are hashed anew and compared with the signature, as before a campaign: an entry that fits its own hash
    may still have been put in, and a withdrawal after it taken out. Of somebody who left, the address is the one that is
    given: only the keyed hash of it is stored. Raises NotFound where nobody did, BrokenEntry where the ledger was tampered
    with, or commits to another address.
    """
    check_before_freezing(connection)
    person = people.find(connection, address)
    candidates = [*([person] if person else []), *former_people.find(connection, address, hasher)]
    for one in candidates[:-1]:
        with suppress(NotFound):
            return one, _prove(connection, one, topic)
    last = candidates[-1] if candidates else find(connection, address, hasher)
    return last, _prove(connection, last, topic)


def _prove(connection: Connection, person: Person, topic: str) -> Proof:
    proof = ledger.prove(connection, person.id, topic)
    subject = proof.grant.event.subject
    for entry in ledger.history(connection, person.id):
        if entry.id > proof.grant.id:
            if subject not in {entry.event.subject, entry.event.previous}:
                raise BrokenEntry(entry.id, "it commits to another person than the one before")
            subject = entry.event.subject
    if commit_to_subject(person.nonce, person.email_normalised) != subject:
        raise BrokenEntry(
            proof.grant.id, f"the address of subscriber {person.id} is not the one it commits to"
        )
    return proof
