"""One SMTP connection, on which one message after the other is sent."""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Self, cast

from mailer.config import RelaySettings, TimeoutSettings
from mailer.message import Content
from mailer.smtp.handshake import connect, tls_context
from mailer.smtp.oauth2 import TokenSource
from mailer.smtp.outcome import Deferred, Outcome, Phase, Reply, Scope, Uncertain
from mailer.smtp.pipeline import Pipeline
from mailer.smtp.transaction import Capabilities, Envelope, SessionState, transact

GOODBYE = 2.0  # seconds that a relay has to answer QUIT


class Connection:
    """A connection on which one message after the other is sent.

    `usable` is False once it is broken, worn (messages_per_connection) or was idle for too long (idle_seconds):
    close it and take another. `relay` is the name of the relay, `sent` counts the messages that were sent on it,
    and `served` those of which the relay decided what becomes of them.

    `full` is set once the relay has refused one more message on it after it had served some, and `refuses_bdat` once
    the relay has refused a command that it offers. Both concern the connection: the message goes by another one.
    """

    def __init__(
        self, pipeline: Pipeline, capabilities: Capabilities, settings: RelaySettings, relay: str = ""
    ) -> None:
        self.capabilities = capabilities
        self.relay = relay
        self.sent = self.served = 0
        self.full = self.refuses_bdat = False
        self._pipeline = pipeline
        self._most = min(settings.messages_per_connection, capabilities.mailmax or sys.maxsize)
        self._turn_ends = self._most
        self._longest_idle = settings.idle_seconds
        self._loop = asyncio.get_running_loop()
        self._used = self._loop.time()
        self._debt = SessionState.NONE

    @classmethod
    async def open(
        cls,
        settings: RelaySettings,
        tls: ssl.SSLContext | None = None,
        relay: str = "",
        tokens: TokenSource | None = None,
    ) -> Self:
        """Connect, encrypt, greet and log in.

        `tls` saves reading the authorities' certificates again, and `tokens` asking for another access token; by
        default both are made from the settings.
        Raises ConnectionFailed (a RelayUnavailable), which says in which phase and why; ConfigurationError
        where ca_file can't be read or a password would go in clear.
        """
        ready = await connect(settings, tls or tls_context(settings), tokens)
        pipeline = Pipeline(_limits(settings.timeouts), ready.acknowledge)
        pipeline.take_over(ready.transport)
        return cls(pipeline, ready.capabilities, settings, relay)

    @property
    def usable(self) -> bool:
        """May another message be sent on it?"""
        idle = self._loop.time() - self._used
        spent = self.full or self.sent >= self._most
        return self._pipeline.broken is None and not spent and idle < self._longest_idle

    @property
    def has_turn(self) -> bool:
        """May another message be sent on it before others have their turn?"""
        return self.sent < self._turn_ends and self.usable

    def keep_to(self, messages: int) -> None:
        """Have no more than so many messages sent on it in all."""
        self._most = min(self._most, messages)

    def avoid_bdat(self) -> None:
        """Send the content with DATA from now on."""
        self.capabilities = replace(self.capabilities, chunking=False)

    def begin_turn(self, messages: int | None) -> None:
        """Let so many messages be sent before others have their turn; None: as many as it bears."""
        self._turn_ends = self._most if messages is None else self.sent + messages

    @property
    def turned_away(self) -> bool:
        """Did the relay close it with a 421 before it had served?"""
        return self._pipeline.turned_away and not self.served

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
        outcome = self._of_connection(cast("Outcome", verdict.outcome))
        match outcome:
            case Deferred(scope=Scope.CONNECTION):
                return outcome
            case Uncertain() | Deferred(scope=Scope.RELAY):
                self.sent += 1
                self._turn_ends = self.sent
            case _:
                self.sent += 1
                self.served += 1
        return outcome

    def _of_connection(self, outcome: Outcome) -> Outcome:
        """The same outcome, but of the connection where the relay refuses it one more message (RFC 5321: 4yz)."""
        match outcome:
            case Deferred(phase=Phase.FINAL, scope=Scope.CONNECTION):
                self.refuses_bdat = True
            case Deferred(phase=Phase.MAIL, scope=Scope.RELAY, reply=Reply(code=code)) if (
                self.served and code // 100 == 4
            ):
                self.full = True
                return replace(outcome, scope=Scope.CONNECTION)
        return outcome

    async def close(self) -> None:
        """Say QUIT, for up to two seconds, and close. Where that is not possible just close."""
        if self._debt is SessionState.DOT_AND_RESET:
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
