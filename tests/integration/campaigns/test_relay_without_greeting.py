"""Runs whose relay takes connections that it never greets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from campaigns.sending import Sender
from campaigns.states import CampaignState
from mailer.database import Database
from tests.support.campaign import counts, dispatch_for, draft, send, settings_for, subscribe
from tests.support.faults import Fault, Point
from tests.support.relay import FaultyRelay


async def test_the_end_waits_for_no_connection_that_the_relay_never_greets(sqlite_database: Database) -> None:
    """The time-out of a greeting is five minutes (RFC 5321 section 4.5.3.2.1)."""
    subscribe(sqlite_database, 30)
    draft(sqlite_database)
    async with FaultyRelay([{}, *[{Point.GREETING: Fault.STALL}] * 20], pipelining=True) as relay:
        relay.slowness = 0.01
        dispatch = dispatch_for(sqlite_database, settings_for(relay.port, smtp={"connections": 10}))
        tally = await asyncio.wait_for(send(dispatch), 120)
        assert relay.connections > 1
    assert tally.error is None
    assert (counts(sqlite_database).state, len(relay.accepted)) == (CampaignState.FINISHED, 30)


async def test_a_stop_waits_for_no_connection_that_the_relay_never_greets(sqlite_database: Database) -> None:
    subscribe(sqlite_database, 3)
    draft(sqlite_database)
    async with FaultyRelay([{Point.GREETING: Fault.STALL}] * 20) as relay:

        @asynccontextmanager
        async def watch(sender: Sender) -> AsyncIterator[None]:
            asyncio.get_running_loop().call_later(0.2, sender.stop)
            yield

        dispatch = dispatch_for(sqlite_database, settings_for(relay.port))
        dispatch.start("notes")
        tally = await asyncio.wait_for(dispatch.runs.run("notes", watch), 120)
    assert (tally.error, counts(sqlite_database).pending) == (None, 3)
