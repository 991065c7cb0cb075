"""Make what was erased or corrected unreadable on disk as well."""

from __future__ import annotations

from mailer.database import Database, erase_deleted
from subscribers import people
from subscribers.people import SUBSCRIBER, Person

_TABLES = (SUBSCRIBER.name, "consent", "suppression")


def erase_on_disk(database: Database, former: Person) -> list[str]:
    """Make the data of `former`, as they were on file, unreadable; returns what is left, where and why.

    Call it after the transaction that erased or corrected them. Backups, replicas and PostgreSQL's write-ahead log
    keep what they hold: docs/consent.md says for how long, and what to do.
    """
    with database.read() as connection:
        remains = [
            email
            for email in {former.email, former.email_normalised}
            if not people.is_part_of_another(connection, email)
        ]
    return erase_deleted(database, _TABLES, remains)
