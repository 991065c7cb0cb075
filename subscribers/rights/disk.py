"""Make what was erased or corrected unreadable on disk as well."""

from __future__ import annotations

from mailer.database import Database, erase_deleted
from subscribers import people
from subscribers.people import SUBSCRIBER, Person

_TABLES = (SUBSCRIBER.name, "consent", "suppression")


def erase_on_disk(database: Database, former: Person | tuple[str, str]) -> list[str]:
    """Make the data of `former`, as they were on file, unreadable; returns what is left, where and why.

    `former` is the person, or their address and its normalised spelling.

    Call it after the transaction that erased or corrected them. Backups, replicas and PostgreSQL's write-ahead log
    keep what they hold: docs/consent.md says for how long, and what to do.
    """
    emails = {former.email, former.email_normalised} if isinstance(former, Person) else set(former)
    with database.read() as connection:
        remains = [email for email in emails if not people.is_part_of_another(connection, email)]
    return erase_deleted(database, _TABLES, remains)
