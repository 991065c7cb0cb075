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
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self, cast

from mailer.concurrency import WINDOW, Concurrency
from mailer.content import Content
from mailer.handshake import ConnectionFailed, shake_hands, tls_context
from mailer.outcome import Deferred, Outcome, Phase, Scope, Uncertain
from mailer.pipeline import Pipeline
from mailer.settings import RelaySettings, TimeoutSettings
from mailer.transaction import Capabilities, Debt, Envelope, transact

__all__ = ["Capabilities", "Connection", "ConnectionFailed", "Envelope", "Relay"]

GOODBYE = 2.0  # seconds that a relay has to answer QUIT
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0  # seconds between attempts to connect, each varied by up to half


class Connection:
    """A connection on which one message after the other is sent.

    `usable` is False once it is broken, worn (messages_per_connection) or was idle for too long (idle_seconds):
    close it and take another. `relay` is the name of the relay, `sent` counts the messages that were sent on it,
    and `served` those of which the relay decided what becomes of them.
    """

    def __init__(
        self, pipeline: Pipeline, capabilities: Capabilities, settings: RelaySettings, relay: str = ""
    ) -> None:
        self.capabilities = capabilities
        self.relay = relay
        self.sent = self.served = 0
        self._turn_ends = settings.messages_per_connection
        self._pipeline = pipeline
        self._most = settings.messages_per_connection
        self._longest_idle = settings.idle_seconds
        self._loop = asyncio.get_running_loop()
        self._used = self._loop.time()
        self._debt = Debt.NONE

    @classmethod
    async def open(cls, settings: RelaySettings, tls: ssl.SSLContext | None = None, relay: str = "") -> Self:
        """Connect, encrypt, greet and log in.

        `tls` saves reading the authorities' certificates again; by default it is made from the settings.
        Raises ConnectionFailed (a RelayUnavailable), which says in which phase and why; ConfigurationError
        where ca_file can't be read or a password would go in clear.
        """
        ready = await shake_hands(settings, tls or tls_context(settings))
        pipeline = Pipeline(_limits(settings.timeouts))
        pipeline.take_over(ready.transport)
        return cls(pipeline, ready.capabilities, settings, relay)

    @property
    def usable(self) -> bool:
        """May another message be sent on it?"""
        idle = self._loop.time() - self._used
        return self._pipeline.broken is None and self.sent < self._most and idle < self._longest_idle

    @property
    def has_turn(self) -> bool:
        """May another message be sent on it before others have their turn?"""
        return self.sent < self._turn_ends and self.usable

    def begin_turn(self, messages: int | None) -> None:
        """Let so many messages be sent before others have their turn; None: as many as it bears."""
        self._turn_ends = self._most if messages is None else self.sent + messages

    @property
    def turned_away(self) -> bool:
        """Did the relay close it with a 421?"""
        return self._pipeline.turned_away

    async def send(
        self,
        envelope: Envelope,
        message: Content | bytes,
        may_offer: Callable[[], bool] | None = None,
    ) -> Outcome:
        """Offer `message` (7-bit, CRLF, complete) to one recipient. Nothing that a relay does raises.

        `may_offer` is asked when the dialogue has come to the content; if it says no, nothing is offered, the
        connection is closed, and the outcome is Deferred.

        Cancelling it closes the connection; whether the relay has taken the message is then unknown.
        Raises ValueError for bytes that are not 7-bit or do not end with CRLF, RuntimeError where the
        connection is already sending.
        """
        if self._pipeline.broken is not None:
            return Deferred(Phase.MAIL, Scope.RELAY, None, self._pipeline.broken)
        content = message if isinstance(message, Content) else Content.of(message)
        verdict = await self._pipeline.run(
            transact(envelope, content, self.capabilities, self._debt), may_offer
        )
        self._debt = verdict.debt
        self._used = self._loop.time()
        self.sent += 1
        outcome = cast("Outcome", verdict.outcome)
        match outcome:
            case Uncertain() | Deferred(scope=Scope.RELAY):
                self._turn_ends = self.sent
            case _:
                self.served += 1
        return outcome

    async def close(self) -> None:
        """Say QUIT, for up to two seconds, and close. Where that is not possible just close."""
        if self._debt is Debt.DOT_AND_RESET:
            self._pipeline.abort("closed")
        await self._pipeline.quit(GOODBYE)


def _limits(timeouts: TimeoutSettings) -> dict[Phase, float]:
    return {
        Phase.MAIL: timeouts.mail,
        Phase.RCPT: timeouts.rcpt,
        Phase.DATA: timeouts.data,
        Phase.CONTENT: timeouts.block,
        Phase.FINAL: timeouts.final,
    }


class Relay:
    """An SMTP relay: opens connections as they are wanted, keeps them for the next one, and closes them.

    It begins with a few, adds more while that raises the rate, and goes down to what the relay serves when one
    is refused (421, or no connection). `patience` is for how many seconds it tries when there is none at all.
    `turn` is how many messages may go out on a connection before it is given back; None: as many as it bears.
    """

    def __init__(
        self, settings: RelaySettings, *, name: str = "", patience: float = 5.0, turn: int | None = None
    ) -> None:
        self._settings = settings
        self._name, self._turn = name, turn
        self._patience = patience
        self._tls = tls_context(settings)
        self._concurrency = Concurrency(settings.connections)
        self._away_since: float | None = None
        self._failure: ConnectionFailed | None = None
        self._free: list[Connection] = []
        self._busy: set[Connection] = set()
        self._turns = 0
        self._wanted = 0
        self._finished = 0
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
        if connection.usable and self._pulse is not None:
            self._free.append(connection)
        else:
            self._close(connection)
        self._end_turn()

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
                connection = await Connection.open(self._settings, self._tls, self._name)
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
