"""The transport of a dialogue: an asyncio.Protocol that writes groups and pairs replies with commands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TypeAlias

from mailer.smtp.outcome import Deferred, FailureScope, Outcome, Phase, Uncertain
from mailer.smtp.replies import RawReply, ReplyReader
from mailer.smtp.transaction import Dialogue, SessionState, Verdict

CLOSING = 421

Done: TypeAlias = Callable[[Outcome, Verdict], None]


class Pipeline(asyncio.Protocol):
    """Runs one dialogue at a time over a transport on which greeting, TLS and login are done.

    What arrives drives it: no task waits for a reply, and the end of a dialogue is a call.
    `broken` is None, or says why nothing more can be sent: the connection is lost, the relay replied 421, or a reply
    was late, unreadable or belongs to no command. `hung_up`: the relay closed the connection without a reply.
    `socket_number` is the file descriptor of its socket, while it is not broken.

    `limits` are the seconds to wait for each phase's reply; CONTENT's is how long the transfer may make no progress.
    `acknowledge` is called when only some of a group's replies have arrived: the relay may hold back the others
    until then.
    """

    def __init__(
        self, transport: asyncio.Transport, limits: Mapping[Phase, float], acknowledge: Callable[[], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport, self._limits, self._acknowledge = transport, limits, acknowledge
        sock = transport.get_extra_info("socket")
        self.socket_number: int = -1 if sock is None else sock.fileno()
        self._reader = ReplyReader()
        self._lost = self._loop.create_future()
        self.broken: str | None = None
        self.closed_by_relay = self.hung_up = False

        self._dialogue: Dialogue | None = None
        self._done: Done
        self._replies: list[RawReply] = []
        self._offered = False
        self._may_offer: Callable[[], bool] | None = None

        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0
        self._unsent = 0
        transport.set_protocol(self)  # from now on the pipeline receives its data
        if sock is None:
            self.connection_lost(None)  # uvloop's TLS has told this to the protocol from before
        elif transport.is_closing():
            self.abort("the relay hung up")

    def begin(self, dialogue: Dialogue, done: Done, may_offer: Callable[[], bool] | None = None) -> None:
        """Run `dialogue`; `done` is called with the outcome and the verdict, once, and perhaps before this returns.

        `may_offer` is called right before content is offered. If it returns False, the connection is closed instead.
        Where the verdict has no outcome because the connection failed, it is Deferred before content was offered and
        Uncertain after. One dialogue runs at a time.
        """
        self._dialogue, self._done, self._may_offer, self._offered = dialogue, done, may_offer, False
        self._write(dialogue)

    def abort(self, reason: str) -> None:
        """Close the connection at once, and end a running dialogue with the replies received so far."""
        if self.broken is None:
            self.broken = reason
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._transport.abort()
        if self._dialogue is not None:
            self._proceed(self._dialogue, self._dialogue.judge(self._replies))

    async def quit(self, timeout_seconds: float) -> None:
        """Send QUIT and close when the relay answers, or after `timeout_seconds`.

        Where the relay does not wait for a command, the connection is closed without QUIT.
        """
        if self.broken is None and self._dialogue is None:
            self._transport.write(b"QUIT\r\n")
            await asyncio.wait([self._lost], timeout=timeout_seconds)
        self.abort("closed")
        await asyncio.wait([self._lost], timeout=timeout_seconds)

    def _proceed(self, dialogue: Dialogue, verdict: Verdict | None) -> None:
        if verdict is None:
            self._write(dialogue)
            return
        outcome = verdict.outcome or self._failure(dialogue)
        self._dialogue = None
        if verdict.state is SessionState.OUT_OF_STEP:
            self.abort("the relay's replies did not match the commands")
        self._done(outcome, verdict)

    def _write(self, dialogue: Dialogue) -> None:
        group = dialogue.group
        self._replies = []
        if self.broken is not None:
            self._proceed(dialogue, dialogue.judge([]))
            return
        if self._transport.is_closing():
            self._end()
            return
        if group.offers:
            if self._may_offer is not None and not self._may_offer():
                self.abort("it was too late to offer the content")
                return
            self._offered = True
        self._watch()
        self._transport.writelines(group.data)

    def _failure(self, dialogue: Dialogue) -> Outcome:
        phase, reason = self._awaited(dialogue), self.broken or "there is no connection"
        if self._offered:
            return Uncertain(phase, reason)
        return Deferred(phase, FailureScope.RELAY, None, reason)

    def data_received(self, data: bytes) -> None:
        """Pair replies with commands, and have those of a complete group judged."""
        dialogue, reader = self._dialogue, self._reader
        missing = 0
        if dialogue is not None:
            begun = self._replies or reader.midway
            if not begun and (text := dialogue.recognise(data)) is not None:
                self._proceed(dialogue, dialogue.go_on(text))
                return
            missing = len(dialogue.group.phases) - len(self._replies)
        received = reader.feed(data)
        self._replies += received[:missing]
        self.closed_by_relay |= any(reply.code == CLOSING for reply in received)
        if reader.fault:
            self.abort(reader.fault)
        elif self.closed_by_relay:
            self.abort("the relay closes the connection (421)")
        elif len(received) > missing or (len(received) == missing and reader.midway):
            self.abort("the relay sent a reply that answers no command")
        elif dialogue is not None and len(received) == missing:
            self._proceed(dialogue, dialogue.judge(self._replies))
        else:
            self._acknowledge()
            if received:
                self._watch()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """End a running dialogue with the replies received so far."""
        if not self._lost.done():
            self._lost.set_result(None)
        self._end()

    def _end(self) -> None:
        """Note that the connection is closed: by the relay, if we have not."""
        self.hung_up |= self.broken is None
        self.abort("the relay hung up")

    def pause_writing(self) -> None:
        """The write buffer is full: from now on the transfer of the content must make progress."""
        self._unsent = self._transport.get_write_buffer_size()
        self._watch()

    def resume_writing(self) -> None:
        """The write buffer is nearly empty: from now on the relay's reply is awaited."""
        self._unsent = 0
        self._watch()

    def _awaited(self, dialogue: Dialogue) -> Phase:
        """The phase that is awaited: the transfer of the content, or the reply to a command."""
        return Phase.CONTENT if self._unsent else dialogue.group.phases[len(self._replies)]

    def _watch(self) -> None:
        """Restart the time limit of the awaited phase."""
        if self._dialogue is None:
            return
        self._deadline = deadline = self._loop.time() + self._limits[self._awaited(self._dialogue)]
        if self._timer is None or self._timer.when() > deadline:  # else it fires too early, and is set again
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(deadline, self._check_deadline)

    def _check_deadline(self) -> None:
        self._timer = None
        if self._dialogue is None:
            return
        left = self._transport.get_write_buffer_size()
        if self._loop.time() < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._check_deadline)
        elif left < self._unsent:
            self._unsent = left
            self._watch()
        else:
            awaited = self._awaited(self._dialogue)
            self.abort(f"no answer in {awaited} within {self._limits[awaited]:g} seconds")
