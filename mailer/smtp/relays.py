"""The relays of the settings as one: each gets its share of the mail; unhealthy or rate-limited ones are skipped.

    async with Relays(settings.every_relay) as relays:
        async with relays.connection() as connection:       # to one of them: connection.relay says which
            while connection.has_quota and (mail := ...):
                outcome = await connection.send(envelope, message)

With one relay, each connection is used for as many messages as it may have, and errors are raised at once.
"""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Self

from mailer.config import NamedRelay
from mailer.errors import RelayUnavailable
from mailer.smtp.breaker import Breaker
from mailer.smtp.connection import Connection
from mailer.smtp.failure import ConnectionFailed
from mailer.smtp.pauses import Pauses
from mailer.smtp.pool import RelayPool

QUOTA = 20  # messages on a connection before a relay is chosen again, where there are several
RETRY_SECONDS = 5.0  # how long to try while no relay serves


class LimitsReached(Exception):
    """The limits of the relays that serve let no mail through for longer than the caller waits."""


class Relays:
    """The relays of the settings. Each is chosen by weight among those that are healthy and have room.

    A weight is a share of the mail; mail that a relay is too slow for goes to the others. Of several, one that fails three
    times in a row, or whose connection fails permanently, is not used for a while and then probed with one connection. One
    that takes no more mail for the moment is left alone for a second, or for longer where that did not help; then it has failed.
    `several`: a message that one relay did not take can be offered to another. `ceiling`: the most connections, to all
    relays together, that mail divided by the weights can use.

    `longest_wait` is how many seconds a caller waits at most for the limits of the relays that serve. Where these need
    longer, it does not wait either for relays that failed again when they were probed.
    """

    def __init__(self, settings: Mapping[str, NamedRelay], *, longest_wait: float = math.inf) -> None:
        self._longest_wait = longest_wait
        self.several = len(settings) > 1
        retry_seconds, quota = (0.0, QUOTA) if self.several else (RETRY_SECONDS, sys.maxsize)
        self._relays = {
            name: RelayPool(one, name=name, retry_seconds=retry_seconds, quota=quota)
            for name, one in settings.items()
        }
        self._breakers = {name: Breaker() for name in settings}
        self._pauses = {name: Pauses() for name in settings}
        self._suspended_until = dict.fromkeys(settings, float("-inf"))
        weights = {name: one.weight for name, one in settings.items()}
        self._round_robin = WeightedRoundRobin(weights)
        full = min(one.connections * sum(weights.values()) // one.weight for one in settings.values())
        self.ceiling = max(len(settings), min(full, sum(one.connections for one in settings.values())))
        self._stack = AsyncExitStack()
        self._stays_busy: RelayUnavailable | None = None  # for the next caller

    async def __aenter__(self) -> Self:
        for relay in self._relays.values():
            await self._stack.enter_async_context(relay)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def suspend(self, name: str, seconds: float) -> None:
        """Do not use a relay for `seconds`: its limits are reached. Of several such calls the shortest time holds."""
        now = asyncio.get_running_loop().time()
        current = self._suspended_until[name]
        self._suspended_until[name] = min(current, now + seconds) if current > now else now + seconds

    def seconds_until_available(self) -> float:
        """How many seconds it is until a relay may be used, where limits are what holds one back; else 0.

        An unhealthy relay may be used when it is to be probed. Where all are unhealthy, `connection` tries them.
        """
        now = asyncio.get_running_loop().time()
        suspended = {name: max(0.0, until - now) for name, until in self._suspended_until.items()}
        healthy = self._healthy(now)
        seconds = min(suspended[name] for name in healthy or suspended)
        if not seconds or not healthy:
            return seconds
        gives_up = seconds > self._longest_wait
        others = (
            max(suspended[name], one.seconds_until_allowed(now))
            for name, one in self._breakers.items()
            if not (gives_up and one.has_probed_in_vain)
        )
        return min(others, default=seconds)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A usable connection to the relay that is next by weight; waits until its limits and its room allow one more.

        Raises ConnectionFailed where no relay serves (of several: within RETRY_SECONDS); RelayUnavailable where the only one
        stays busy; LimitsReached where it would wait for longer than `longest_wait`; ConfigurationError as `connect` does.
        """
        if (stays_busy := self._stays_busy) is not None:
            self._stays_busy = None
            raise stays_busy
        async with AsyncExitStack() as stack:
            connection = await self._connect(stack)
            breaker, sent, served = self._breakers[connection.relay], connection.sent, connection.served
            try:
                yield connection
            finally:
                has_failed = connection.sent > sent and self.several
                if connection.busy is not None:
                    has_failed &= self._pause(connection.relay, connection.busy)
                if connection.served > served:
                    breaker.succeeded()
                elif has_failed:
                    breaker.failed(asyncio.get_running_loop().time(), lasting=connection.busy is not None)
                else:
                    breaker.undecided()

    def _pause(self, name: str, words: str) -> bool:
        """Leave a busy relay alone for a while; returns whether that was in vain. Then a single one counts as away."""
        pauses = self._pauses[name]
        seconds = pauses.after_refusal(asyncio.get_running_loop().time(), self._relays[name].served)
        if not pauses.in_vain:
            self.suspend(name, seconds)
            return False
        if not self.several:
            self._stays_busy = RelayUnavailable(f"The relay accepts no mail: {words.rstrip('.')}.")
            self._pauses[name] = Pauses()
        return True

    async def _connect(self, stack: AsyncExitStack) -> Connection:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + RETRY_SECONDS
        failure: ConnectionFailed | None = None
        while True:
            if (name := self._choose(loop.time())) is None:
                if (seconds := self.seconds_until_available()) > self._longest_wait:
                    raise LimitsReached
                if seconds:
                    deadline = loop.time() + seconds + RETRY_SECONDS
                elif loop.time() >= deadline:
                    hint = "`mailer doctor` tries each of them."
                    raise failure or RelayUnavailable("No relay serves.", hint=hint)
                await asyncio.sleep(seconds or 0.1)
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
        """The next healthy relay that is not suspended; one that has room, if any has. A single one is used in any case."""
        ready = [
            name for name in self._healthy(now) if self._suspended_until[name] <= now or not self.several
        ]
        with_room = [name for name in ready if self._relays[name].has_room]
        return self._round_robin.pick(with_room or ready) if ready else None

    def _healthy(self, now: float) -> list[str]:
        return [name for name, breaker in self._breakers.items() if breaker.allows(now)]


class WeightedRoundRobin:
    """Smooth weighted round-robin, as nginx has it: with weights 3 and 1, each fourth choice is the second name.

    A name that was not a candidate for a while gets no more than its share afterwards.
    """

    def __init__(self, weights: Mapping[str, int]) -> None:
        self._weights = dict(weights)
        self._credits = dict.fromkeys(weights, 0)

    def pick(self, available: Collection[str]) -> str:
        """The next name, of those that are `available` (one at least)."""
        candidates = [name for name in self._weights if name in available]
        for name in candidates:
            self._credits[name] += self._weights[name]
        chosen = max(candidates, key=self._credits.__getitem__)
        self._credits[chosen] -= sum(self._weights[name] for name in candidates)
        return chosen
