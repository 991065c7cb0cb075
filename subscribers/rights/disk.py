"""Make erased and corrected data unreadable on disk."""

from __future__ import annotations

from mailer.database import Database, erase_deleted
from subscribers import people
from subscribers.pending_requests import PENDING_REQUEST
from subscribers.people import Person
from subscribers.tables import FORMER, NOTE, SUBSCRIBER

_TABLES = (SUBSCRIBER.name, FORMER.name, NOTE.name, "consent", "suppression", PENDING_REQUEST.name)


def erase_on_disk(database: Database, *former: Person | tuple[str, str]) -> list[str]:
    """Make the data of `former` unreadable in the database's files; returns what remains, where and why.

    Each of `former` is a person, or their address and its normalised spelling. None need be named of somebody who left
    before, of whom there was no address.

    Call it after the transaction that erased or corrected them. It does not change backups, replicas and
    PostgreSQL's write-ahead log; docs/consent.md says what to do about them.
    """
    emails: set[str] = set()
    for one in former:
        emails |= {one.email, one.email_normalised} if isinstance(one, Person) else set(one)

    def is_stored(email: str) -> bool:
        with database.read() as connection:
            return people.is_part_of_another(connection, email)

    return erase_deleted(database, _TABLES, emails, is_stored)
