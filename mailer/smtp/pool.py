"""The connections of one SMTP relay, for as many tasks as there may be connections."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from mailer.config import RelaySettings
from mailer.smtp.concurrency import WINDOW, Concurrency
from mailer.smtp.connection import Connection
from mailer.smtp.failure import ConnectionFailed
from mailer.smtp.handshake import connect, tls_context, token_source

INITIAL_PAUSE, MAX_PAUSE = 0.2, 5.0  # seconds between attempts to connect, each varied by up to half


class RelayPool:
    """The connections of an SMTP relay: opened on demand, used again, and closed.

    It begins with 20 at most, adds more while that raises the rate, and goes down to the number that the relay serves when
    one is refused (421, or no connection). `retry_seconds` is how long it tries while there is no connection at all.
    `quota` is the most messages on a connection before it is given back.

    Where the relay refuses one more message on two connections after the same number of messages, that number is its
    limit for all connections; after one refusal the number is not certain. A relay that refuses BDAT gets DATA.
    """

    def __init__(
        self, settings: RelaySettings, *, name: str = "", retry_seconds: float = 5.0, quota: int = sys.maxsize
    ) -> None:
        self._settings, self._name = settings, name
        self._retry_seconds, self._quota = retry_seconds, quota
        self._tls, self._tokens = tls_context(settings), token_source(settings)
        self._concurrency = Concurrency(settings.connections)
        self._away_since: float | None = None
        self._failure: ConnectionFailed | None = None
        self._free: list[Connection] = []
        self._busy: set[Connection] = set()
        self._opening = self._waiting = self._served = 0
        self._refused_after: int | None = None
        self._changed = asyncio.Event()
        self._closing: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def has_room(self) -> bool:
        """Whether fewer tasks have or await a connection than there may be connections."""
        return self._in_use + self._waiting < self._concurrency.ceiling

    @property
    def served(self) -> int:
        """How many messages the relay has accepted, deferred or rejected so far."""
        return self._served + sum(connection.served for connection in (*self._busy, *self._free))

    @property
    def _in_use(self) -> int:
        return len(self._busy) + self._opening

    async def __aenter__(self) -> Self:
        self._observe()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for connection in (*self._free, *self._busy):
            self._close(connection)
        self._free.clear()
        await asyncio.gather(*self._closing, return_exceptions=True)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A usable connection for the caller alone; waits until the limit allows one more.

        Raises ConnectionFailed (a RelayUnavailable) where there is none and none can be opened within
        `retry_seconds`, or at once where trying again would not help; ConfigurationError as `connect` does.
        """
        connection = await self._acquire()
        try:
            yield connection
        finally:
            self._release(connection)

    async def _acquire(self) -> Connection:
        connection = None
        while connection is None:
            await self._wait_for_room()
            self._opening += 1
            try:
                connection = self._reuse() or await self._open()
                if connection is not None:
                    self._busy.add(connection)
            finally:
                self._opening -= 1
                self._notify()
        connection.set_quota(self._quota)
        return connection

    def _release(self, connection: Connection) -> None:
        if connection.closed_unserved:
            self._lower()
        if connection.refuses_bdat:
            self._restrict(chunking=False)
        if connection.full:
            if connection.sent == self._refused_after:
                most = min(connection.sent, self._settings.messages_per_connection)
                self._restrict(messages_per_connection=most)
            self._refused_after = connection.sent
        self._busy.remove(connection)
        if connection.usable and self._timer is not None:
            self._free.append(connection)
        else:
            self._close(connection)
        self._notify()

    def _restrict(self, **settings: int) -> None:
        """Use these settings on all connections: the relay takes no more than that."""
        self._settings = self._settings.replace(**settings)
        for connection in (*self._busy, *self._free):
            connection.keep_to(self._settings)

    async def _wait_for_room(self) -> None:
        """Wait until one more connection may be used. While there is none, one task tries and the others wait for it."""
        before = self._failure
        self._waiting += 1
        try:
            while self._in_use >= (self._concurrency.limit if self._busy or self._free else 1):
                await self._changed.wait()
                if self._failure is not None and self._failure is not before:
                    raise self._failure  # the task that tried first found no relay
        finally:
            self._waiting -= 1

    def _notify(self) -> None:
        """Wake all waiting tasks, so that each checks again."""
        self._changed.set()
        self._changed = asyncio.Event()

    def _reuse(self) -> Connection | None:
        while self._free:
            connection = self._free.pop()
            if connection.usable:
                return connection
            self._close(connection)
        return None

    async def _open(self) -> Connection | None:
        """A new connection, or None where the relay refuses one more but serves the others."""
        loop = asyncio.get_running_loop()
        pause = INITIAL_PAUSE
        while True:
            started = loop.time()
            try:
                session = await connect(self._settings, self._tls, self._tokens)
            except ConnectionFailed as error:
                if self._lower():
                    return None
                if self._away_since is None:
                    self._away_since = started
                if error.lasting or loop.time() + pause > self._away_since + self._retry_seconds:
                    self._failure = error
                    raise
            else:
                self._away_since = None
                return Connection(session, self._settings, self._name)
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - spreads the attempts of many tasks
            pause = min(pause * 2, MAX_PAUSE)

    def _lower(self) -> bool:
        """Use no more connections than there are, or may soon be, besides the caller's; whether there are any."""
        others = self._in_use - 1 + sum(connection.usable for connection in self._free)
        if others:
            self._concurrency.lower(asyncio.get_running_loop().time(), others)
        return others > 0

    def _close(self, connection: Connection) -> None:
        self._served += connection.served
        closing = asyncio.get_running_loop().create_task(connection.close())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    def _observe(self) -> None:
        """Four times a second: adjust the number of connections to the rate, and close idle ones."""
        loop = asyncio.get_running_loop()
        before = self._concurrency.limit
        saturated = self._waiting > 0 and len(self._busy) >= before
        self._concurrency.observe(loop.time(), self.served, saturated=saturated)
        for unusable in [connection for connection in self._free if not connection.usable]:
            self._free.remove(unusable)
            self._close(unusable)
        if self._concurrency.limit > before:
            self._notify()
        self._timer = loop.call_later(WINDOW, self._observe)
