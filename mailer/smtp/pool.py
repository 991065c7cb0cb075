"""Sending through an SMTP relay: a connection, and the relay as a pool of them.

    async with Relay(settings.smtp) as relay:
        async with relay.connection() as connection:      # one worker's; waits until the relay has room
            while connection.usable and (mail := ...):
                outcome = await connection.send(envelope, message)

Run as many workers as `relay.ceiling`; the relay decides how many of them have a connection at a time.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

from mailer.config import RelaySettings
from mailer.smtp.concurrency import WINDOW, Concurrency
from mailer.smtp.connection import Connection
from mailer.smtp.failure import ConnectionFailed
from mailer.smtp.handshake import tls_context
from mailer.smtp.oauth2 import token_source

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0  # seconds between attempts to connect, each varied by up to half


class RelayPool:
    """An SMTP relay: opens connections as they are wanted, keeps them for the next one, and closes them.

    It begins with a few, adds more while that raises the rate, and goes down to what the relay serves when one
    is refused (421, or no connection). `patience` is for how many seconds it tries when there is none at all.
    `turn` is how many messages may go out on a connection before it is given back; None: as many as it bears.

    Two connections on which the relay refused one more message after the same number are taken for its limit, which
    all keep to from then on; one alone may be a whim. A relay that refuses BDAT gets DATA.
    """

    def __init__(
        self, settings: RelaySettings, *, name: str = "", patience: float = 5.0, turn: int | None = None
    ) -> None:
        self._settings = settings
        self._name, self._turn = name, turn
        self._patience = patience
        self._tls = tls_context(settings)
        self._tokens = token_source(settings)
        self._concurrency = Concurrency(settings.connections)
        self._away_since: float | None = None
        self._failure: ConnectionFailed | None = None
        self._free: list[Connection] = []
        self._busy: set[Connection] = set()
        self._turns = 0
        self._wanted = 0
        self._finished = 0
        self._full_at: int | None = None
        self._most: int | None = None
        self._changed = asyncio.Event()
        self._closing: set[asyncio.Task[None]] = set()
        self._pulse: asyncio.TimerHandle | None = None

    @property
    def ceiling(self) -> int:
        """The most connections that there will be."""
        return self._concurrency.ceiling

    @property
    def limit(self) -> int:
        """How many of them may be in use just now."""
        return self._concurrency.limit

    @property
    def has_room(self) -> bool:
        """Whether there are fewer who have or wait for a connection than there may be connections."""
        return self._turns + self._wanted < self._concurrency.ceiling

    async def __aenter__(self) -> Self:
        self._observe()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pulse is not None:
            self._pulse.cancel()
            self._pulse = None
        for connection in (*self._free, *self._busy):
            self._close(connection)
        self._free.clear()
        await asyncio.gather(*self._closing, return_exceptions=True)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A usable connection of one's own, as soon as there is room for one more.

        Raises ConnectionFailed (a RelayUnavailable) where there is none and none can be opened within
        `patience` seconds, or at once where trying again would not help; ConfigurationError as `open` does.
        """
        connection = await self._take()
        try:
            yield connection
        finally:
            self._give_back(connection)

    async def _take(self) -> Connection:
        while True:
            await self._take_turn()
            try:
                connection = self._reuse() or await self._open()
            except BaseException:
                self._end_turn()
                raise
            if connection is not None:
                connection.begin_turn(self._turn)
                self._busy.add(connection)
                self._announce()
                return connection
            self._end_turn()

    def _give_back(self, connection: Connection) -> None:
        self._busy.discard(connection)
        if connection.turned_away:
            self._lower()
        if connection.refuses_bdat:
            self._avoid_bdat()
        if connection.full:
            self._note_limit(connection.sent)
        if connection.usable and self._pulse is not None:
            self._free.append(connection)
        else:
            self._close(connection)
        self._end_turn()

    def _avoid_bdat(self) -> None:
        """The relay refused BDAT on one connection: the others need not try it."""
        self._settings = self._settings.model_copy(update={"chunking": False})
        for connection in (*self._busy, *self._free):
            connection.avoid_bdat()

    def _note_limit(self, messages: int) -> None:
        """The relay refused one more on a connection that had `messages`."""
        if messages == self._full_at:
            self._most = min(messages, self._most or messages)
            for connection in (*self._busy, *self._free):
                connection.keep_to(self._most)
        self._full_at = messages

    async def _take_turn(self) -> None:
        self._wanted += 1
        before = self._failure
        try:
            while self._turns >= self._room():
                await self._changed.wait()
                if self._failure is not None and self._failure is not before:
                    raise self._failure  # who went ahead found it away
        finally:
            self._wanted -= 1
        self._turns += 1

    def _room(self) -> int:
        """While none is open, one goes ahead: it waits for a relay that is away, and the others wait for it."""
        return self._concurrency.limit if self._busy or self._free else 1

    def _end_turn(self) -> None:
        self._turns -= 1
        self._announce()

    def _announce(self) -> None:
        """Let all who wait look again."""
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
        """A new connection, or None where the relay refuses one more but serves those that there are."""
        loop = asyncio.get_running_loop()
        pause = FIRST_PAUSE
        while True:
            started = loop.time()
            try:
                connection = await Connection.open(self._settings, self._tls, self._name, self._tokens)
                if self._most is not None:
                    connection.keep_to(self._most)
            except ConnectionFailed as error:
                if self._others():
                    self._lower()
                    return None
                if self._away_since is None:
                    self._away_since = started
                if error.lasting or loop.time() + pause > self._away_since + self._patience:
                    self._failure = error
                    raise
            else:
                self._away_since = None
                return connection
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - so that not all come back at once
            pause = min(pause * 2, LONGEST_PAUSE)

    def _others(self) -> int:
        """How many connections there are, or may soon be, beside the caller's."""
        return self._turns - 1 + sum(connection.usable for connection in self._free)

    def _lower(self) -> None:
        if others := self._others():
            self._concurrency.lower(asyncio.get_running_loop().time(), others)

    def _close(self, connection: Connection) -> None:
        self._finished += connection.sent
        closing = asyncio.get_running_loop().create_task(connection.close())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    def _observe(self) -> None:
        """Four times a second: let the number of connections follow the rate, and close those that idle."""
        loop = asyncio.get_running_loop()
        before = self._concurrency.limit
        finished = self._finished + sum(connection.sent for connection in (*self._busy, *self._free))
        saturated = self._wanted > 0 and len(self._busy) >= before
        self._concurrency.observe(loop.time(), finished, saturated=saturated)
        for worn in [connection for connection in self._free if not connection.usable]:
            self._free.remove(worn)
            self._close(worn)
        if self._concurrency.limit > before:
            self._announce()
        self._pulse = loop.call_later(WINDOW, self._observe)
