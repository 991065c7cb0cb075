"""Write access to the database is not enough to have a person mailed who did not consent."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import text

from mailer.database import Database
from mailer.errors import MailerError, Refused
from subscribers import ledger
from subscribers.kinds import ConsentKind
from subscribers.ledger import BrokenEntry
from tests.support.campaign import dispatch_for, draft, settings_for, subscribe, unwatched, withdraw
from tests.support.relay import FaultyRelay
from tests.support.tampering import tamper

AGREED, LEFT = "person1@example.com", "person2@example.com"


@pytest.fixture
def office(database: Database) -> Database:
    """One who agreed and one who left, and a campaign; the triggers are off."""
    people = subscribe(database, 2)
    withdraw(database, people[1])
    draft(database)
    return database


async def mailed(database: Database) -> tuple[set[str], MailerError | None]:
    """Who gets the campaign's mail, and what stopped it."""
    async with FaultyRelay() as relay:
        dispatch = dispatch_for(database, settings_for(relay.port))
        error: MailerError | None = None
        try:
            dispatch.start("notes")
            error = (await dispatch.runs.run("notes", unwatched)).error
        except MailerError as raised:
            error = raised
        return {mail.recipient for mail in relay.accepted}, error


SWAP = [
    "UPDATE subscriber SET email = 'x', email_normalised = 'x' WHERE id = 1",
    f"UPDATE subscriber SET email = '{AGREED}', email_normalised = '{AGREED}' WHERE id = 2",
    f"UPDATE subscriber SET email = '{LEFT}', email_normalised = '{LEFT}' WHERE id = 1",
]
MOVE_NONCE = (
    "UPDATE subscriber SET nonce = (SELECT nonce FROM subscriber AS other WHERE other.id = 3 - subscriber.id)"
)


def state_of(database: Database) -> tuple[str, int, str | None]:
    with database.read() as connection:
        row = connection.execute(
            text(
                "SELECT campaign.state, (SELECT count(*) FROM delivery WHERE state = 'withheld'), paused_because "
                "FROM campaign"
            )
        ).one()
    return row[0], row[1], row[2]


@pytest.mark.parametrize("more", [[], [MOVE_NONCE]], ids=["addresses", "addresses and nonces"])
async def test_swapped_addresses_mail_nobody(office: Database, more: list[str]) -> None:
    tamper(office, *SWAP, *more)
    recipients, error = await mailed(office)
    assert recipients == set()
    assert isinstance(error, Refused)
    assert error.exit_code == 4
    assert "ledger" in f"{error}"
    state, withheld, because = state_of(office)
    assert (state, withheld) == ("paused", 1)
    assert "consent ledger" in (because or "")
    with office.read() as connection, pytest.raises(BrokenEntry, match="address of subscriber"):
        ledger.verify(connection)


async def test_an_untouched_ledger_mails_who_agreed(office: Database) -> None:
    assert await mailed(office) == ({AGREED}, None)


def forged(database: Database, entry_id: int, **changes: Any) -> str:
    """The statement that writes an entry anew with its own hash."""
    with database.read() as connection:
        entry = ledger.entry(connection, entry_id)
    assert entry is not None
    made = ledger.make_entry(entry_id, replace(entry.event, **changes), entry.recorded_at)
    columns = ", ".join(f"{name} = '{value}'" for name, value in changes.items())
    return f"UPDATE consent_event SET {columns}, hash = '{made.hash}' WHERE id = {entry_id}"


@pytest.mark.parametrize(
    "with_consent", [f"UPDATE consent SET state = 'granted', event_id = {n}" for n in (2, 3)]
)
async def test_a_withdrawal_that_is_written_anew_as_a_consent_mails_nobody(
    office: Database, with_consent: str
) -> None:
    with office.read() as connection:
        entry = ledger.entry(connection, 1)
    assert entry is not None
    assert entry.event.wording is not None
    forging = forged(office, 3, kind=ConsentKind.GRANTED, wording=entry.event.wording)
    tamper(office, forging, f"{with_consent} WHERE subscriber_id = 2")
    recipients, error = await mailed(office)
    assert recipients == set()
    assert isinstance(error, Refused)
