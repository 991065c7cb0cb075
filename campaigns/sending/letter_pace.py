"""The limits of relays and providers for letters that go one after the other, outside of a campaign."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, assert_never

from mailer.database import Database
from mailer.limits import AdmissionRequest, ProviderFull, RelayFull, Reservation
from mailer.smtp.connection import Connection
from mailer.smtp.relays import Relays

if TYPE_CHECKING:
    from mailer.limits.throttle import Throttle  # only where there are limits

SHORTEST_WAIT_SECONDS = 0.01
UNREPORTED_SECONDS = 10.0  # a wait up to this long is not reported


@dataclass(slots=True)
class LetterPace:
    """Lets one letter after the other go when the limits allow it.

    `on_wait` gets the moment until which they allow nothing, where that is more than UNREPORTED_SECONDS away.
    """

    throttle: Throttle | None
    relays: Relays
    database: Database
    now: Callable[[], datetime]
    on_wait: Callable[[datetime], None]
    _has_place: bool = False

    @asynccontextmanager
    async def connection(self, domain: str) -> AsyncIterator[Connection]:
        """A connection on which a letter to `domain` may go at once. None is held while the limits allow nothing."""
        while True:
            async with self.relays.connection() as connection:
                if not (seconds := await self.ask(connection.relay, domain)):
                    yield connection
                    return
            await asyncio.sleep(seconds)

    async def ask(self, relay: str, domain: str) -> float:
        """Ask for a letter to `domain` through `relay`: 0 where it may go at once, else how many seconds to wait."""
        if self.throttle is None:
            return 0.0
        with self.database.write() as connection:
            request = AdmissionRequest(0, relay, domain, self._has_place)
            admission = self.throttle.admit(connection, [request], self.now())[0]
        match admission:
            case Reservation(at):
                self._has_place = False
                await asyncio.sleep(self._seconds_to(at))
                return 0.0
            case RelayFull(until):
                self.relays.suspend(relay, self._seconds_to(until))
                return self._tell(self.relays.seconds_until_available(), until)
            case ProviderFull(until, has_place):
                self._has_place = has_place
                return self._tell(self._seconds_to(until), until)
            case _:
                assert_never(admission)

    def _tell(self, seconds: float, until: datetime) -> float:
        if seconds > UNREPORTED_SECONDS:
            self.on_wait(until)
        return max(seconds, SHORTEST_WAIT_SECONDS)

    def _seconds_to(self, moment: datetime) -> float:
        return max(0.0, (moment - self.now()).total_seconds())
