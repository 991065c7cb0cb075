"""The transport of a dialogue: an asyncio.Protocol that writes groups and pairs replies with commands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TypeAlias, cast

from mailer.smtp.outcome import Deferred, FailureScope, Outcome, Phase, Uncertain
from mailer.smtp.replies import RawReply, ReplyReader
from mailer.smtp.transaction import Dialogue, Group, SessionState, Verdict

CLOSING = 421

Done: TypeAlias = Callable[[Verdict], None]


class Pipeline(asyncio.Protocol):
    """Runs one dialogue at a time over a transport on which greeting, TLS and login are done.

    What arrives drives it: no task waits for a reply, and the end of a dialogue is a call.
    `broken` is None, or says why nothing more can be sent: the connection is lost, the relay replied 421, or a reply
    was late, unreadable or belongs to no command.

    `limits` are the seconds to wait for each phase's reply; CONTENT's is how long the transfer may make no progress.
    `acknowledge` is called when only some of a group's replies have arrived: the relay may hold back the others
    until then.
    """

    def __init__(self, limits: Mapping[Phase, float], acknowledge: Callable[[], None] = lambda: None) -> None:
        self._loop = asyncio.get_running_loop()
        self._limits = limits
        self._acknowledge = acknowledge
        self._reader = ReplyReader()
        self._transport: asyncio.Transport | None = None
        self._lost = self._loop.create_future()
        self.broken: str | None = None
        self.closed_by_relay = False

        self._dialogue: Dialogue | None = None
        self._done: Done = _ignore
        self._phases: tuple[Phase, ...] = ()
        self._replies: list[RawReply] = []
        self._offered = False
        self._may_offer = _permit

        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0
        self._unsent = 0

    def take_over(self, transport: asyncio.Transport) -> None:
        """Become the transport's protocol: from now on the pipeline receives its data."""
        transport.set_protocol(self)
        self._transport = transport
        if transport.is_closing():
            self.abort("the relay hung up")

    def begin(self, dialogue: Dialogue, done: Done, may_offer: Callable[[], bool] | None = None) -> None:
        """Run `dialogue`; `done` is called with its verdict, once, and perhaps before this returns.

        `may_offer` is called right before content is offered. If it returns False, the connection is closed instead.

        The verdict's outcome is never None here. Where the dialogue can't decide because the connection failed, it is
        Deferred before content was offered and Uncertain after. Raises RuntimeError while another dialogue runs.
        """
        if self._dialogue is not None:
            raise RuntimeError("a connection runs one dialogue at a time")
        self._dialogue, self._done, self._offered = dialogue, done, False
        self._may_offer = may_offer or _permit
        self._phases, self._replies = (Phase.MAIL,), []
        self._advance(None)

    def abort(self, reason: str) -> None:
        """Close the connection at once, and end a running dialogue with the replies received so far."""
        if self.broken is None:
            self.broken = reason
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            self._transport.abort()
        if self._dialogue is not None:
            self._advance(self._replies)

    async def quit(self, timeout_seconds: float) -> None:
        """Send QUIT and close when the relay answers, or after `timeout_seconds`.

        Where the relay does not wait for a command, the connection is closed without QUIT.
        """
        if self.broken is None and self._transport is not None and self._dialogue is None:
            self._transport.write(b"QUIT\r\n")
            await asyncio.wait([self._lost], timeout=timeout_seconds)
        self.abort("closed")
        if self._transport is not None:
            await asyncio.wait([self._lost], timeout=timeout_seconds)

    def _advance(self, replies: list[RawReply] | None) -> None:
        dialogue = cast("Dialogue", self._dialogue)
        try:
            group = next(dialogue) if replies is None else dialogue.send(replies)
        except StopIteration as stop:
            self._end(stop.value)
        except BaseException:  # a wrong argument, which is the caller's mistake
            self._dialogue = None
            raise
        else:
            self._write(group)

    def _end(self, verdict: Verdict) -> None:
        if verdict.outcome is None:
            verdict = verdict._replace(outcome=self._failure())
        self._dialogue = None
        if verdict.state is SessionState.OUT_OF_STEP:
            self.abort("the relay's replies did not match the commands")
        self._done(verdict)

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
        return Deferred(self._awaited, FailureScope.RELAY, None, reason)

    def data_received(self, data: bytes) -> None:
        """Pair replies with commands; send the replies of a complete group to the dialogue."""
        reader = self._reader
        missing = len(self._phases) - len(self._replies) if self._dialogue is not None else 0
        received = reader.feed(data)
        self._replies += received[:missing] if len(received) > missing else received
        for reply in received:
            if reply.code == CLOSING:
                self.closed_by_relay = True
        if reader.fault:
            self.abort(reader.fault)
        elif self.closed_by_relay:
            self.abort("the relay closes the connection (421)")
        elif len(received) > missing or (len(received) == missing and reader.midway):
            self.abort("the relay sent a reply that answers no command")
        elif len(received) == missing:
            self._advance(self._replies)
        else:
            self._acknowledge()
            if received:
                self._watch()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """End a running dialogue with the replies received so far."""
        if not self._lost.done():
            self._lost.set_result(None)
        self.abort("the relay hung up")

    def pause_writing(self) -> None:
        """The write buffer is full: from now on the transfer of the content must make progress."""
        self._unsent = self._buffered()
        self._watch()

    def resume_writing(self) -> None:
        """The write buffer is nearly empty: from now on the relay's reply is awaited."""
        self._unsent = 0
        self._watch()

    def _buffered(self) -> int:
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    @property
    def _awaited(self) -> Phase:
        """The phase that is awaited: the transfer of the content, or the reply to a command."""
        return Phase.CONTENT if self._unsent else self._phases[len(self._replies)]

    def _watch(self) -> None:
        """Restart the time limit of the awaited phase.

        The timer is replaced only where it would fire too late, which is rare.
        """
        if self._dialogue is None:
            return
        self._deadline = deadline = self._loop.time() + self._limits[self._awaited]
        if self._timer is None or self._timer.when() > deadline:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(deadline, self._check_deadline)

    def _check_deadline(self) -> None:
        self._timer = None
        if self._dialogue is None:
            return
        left = self._buffered()
        if self._loop.time() < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._check_deadline)
        elif left < self._unsent:
            self._unsent = left
            self._watch()
        else:
            limit = self._limits[self._awaited]
            self.abort(f"no answer in {self._awaited} within {limit:g} seconds")


def _permit() -> bool:
    return True


def _ignore(_verdict: Verdict) -> None:
    """No dialogue has run yet."""
