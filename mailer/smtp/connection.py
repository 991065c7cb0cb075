"""One SMTP connection, which sends one message after the other."""

from __future__ import annotations

import asyncio
import select
import sys
from collections.abc import Callable, Iterable
from typing import cast

from msgspec import structs

from mailer.config import RelaySettings
from mailer.message import Content
from mailer.smtp.handshake import Session
from mailer.smtp.outcome import TOO_MANY, Deferred, FailureScope, Outcome, Phase, Reply, Uncertain, says_busy
from mailer.smtp.pipeline import Pipeline
from mailer.smtp.transaction import Dialogue, Envelope, SessionState, Verdict, too_large

QUIT_TIMEOUT = 2.0  # seconds to wait for the answer to QUIT


class Connection:
    """A connection that sends one message after the other.

    `relay` is the name of the relay. `sent` counts the messages that were sent on it, and `served` those that the relay
    accepted, deferred or rejected.

    `full` is set once the relay refused one more message after it had served some, and `refuses_bdat` once the relay
    refused BDAT although it offers CHUNKING. Both concern the connection: another one can send the message.

    `busy` is what the relay said when it took no more mail for the moment: the message before, and any other, must wait.

    `announced` is the envelope of the next message, where the relay has it and waits for its content. `refused` is that
    envelope and its outcome, where the relay refused its recipient.
    """

    def __init__(self, session: Session, settings: RelaySettings, relay: str = "") -> None:
        self.capabilities, self.relay = session.capabilities, relay
        self.sent = self.served = 0
        self.full = self.refuses_bdat = False
        self.busy: str | None = None
        self.announced: Envelope | None = None
        self.refused: tuple[Envelope, Outcome] | None = None
        timeouts, phases = settings.timeouts, (Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.FINAL)
        limits = {phase: getattr(timeouts, phase) for phase in phases} | {Phase.CONTENT: timeouts.block}
        self._pipeline = Pipeline(session.transport, limits, session.acknowledge)
        self._quota_end = sys.maxsize
        self.keep_to(settings)
        self._loop = asyncio.get_running_loop()
        self._last_used = self._loop.time()
        self._state = SessionState.NONE
        self._done: Callable[[Outcome], None] | None = None  # while a message is being sent
        self._announcing: Envelope | None = None

    @property
    def usable(self) -> bool:
        """Whether another message may be sent on it: it is not broken, used up, or idle for too long (idle_seconds)."""
        idle = self._loop.time() - self._last_used
        used_up = self.full or self.sent >= self._max_messages
        return self._pipeline.broken is None and not used_up and idle < self._settings.idle_seconds

    @property
    def has_quota(self) -> bool:
        """Whether another message may be sent on it before it is given back."""
        return self.sent < self._quota_end and self.usable

    @property
    def can_announce(self) -> bool:
        """Whether an envelope may be sent with the content before it: after the next message there is another one."""
        offered = self.capabilities
        is_useful = self._settings.announce and offered.pipelining and not offered.chunking
        return is_useful and self.sent + 1 < self._quota_end

    def keep_to(self, settings: RelaySettings) -> None:
        """Keep to these limits from now on: `messages_per_connection`, `chunking`, `announce` and `idle_seconds`."""
        self._settings = settings
        self._max_messages = min(settings.messages_per_connection, self.capabilities.mailmax or sys.maxsize)
        self._quota_end = min(self._quota_end, self._max_messages)  # announce no message that it may not send
        if not settings.chunking:
            self.capabilities = self.capabilities._replace(chunking=False)

    def set_quota(self, messages: int) -> None:
        """Let `messages` more be sent before it is given back, or as many as the connection may have."""
        self._quota_end = min(self._max_messages, self.sent + messages)
        self.busy = None

    @property
    def socket_to_read_first(self) -> int | None:
        """The file descriptor to look at before content is offered without a reply: with CHUNKING, and where announced."""
        offers_at_once = self.announced is not None or self.capabilities.chunking
        return self._pipeline.socket_number if offers_at_once and self._pipeline.broken is None else None

    @property
    def closed_unserved(self) -> bool:
        """Whether the relay closed it with a 421 before it had served a message."""
        return self._pipeline.closed_by_relay and not self.served

    @property
    def _was_closed_after_serving(self) -> bool:
        """Whether the relay closed it after it had served a message: that says nothing about the next message."""
        return self.served > 0 and (self._pipeline.hung_up or self._pipeline.closed_by_relay)

    def offer(
        self,
        envelope: Envelope,
        content: Content,
        done: Callable[[Outcome], None],
        may_offer: Callable[[], bool] | None = None,
        announce: Envelope | None = None,
    ) -> None:
        """Offer `content` to one recipient; `done` is called with the outcome, perhaps before this returns.

        `announce` is the envelope of the next message, sent with the content (`can_announce`). After the relay has
        accepted it, only that message may be offered: with another envelope the connection is closed instead.

        `may_offer` is called right before the content is offered. If it returns False, nothing is offered, the
        connection is closed, and the outcome is Deferred. Raises RuntimeError where the connection is already sending.
        """
        if self._done is not None:
            raise RuntimeError("a connection sends one message at a time")
        if self.announced not in (None, envelope):
            self._pipeline.abort("another message was announced")
        if self._pipeline.broken is not None:
            scope = FailureScope.CONNECTION if self._was_closed_after_serving else FailureScope.RELAY
            done(Deferred(Phase.MAIL, scope, None, self._pipeline.broken))
            return
        if (refusal := too_large(content, self.capabilities)) is not None:
            self.drop_announced()
            done(refusal)
            return
        self._done, self._announcing, self.announced = done, announce, None
        dialogue = Dialogue(envelope, content, self.capabilities, self._state, announce)
        self._pipeline.begin(dialogue, self._conclude, may_offer)

    async def send(self, envelope: Envelope, content: Content) -> Outcome:
        """`offer`, for a task that waits.

        Cancelling it closes the connection; it is then unknown whether the relay has taken the message.
        """
        ended: asyncio.Future[Outcome] = self._loop.create_future()

        def conclude(outcome: Outcome) -> None:
            if not ended.done():
                ended.set_result(outcome)

        self.offer(envelope, content, conclude)
        try:
            return await ended
        except asyncio.CancelledError:
            self.abort()
            raise

    def abort(self) -> None:
        """Close the connection at once, without the relay's reply to what is being sent."""
        self._pipeline.abort("the sending was cancelled")

    def drop_announced(self) -> None:
        """Close the connection where the relay waits for the content of an announced message: it gets none."""
        if self.announced is not None:
            self._pipeline.abort("the announced message is not sent")

    def _conclude(self, outcome: Outcome, verdict: Verdict) -> None:
        _, self._state, self.refused = verdict
        self.announced = self._announcing if self._state is SessionState.ANNOUNCED else None
        self._last_used = self._loop.time()
        match outcome:
            case Deferred(phase=Phase.FINAL, scope=FailureScope.CONNECTION):
                self.refuses_bdat = True
            case Deferred(phase=phase, scope=FailureScope.RELAY, reply=Reply(code=code, enhanced=status)) if (
                self.served and code // 100 == 4 and (phase is Phase.MAIL or status == TOO_MANY)
            ):
                self.full = True
                outcome = structs.replace(outcome, scope=FailureScope.CONNECTION)
            case Deferred(phase=Phase.MAIL, scope=FailureScope.RELAY, reply=None) if (
                self._was_closed_after_serving
            ):
                outcome = structs.replace(outcome, scope=FailureScope.CONNECTION)
            case Uncertain() | Deferred(scope=FailureScope.RELAY):
                self.sent += 1
                self._quota_end = self.sent
                self.busy = outcome.reason if says_busy(outcome) else None
            case _:
                self.sent += 1
                self.served += 1
        done, self._done = cast("Callable[[Outcome], None]", self._done), None
        done(outcome)

    async def close(self) -> None:
        """Send QUIT and close, after two seconds at most. Where QUIT is not possible, close at once."""
        if self._state in {SessionState.DOT_AND_RESET, SessionState.ANNOUNCED}:
            self._pipeline.abort("closed")
        await self._pipeline.quit(QUIT_TIMEOUT)


def anything_to_read(connections: Iterable[Connection]) -> bool:
    """Whether anything waits to be read although no reply is due, such as the end of a connection.

    Where the event loop did not run for a while, it has not read this yet. One call for all: a call for each would cost a mail 2 µs.
    """
    arrivals = select.poll()
    for connection in connections:
        if (number := connection.socket_to_read_first) is not None:
            arrivals.register(number, select.POLLIN)
    return bool(arrivals.poll(0))
