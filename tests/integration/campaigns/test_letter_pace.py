"""The limits hold for letters that go one after the other."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from msgspec import structs

from campaigns.sending.letter_pace import LetterPace
from mailer.database import Database
from mailer.limits import ProviderLimits, RelayLimits
from mailer.limits.rates import Rates
from mailer.limits.throttle import Throttle
from mailer.smtp.relays import Relays
from tests.support.campaign import settings_for
from tests.support.relay import FaultyRelay

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)


class Pace:
    """A pace by the limits of the relay `smtp` and of Gmail, at a time that stands still."""

    def __init__(
        self, database: Database, relay: RelayLimits, gmail: Rates | None = None, port: int = 25
    ) -> None:
        self.now = NOON
        self.waits: list[datetime] = []
        limits = {"gmail": ProviderLimits(**structs.asdict(gmail))} if gmail else {}
        throttle = Throttle({"smtp": relay}, limits, "UTC")
        self.relays = Relays(settings_for(port).every_relay)
        self.pace = LetterPace(throttle, self.relays, database, lambda: self.now, self.waits.append)

    async def ask(self, domain: str = "example.com") -> float:
        return await self.pace.ask("smtp", domain)


async def test_a_letter_waits_while_its_relay_allows_none(sqlite_database: Database) -> None:
    pace = Pace(sqlite_database, RelayLimits(per_hour=2))
    assert [await pace.ask() for _ in range(2)] == [0, 0]
    seconds = await pace.ask()
    assert 3590 < seconds <= 3600
    assert pace.waits == [NOON + timedelta(hours=1, seconds=-0.5)]  # the limits look half a second ahead
    pace.now = NOON + timedelta(hours=1)
    assert await pace.ask() == 0


async def test_a_letter_keeps_its_place_in_the_queue_of_its_provider(sqlite_database: Database) -> None:
    pace = Pace(sqlite_database, RelayLimits(), Rates(per_minute=1))
    assert await pace.ask("gmail.com") == 0
    seconds = await pace.ask("gmail.com")
    assert 59 < seconds <= 61
    pace.now += timedelta(seconds=seconds)
    assert await pace.ask("gmail.com") == 0


async def test_without_limits_nothing_is_recorded_and_nothing_waits(sqlite_database: Database) -> None:
    pace = Pace(sqlite_database, RelayLimits())
    assert [await pace.ask() for _ in range(3)] == [0, 0, 0]


async def test_no_connection_is_held_while_the_limits_allow_nothing(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections: list[int] = []
    async with FaultyRelay() as relay:
        pace = Pace(sqlite_database, RelayLimits(per_hour=1), port=relay.port)
        pool = pace.relays._relays["smtp"]

        async def sleep(seconds: float) -> None:
            if seconds > 60:
                connections.append(pool._in_use)
            pace.now += timedelta(seconds=seconds)

        async with pace.relays:
            monkeypatch.setattr(asyncio, "sleep", sleep)
            for _ in range(2):
                async with pace.pace.connection("example.com"):
                    connections.append(pool._in_use)
            monkeypatch.undo()
    assert connections == [1, 0, 1]
