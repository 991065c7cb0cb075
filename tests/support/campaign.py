"""Subscribers, a campaign for them, and a relay in a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, insert

from campaigns import catalogue, reports
from campaigns.campaign import Campaign
from campaigns.reports import CampaignStatus
from campaigns.sending import Dispatch, Sender, Tally
from mailer.config import Settings
from mailer.database import Database
from mailer.database.columns import table
from subscribers import ledger
from subscribers.address import AddressHasher, normalise
from subscribers.kinds import Channel, ConsentKind
from subscribers.ledger import NewEvent
from subscribers.models import Subscriber
from templates.notes import ReleaseNotes
from tests.support.relay import FaultyRelay
from tests.support.settings import settings_of
from tests.support.signed import sign_as_commands_do, write_key

SECRET = "a-secret-key-that-is-long-enough-for-tests"
TOPIC = "release-notes"
APPENDED_AT_ONCE = 10_000  # people; PostgreSQL takes 65,535 values in one statement
NOTES = ReleaseNotes(
    title="Version 2.4.0",
    version="2.4.0",
    date=datetime(2026, 11, 1, tzinfo=UTC).date(),
    locale="en",
    topic=TOPIC,
    preheader=None,
    body="## Added\n\n- A [thing](https://example.com/thing).\n",
    origin="notes.md",
)

Relay = TypeVar("Relay", bound=FaultyRelay)


def settings_for(port: int, **values: Any) -> Settings:
    """Settings for a relay on loopback."""
    smtp = {"host": "127.0.0.1", "port": port, "security": "none", "connections": 4} | values.pop("smtp", {})
    return settings_of(
        secret_keys=SECRET,
        sender="Acme <notes@example.com>",
        public_url="https://example.com",
        smtp=smtp,
        **values,
    )


def settings_for_several(*relays: FaultyRelay, **changes: dict[str, Any]) -> Settings:
    """Settings with relays a, b, ... on loopback; `changes` by name."""
    named = {
        name: {"host": "127.0.0.1", "port": relay.port, "security": "none", "connections": 4}
        | changes.get(name, {})
        for name, relay in zip("abc", relays, strict=False)
    }
    return settings_of(
        secret_keys=SECRET,
        sender="Acme <news@example.com>",
        public_url="https://example.com",
        relays=named,
    )


def subscribe(
    database: Database, people: int, *, topic: str = TOPIC, domain: str = "example.com"
) -> list[int]:
    """Add `people` subscribers who consented, from person1@example.com on; returns their ids."""
    now = datetime.now(UTC)
    hasher = AddressHasher([SECRET.encode()])
    rows = []
    for number in range(1, people + 1):
        address = normalise(f"person{number}@{domain}")
        hashed = hasher.newest(address.key)
        rows.append(
            {
                "salutation": "Ms",
                "first_name": "Zoë",
                "surname": f"de Vries {number}",
                "email": address.spelling,
                "email_normalised": address.key,
                "address_hash": hashed.hash,
                "key_id": hashed.key_id,
                "created_at": now,
            }
        )
    sign_as_commands_do(database)
    with database.write() as connection:
        subscriber = table(Subscriber)
        numbers = list(
            connection.execute(
                insert(subscriber).returning(subscriber.c.id, sort_by_parameter_order=True), rows
            ).scalars()
        )
        _grant(connection, numbers, topic, now)
    return numbers


def agree(database: Database, *numbers: int, topic: str = TOPIC) -> None:
    """Let people on file agree to another topic."""
    sign_as_commands_do(database)
    with database.write() as connection:
        _grant(connection, numbers, topic, datetime.now(UTC))


def _grant(connection: Connection, numbers: Sequence[int], topic: str, now: datetime) -> None:
    wording = ledger.store_wording(connection, "Yes, mail me the release notes.", now, topic=topic)
    events = [
        NewEvent(number, topic, ConsentKind.GRANTED, now, Channel.IMPORT, wording) for number in numbers
    ]
    for first in range(0, len(events), APPENDED_AT_ONCE):
        ledger.append(connection, events[first : first + APPENDED_AT_ONCE], now)


def withdraw(database: Database, *numbers: int, topic: str = TOPIC) -> None:
    """Withdraw consents, as the unsubscribe page does."""
    now = datetime.now(UTC)
    sign_as_commands_do(database)
    with database.write() as connection:
        events = [
            NewEvent(number, topic, ConsentKind.WITHDRAWN, now, Channel.ONE_CLICK) for number in numbers
        ]
        ledger.append(connection, events, now)


def draft(database: Database, slug: str = "notes", notes: ReleaseNotes = NOTES) -> Campaign:
    """Create a draft in the database."""
    with database.write() as connection:
        return catalogue.create(connection, slug, notes, {}, datetime.now(UTC))


def dispatch_for(database: Database, settings: Settings) -> Dispatch:
    return Dispatch(database, settings, database.clock())


async def send(dispatch: Dispatch, slug: str = "notes") -> Tally:
    """Start or continue the campaign, without a progress bar."""
    dispatch.start(slug)
    return await dispatch.runs.run(slug, unwatched)


@asynccontextmanager
async def unwatched(_sender: Sender) -> Any:
    yield


def counts(database: Database, slug: str = "notes") -> CampaignStatus:
    with database.read() as connection:
        return reports.campaign_status(connection, catalogue.find(connection, slug))


@contextmanager
def threaded(relay: Relay) -> Iterator[Relay]:
    """Run `relay` in a thread, for senders in other processes."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(relay.__aenter__(), loop).result(10)
    try:
        yield relay
    finally:
        asyncio.run_coroutine_threadsafe(relay.__aexit__(None, None, None), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def write_config(
    folder: Path, port: int, *, database_url: str = "sqlite:///mailer.db", connections: int = 4
) -> None:
    """Write a mailer.toml for the installed command, with a relay on loopback, and the ledger's key."""
    write_key(folder)
    (folder / "mailer.toml").write_text(
        f"""
database_url = "{database_url}"
sender = "Acme <notes@example.com>"
unsubscribe_check = "off"
public_url = "https://example.com"
secret_keys = ["{SECRET}"]

[smtp]
host = "127.0.0.1"
port = {port}
security = "none"
connections = {connections}
""",
        encoding="utf-8",
    )
