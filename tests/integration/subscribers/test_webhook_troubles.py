"""A consumer of webhooks that is down, slow or answers rubbish delays nobody else, and is told everything later."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import pytest
from sqlalchemy import update

from mailer.config import FixedKeys, KeyRing
from mailer.database import Database
from mailer.webhooks import Reach
from subscribers import webhooks
from subscribers.webhooks.delivery import WebhookDelivery
from subscribers.webhooks.endpoints import ENDPOINT
from tests.support.campaign import SECRET, subscribe
from tests.support.clock import SetClock
from tests.support.receiver import Receiver, receiving

RING = KeyRing((SECRET.encode(),))
HOURS = (1, 1, 6, 15)  # between the changes of a day


class Trouble(StrEnum):
    """What is wrong with a consumer."""

    DOWN = "down"
    SLOW = "slow"
    RUBBISH = "rubbish"
    FAILING = "failing"


ANSWERS = {
    Trouble.SLOW: b"",
    Trouble.RUBBISH: b"\x00\xffrubbish\r\n\r\n",
    Trouble.FAILING: b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
}


@asynccontextmanager
async def consumer(trouble: Trouble, released: asyncio.Event) -> AsyncIterator[str]:
    """The URL of a consumer in trouble; the slow one hangs up once it is `released`."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        if trouble is Trouble.SLOW:
            await released.wait()
        writer.write(ANSWERS[trouble])
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    if trouble is Trouble.DOWN:
        server.close()
    yield f"http://127.0.0.1:{port}/hook"
    server.close()


@pytest.mark.parametrize("trouble", Trouble)
async def test_a_consumer_in_trouble_for_a_day_delays_nobody_else_and_is_told_everything_after_it(
    sqlite_database: Database, trouble: Trouble
) -> None:
    clock, released = SetClock(datetime.now(UTC)), asyncio.Event()
    delivery = WebhookDelivery(
        sqlite_database, FixedKeys(RING), Reach(allow_private=True, allow_http=True), _clock=clock
    )
    async with receiving() as well, receiving() as troubled:
        well.now = troubled.now = clock
        async with consumer(trouble, released) as url:
            name = add(sqlite_database, troubled, url, clock.now)
            add(sqlite_database, well, well.url, clock.now)
            for number, hours in enumerate(HOURS, 1):
                subscribe(sqlite_database, 1, domain=f"d{number}.example.com")
                released.clear()
                calling = asyncio.create_task(delivery.run_once())
                await well.wait_for(number)  # while the slow one is called
                released.set()
                await calling
                clock.now += timedelta(hours=hours)
        with sqlite_database.write() as connection:
            failures = webhooks.find(connection, name).failures
            connection.execute(update(ENDPOINT).where(ENDPOINT.c.id == name).values(url=troubled.url))
        await delivery.run_once()
    assert failures == len(HOURS)
    assert [change["email"] for change in troubled.changes] == [
        f"person1@d{number}.example.com" for number in range(1, len(HOURS) + 1)
    ]
    assert len(well.calls) == len(HOURS)


def add(database: Database, receiver: Receiver, url: str, now: datetime) -> str:
    """Add an endpoint whose secret the receiver knows; returns its id."""
    with database.write() as connection:
        endpoint = webhooks.add(connection, url, RING, now, from_start=True)
    [receiver.secret] = webhooks.secrets_of(endpoint, RING, now)
    return endpoint.id
