"""Look whether a service mail is due, and delete what is over."""

from __future__ import annotations

from datetime import datetime

from mailer.database import Database
from subscribers.service_mails import outbox


def look(database: Database, now: datetime) -> bool:
    """Whether a mail is due. Expired mails and requests that are over are deleted."""
    with database.read() as connection:
        is_over, is_due = outbox.is_any_over(connection, now), outbox.is_any_due(connection, now)
    if is_over:
        with database.write() as connection:
            outbox.purge(connection, now)
    return is_due
