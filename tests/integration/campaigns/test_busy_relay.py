"""Relays that take no more mail for the moment: over their rate, or with too many sessions. Nobody is put off for long."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from campaigns.states import CampaignState
from mailer.database import Database
from mailer.errors import RelayUnavailable
from mailer.smtp import breaker, pauses, relays
from tests.support.campaign import (
    counts,
    dispatch_for,
    draft,
    send,
    settings_for,
    settings_for_several,
    subscribe,
    unwatched,
)
from tests.support.faults import Point
from tests.support.relay import FaultyRelay, Session

EXTENSIONS = [{}, {"pipelining": True}, {"pipelining": True, "chunking": True}]
TWO = {"connections": 2}
ids = ["plain", "pipelining", "chunking"]
THROTTLED = b"454 Throttling failure: Maximum sending rate exceeded.\r\n"
NOT_NOW = [
    THROTTLED,
    b"432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded\r\n",
    b"452 4.5.3 Too many recipients\r\n",
]


class OverItsRate(dict[str, bytes]):
    """Refuses what comes faster than `most` in `seconds`."""

    def __init__(self, most: int, seconds: float, reply: bytes) -> None:
        self.most, self.seconds, self.reply = most, seconds, reply
        self.taken: list[float] = []

    def get(self, recipient: str, default: Any = None) -> Any:
        now = time.monotonic()
        if len([moment for moment in self.taken if moment > now - self.seconds]) >= self.most:
            return self.reply
        self.taken.append(now)
        return default


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pauses, "FIRST_PAUSE", 0.05)
    monkeypatch.setattr(pauses, "LAST_PAUSE", 0.8)


@pytest.mark.parametrize("reply", NOT_NOW, ids=["454", "4.3.2", "4.5.3"])
@pytest.mark.parametrize("extensions", EXTENSIONS, ids=ids)
@pytest.mark.parametrize("at", ["refuses", "refuses_content"], ids=["at RCPT", "after content"])
async def test_a_relay_over_its_rate_gets_the_rest_a_moment_later(
    database: Database, at: str, extensions: dict[str, Any], reply: bytes
) -> None:
    subscribe(database, 30)
    draft(database)
    async with FaultyRelay(**extensions) as relay:
        setattr(relay, at, OverItsRate(10, 0.2, reply))
        tally = await send(dispatch_for(database, settings_for(relay.port, smtp={"connections": 4})))
    assert (tally.error, tally.pause_reason) == (None, None)
    status = counts(database)
    assert (status.state, status.accepted, len(relay.accepted)) == (CampaignState.FINISHED, 30, 30)


class ThreeAtOnce(Session):
    """Refuses a mail while three others are being taken."""

    at_once = 0

    async def take(self, content: bytes, point: Point) -> None:
        if ThreeAtOnce.at_once == 3:
            self.out += NOT_NOW[1]
            self.reset()
            return
        ThreeAtOnce.at_once += 1
        try:
            await asyncio.sleep(0.01)
            await super().take(content, point)
        finally:
            ThreeAtOnce.at_once -= 1


async def test_a_relay_with_three_sessions_at_once_serves_ten_connections_all_the_same(
    database: Database,
) -> None:
    subscribe(database, 60)
    draft(database)
    async with FaultyRelay(pipelining=True) as relay:
        relay.session_class = ThreeAtOnce
        await send(dispatch_for(database, settings_for(relay.port, smtp={"connections": 10})))
    assert (counts(database).accepted, len(relay.accepted)) == (60, 60)


async def test_a_relay_that_stays_busy_ends_the_run_and_puts_nobody_off(database: Database) -> None:
    subscribe(database, 30)
    draft(database)
    async with FaultyRelay() as relay:
        relay.refuses_content = OverItsRate(
            10, 3600, b"454 Throttling failure: Daily message quota exceeded.\r\n"
        )
        tally = await send(dispatch_for(database, settings_for(relay.port, smtp={"connections": 4})))
    assert isinstance(tally.error, RelayUnavailable)
    assert tally.error.message == (
        "The relay accepts no mail: 454 Throttling failure: Daily message quota exceeded."
    )
    status = counts(database)
    assert (status.state, status.accepted, status.pending) == (CampaignState.SENDING, 10, 20)


async def test_what_a_busy_relay_does_not_take_goes_to_another(database: Database) -> None:
    subscribe(database, 30)
    draft(database)
    async with FaultyRelay() as busy, FaultyRelay() as spare:
        busy.refuses_content = OverItsRate(5, 3600, THROTTLED)
        tally = await send(dispatch_for(database, settings_for_several(busy, spare, a=TWO, b=TWO)))
    assert tally.error is None
    assert (len(busy.accepted), len(spare.accepted), counts(database).accepted) == (5, 25, 30)


class BusyUntil(dict[str, bytes]):
    """Refuses everybody until a moment."""

    def __init__(self, seconds: float) -> None:
        self.end = time.monotonic() + seconds

    def get(self, recipient: str, default: Any = None) -> Any:
        return THROTTLED if time.monotonic() < self.end else default


@pytest.fixture
def short_cooldowns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaker, "FIRST_COOLDOWN", 0.2)
    monkeypatch.setattr(relays, "RETRY_SECONDS", 0.2)


@pytest.mark.usefixtures("short_cooldowns")
async def test_where_all_of_several_relays_are_busy_they_are_waited_for_as_a_single_one_is(
    database: Database,
) -> None:
    subscribe(database, 12)
    draft(database)
    async with FaultyRelay() as a, FaultyRelay() as b:
        dispatch = dispatch_for(database, settings_for_several(a, b, a=TWO, b=TWO))
        a.refuses = b.refuses = BusyUntil(1.4)
        tally = await send(dispatch)
    assert tally.error is None
    assert (counts(database).accepted, len(a.accepted) + len(b.accepted)) == (12, 12)


@pytest.mark.usefixtures("short_cooldowns")
async def test_where_all_of_several_relays_stay_busy_the_run_ends_and_puts_nobody_off(
    database: Database,
) -> None:
    subscribe(database, 12)
    draft(database)
    async with FaultyRelay() as a, FaultyRelay() as b:
        a.refuses = b.refuses = BusyUntil(3600)
        tally = await asyncio.wait_for(
            send(dispatch_for(database, settings_for_several(a, b, a=TWO, b=TWO))), 60
        )
    assert isinstance(tally.error, RelayUnavailable)
    assert counts(database).pending == 12


async def test_one_recipient_for_whom_a_relay_is_always_busy_does_not_hold_up_each_run(
    database: Database,
) -> None:
    subscribe(database, 5)
    draft(database)
    async with FaultyRelay(refuses={"person3@example.com": THROTTLED}) as relay:
        dispatch = dispatch_for(database, settings_for(relay.port))
        await send(dispatch)
        for _ in range(5):
            if not counts(database).pending:
                break
            await dispatch.runs.run("notes", unwatched)
        tally = await dispatch.runs.run("notes", unwatched)
    assert tally.error is None
    status = counts(database)
    assert (status.accepted, status.deferred, len(relay.accepted)) == (4, 1, 4)
