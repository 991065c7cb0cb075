"""Several relays behind one face: each its share of the mail, and who is ill or full leaves it to the others.

    async with Relays(settings.every_relay) as relays:
        async with relays.connection() as connection:       # to one of them: connection.relay says which
            while connection.has_turn and (mail := ...):
                outcome = await connection.send(envelope, message)

With one relay it is that relay: its connections are held until they are worn, and its errors are raised at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import Self

from mailer.config import NamedRelay
from mailer.errors import RelayUnavailable
from mailer.smtp.breaker import Breaker
from mailer.smtp.connection import Connection
from mailer.smtp.failure import ConnectionFailed
from mailer.smtp.pool import RelayPool

TURN = 20  # messages on a connection before the next choice, where there is a choice
PATIENCE = 5.0  # seconds without any relay that serves


class Relays:
    """The relays of the settings. Each is chosen by weight among those that are well and have room.

    A weight is a share of the mail; who is slower than its share asks for leaves the rest to the others. A relay
    that fails three times in a row, or whose connection fails for good, is left alone and then probed with one
    connection. `several` says whether what one did not take can be offered to another.
    """

    def __init__(self, settings: Mapping[str, NamedRelay]) -> None:
        self.several = len(settings) > 1
        patience = 0.0 if self.several else PATIENCE
        self._relays = {
            name: RelayPool(one, name=name, patience=patience, turn=TURN if self.several else None)
            for name, one in settings.items()
        }
        self._breakers = {name: Breaker() for name in settings}
        self._resting = dict.fromkeys(settings, float("-inf"))
        self._weights = {name: one.weight for name, one in settings.items()}
        self._shares = WeightedRoundRobin(self._weights)
        self._open = AsyncExitStack()

    @property
    def ceiling(self) -> int:
        """The most connections that are of use, to all relays together: as many as their weights can fill."""
        total = sum(self._weights.values())
        full = min(relay.ceiling * total // self._weights[name] for name, relay in self._relays.items())
        return max(len(self._relays), min(full, sum(relay.ceiling for relay in self._relays.values())))

    async def __aenter__(self) -> Self:
        for relay in self._relays.values():
            await self._open.enter_async_context(relay)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._open.aclose()

    def rest(self, name: str, seconds: float) -> None:
        """Leave a relay alone for so long: its limits are reached. Of several such words the shortest holds."""
        now = asyncio.get_running_loop().time()
        before = self._resting[name]
        self._resting[name] = min(before, now + seconds) if before > now else now + seconds

    def resting_for(self) -> float:
        """How many seconds it is until a relay has room; 0 while one has."""
        return max(0.0, min(self._resting.values()) - asyncio.get_running_loop().time())

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A usable connection to the relay whose turn it is, as soon as that has room for one more.

        Raises ConnectionFailed where no relay serves (of several: for PATIENCE seconds); ConfigurationError as
        `Connection.open` does.
        """
        async with AsyncExitStack() as stack:
            connection = await self._connect(stack)
            breaker, sent, served = self._breakers[connection.relay], connection.sent, connection.served
            try:
                yield connection
            finally:
                if connection.served > served:
                    breaker.succeeded()
                elif connection.sent > sent:
                    breaker.failed(asyncio.get_running_loop().time())
                else:
                    breaker.undecided()

    async def _connect(self, stack: AsyncExitStack) -> Connection:
        loop = asyncio.get_running_loop()
        give_up = loop.time() + PATIENCE
        failure: ConnectionFailed | None = None
        while True:
            if (name := self._choose(loop.time())) is None:
                if loop.time() >= give_up:
                    raise failure or RelayUnavailable(
                        "No relay serves.", hint="`mailer doctor` looks at each."
                    )
                await asyncio.sleep(0.1)
                continue
            breaker = self._breakers[name]
            breaker.enter(loop.time())
            try:
                return await stack.enter_async_context(self._relays[name].connection())
            except ConnectionFailed as error:
                if not self.several:
                    raise
                breaker.failed(loop.time(), lasting=error.lasting)
                failure = error
            except BaseException:
                breaker.undecided()
                raise

    def _choose(self, now: float) -> str | None:
        """The next relay of those that are well; one that has room, if any has."""
        if not self.several:
            return next(iter(self._relays))
        well = [name for name, breaker in self._breakers.items() if breaker.allows(now)]
        able = [name for name in well if self._resting[name] <= now and self._relays[name].has_room]
        return self._shares.pick(able or well) if well else None


class WeightedRoundRobin:
    """Turns by weight, evenly mixed: of 3 and 1, every fourth turn is the other's.

    This is smooth weighted round-robin, as nginx does it. Who could not take its turns does not make up for them
    afterwards.
    """

    def __init__(self, weights: Mapping[str, int]) -> None:
        self._weights = dict(weights)
        self._claims = dict.fromkeys(weights, 0)

    def pick(self, able: Collection[str]) -> str:
        """Whose turn it is, of those that are `able` to take it (one at least)."""
        present = [name for name in self._weights if name in able]
        for name in present:
            self._claims[name] += self._weights[name]
        chosen = max(present, key=self._claims.__getitem__)
        self._claims[chosen] -= sum(self._weights[name] for name in present)
        return chosen
