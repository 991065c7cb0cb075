"""Make erased and corrected data unreadable on disk."""

from __future__ import annotations

from mailer.database import Database, erase_deleted
from subscribers import people
from subscribers.pending_requests import PENDING_REQUEST
from subscribers.people import SUBSCRIBER, Person

_TABLES = (SUBSCRIBER.name, "consent", "suppression", PENDING_REQUEST.name)


def erase_on_disk(database: Database, former: Person | tuple[str, str]) -> list[str]:
    """Make the data of `former` unreadable in the database's files; returns what remains, where and why.

    `former` is the person, or their address and its normalised spelling.

    Call it after the transaction that erased or corrected them. It does not change backups, replicas and
    PostgreSQL's write-ahead log; docs/consent.md says what to do about them.
    """
    emails = {former.email, former.email_normalised} if isinstance(former, Person) else set(former)
    with database.read() as connection:
        remains = [email for email in emails if not people.is_part_of_another(connection, email)]
    return erase_deleted(database, _TABLES, remains)
