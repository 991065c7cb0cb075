"""The transport's end of a dialogue: an asyncio.Protocol that writes groups and pairs replies with commands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import cast

from mailer.smtp.outcome import Deferred, Outcome, Phase, Scope, Uncertain
from mailer.smtp.replies import RawReply, ReplyReader
from mailer.smtp.transaction import Dialogue, Group, SessionState, Verdict

CLOSING = 421


class Pipeline(asyncio.Protocol):
    """Runs one dialogue at a time over a transport that greeted, TLS and login have prepared.

    The next group is written from within `data_received`: a task waits once a dialogue, not once a reply.
    `broken` says why nothing more can be sent, where that is so: the connection is lost, the relay said 421,
    a reply did not come in time, could not be read or answers no command.

    `limits` are seconds to wait for each phase's reply; CONTENT's is how long the sending may stand still.
    `acknowledge` is called when some of a group's replies have come: the relay may wait for that with the others.
    """

    def __init__(self, limits: Mapping[Phase, float], acknowledge: Callable[[], None] = lambda: None) -> None:
        self._loop = asyncio.get_running_loop()
        self._limits = limits
        self._acknowledge = acknowledge
        self._reader = ReplyReader()
        self._transport: asyncio.Transport | None = None
        self._lost = self._loop.create_future()
        self.broken: str | None = None
        self.turned_away = False

        self._dialogue: Dialogue | None = None
        self._done: asyncio.Future[Verdict] | None = None
        self._phases: tuple[Phase, ...] = ()
        self._replies: list[RawReply] = []
        self._offered = False
        self._may_offer = _always

        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0
        self._unsent = 0

    def take_over(self, transport: asyncio.Transport) -> None:
        """Become the transport's protocol; what arrives from here on is ours."""
        transport.set_protocol(self)
        self._transport = transport
        if transport.is_closing():
            self.abort("the relay hung up")

    @property
    def busy(self) -> bool:
        """Is a dialogue under way?"""
        return self._dialogue is not None

    async def run(self, dialogue: Dialogue, may_offer: Callable[[], bool] | None = None) -> Verdict:
        """Hold `dialogue` to its end. Cancelling it closes the connection.

        `may_offer` is asked at the moment in which content would be offered; if it says no, the connection is
        closed instead.

        The verdict's outcome is never None here: where the dialogue could not decide because the connection
        failed, it is Deferred before content was offered and Uncertain after.
        """
        if self.busy:
            raise RuntimeError("a connection holds one dialogue at a time")
        self._dialogue, self._done, self._offered = dialogue, self._loop.create_future(), False
        self._may_offer = may_offer or _always
        self._phases = (Phase.MAIL,)
        self._advance(None)
        try:
            return await self._done
        except asyncio.CancelledError:
            self.abort("the sending was cancelled")
            raise
        finally:
            self._dialogue = self._done = None

    def abort(self, reason: str) -> None:
        """Close the connection at once, and end the dialogue under way with what is known by now."""
        if self.broken is None:
            self.broken = reason
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            self._transport.abort()
        if self._waiting:
            self._advance(self._replies)

    async def quit(self, patience: float) -> None:
        """Say QUIT and close when the relay answers or `patience` seconds have passed.

        Where it is not the relay's turn to hear a command, the connection is closed without a word.
        """
        if self.broken is None and self._transport is not None and not self.busy:
            self._transport.write(b"QUIT\r\n")
            await asyncio.wait([self._lost], timeout=patience)
        self.abort("closed")
        if self._transport is not None:
            await asyncio.wait([self._lost], timeout=patience)

    @property
    def _waiting(self) -> bool:
        return self._done is not None and not self._done.done()

    def _advance(self, replies: list[RawReply] | None) -> None:
        dialogue, done = cast("Dialogue", self._dialogue), cast("asyncio.Future[Verdict]", self._done)
        try:
            group = next(dialogue) if replies is None else dialogue.send(replies)
        except StopIteration as stop:
            verdict: Verdict = stop.value
            done.set_result(verdict if verdict.outcome else Verdict(self._failure(), verdict.debt))
            if verdict.debt is SessionState.HOPELESS:
                self.abort("the relay's replies did not match the commands")
        except Exception as error:  # noqa: BLE001 - a wrong argument, for the caller who waits to see
            done.set_exception(error)
        else:
            self._write(group)

    def _write(self, group: Group) -> None:
        self._phases, self._replies = group.phases, []
        if self.broken is not None or self._transport is None or self._transport.is_closing():
            self._advance([])
            return
        if group.offers and not self._may_offer():
            self.abort("it was too late to offer the content")
            return
        self._offered = self._offered or group.offers
        self._watch()
        self._transport.writelines(group.data)

    def _failure(self) -> Outcome:
        reason = self.broken or "there is no connection"
        if self._offered:
            return Uncertain(self._awaited, reason)
        return Deferred(self._awaited, Scope.RELAY, None, reason)

    def data_received(self, data: bytes) -> None:
        """Pair what arrived with what was asked; hand complete groups to the dialogue."""
        reader = self._reader
        missing = len(self._phases) - len(self._replies) if self._waiting else 0
        came = reader.feed(data)
        self._replies += came[:missing]
        for reply in came:
            self.turned_away = self.turned_away or reply.code == CLOSING
        if reader.fault:
            self.abort(reader.fault)
        elif self.turned_away:
            self.abort("the relay closes the connection (421)")
        elif len(came) > missing or (len(came) == missing and reader.midway):
            self.abort("the relay sent a reply that answers no command")
        elif len(came) == missing:
            self._advance(self._replies)
        else:
            self._acknowledge()
            if came:
                self._watch()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Nothing more will come: what is under way ends with what is known."""
        if not self._lost.done():
            self._lost.set_result(None)
        self.abort("the relay hung up")

    def pause_writing(self) -> None:
        """A large message is leaving: what counts from here is that it keeps moving."""
        self._unsent = self._left()
        self._watch()

    def resume_writing(self) -> None:
        """The message has left, all but a last piece: the relay's reply is what to wait for."""
        self._unsent = 0
        self._watch()

    def _left(self) -> int:
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    @property
    def _awaited(self) -> Phase:
        """What has to happen next: that the content moves on, or a reply to this command."""
        return Phase.CONTENT if self._unsent else self._phases[len(self._replies)]

    def _watch(self) -> None:
        """Give what is awaited its full time from now.

        The timer is touched only where it would ring too late, so hardly ever.
        """
        if not self._waiting:
            return
        self._deadline = deadline = self._loop.time() + self._limits[self._awaited]
        if self._timer is None or self._timer.when() > deadline:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(deadline, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if not self._waiting:
            return
        left = self._left()
        if self._loop.time() < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._ring)
        elif left < self._unsent:
            self._unsent = left
            self._watch()
        else:
            limit = self._limits[self._awaited]
            self.abort(f"no answer in {self._awaited} within {limit:g} seconds")


def _always() -> bool:
    return True
