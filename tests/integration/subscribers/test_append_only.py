"""Rows of the ledger and of its wordings can only be added, by any connection."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from mailer.database import Database
from mailer.errors import MailerError
from tests.support.campaign import subscribe

ATTEMPTS = [
    "UPDATE consent_event SET channel = 'api'",
    "DELETE FROM consent_event",
    "UPDATE wording SET text = 'invented'",
    "DELETE FROM wording WHERE commitment NOT IN (SELECT wording FROM consent_event WHERE id < 0)",
]
REPLACEMENTS = [
    (
        "INSERT OR REPLACE INTO consent_event SELECT id, subscriber_id, subject, previous, topic, kind, "
        "occurred_at, recorded_at, 'api', note, wording, hash FROM consent_event WHERE id = 1"
    ),
    (
        "INSERT OR REPLACE INTO wording SELECT commitment, sha256, 'invented', language, version, topic, "
        "first_used_at FROM wording"
    ),
]


@pytest.mark.parametrize("statement", ATTEMPTS)
def test_changing_the_ledger_is_refused(database: Database, statement: str) -> None:
    subscribe(database, 2)
    with pytest.raises(MailerError), database.write() as connection:
        connection.execute(text(statement))


@pytest.mark.parametrize("statement", REPLACEMENTS)
def test_replacing_a_line_is_refused(sqlite_database: Database, statement: str) -> None:
    subscribe(sqlite_database, 2)
    with pytest.raises(MailerError), sqlite_database.write() as connection:
        connection.execute(text(statement))
