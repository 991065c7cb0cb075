"""Turns: one transaction for all connections that are ready, and then the next mail on each of them.

A connection is ready when it has no mail in flight. A turn takes all that are ready: one transaction records the
outcomes of their last mails and passes the gate for their next ones; then all of those are composed, and then offered.
So each connection has at most one mail in flight, which is what a crash can leave uncertain, and one fsync serves many
mails. What the relay sends drives a connection: no task waits for a mail.

The envelope of the mail after the next may be announced to the relay with the content of the next. Its own content
follows only after a later turn has passed the gate for it; if that withholds it, the connection is closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import assert_never

from campaigns.deliveries import Attempt, Halted, Settlement, Withheld
from campaigns.models import DeliveryReason, DeliveryState
from campaigns.sending.announcements import Announcements
from campaigns.sending.claim_queue import ClaimQueue
from campaigns.sending.compose import Composer
from campaigns.sending.lane import Lane
from campaigns.sending.pacing import HeldBack, NotYet, PacedAnswer
from campaigns.sending.recorder import Batch, Committed, Recorder
from campaigns.sending.tally import Tally
from mailer.config import RetrySettings
from mailer.database import Clock
from mailer.errors import InvalidInput, MailerError, Refused
from mailer.message import Content
from mailer.smtp import Deferred, FailureScope, Phase
from mailer.smtp.connection import Connection
from mailer.smtp.relays import Relays

MAX_WAIT = 0.002  # seconds that a turn waits for connections that are soon ready
MAX_HELD = 1.0  # seconds that a relay is let wait for announced content while the database is busy

Sign = Callable[[Sequence[Content]], Awaitable[Sequence[Content]]]


class Turns:
    """The turns of one run. `stopped` is set to begin no other mail; `tally` gets the outcomes. `sign` signs what was composed."""

    def __init__(
        self,
        recorder: Recorder,
        relays: Relays,
        composer: Composer,
        clock: Clock,
        *,
        retry: RetrySettings,
        tally: Tally,
        stopped: asyncio.Event,
        sign: Sign | None = None,
    ) -> None:
        self._recorder, self._relays, self._composer = recorder, relays, composer
        self._clock, self._retry, self._tally, self._stopped = clock, retry, tally, stopped
        self._sign = sign
        self._claims = ClaimQueue()
        self._lanes: set[Lane] = set()
        self._ready: list[Lane] = []
        self._idle: list[Lane] = []  # without a claim, while more are being made
        self._in_flight = self._committing = 0
        self._announcements = Announcements(is_possible=not recorder.is_paced and not relays.several)
        self._is_beginning = self._is_slow = False
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def is_over(self) -> bool:
        """Whether no other mail is to be begun."""
        return self._stopped.is_set() or (self._claims.exhausted and not self._claims)

    async def claim(self) -> bool:
        """Claim ahead; whether there are any claims. Raises the database's error."""
        self._claims.exhausted = False
        batch = Batch(claim=self._claims.number_to_claim)
        self._claims.add((await self._recorder.commit(batch)).claimed)
        return not self.is_over

    async def use(self, connection: Connection) -> None:
        """Send on a connection for as long as there is mail and it may be used.

        Cancelling it closes the connection; what is known of its mail by then is recorded.
        """
        lane = Lane(connection, asyncio.get_running_loop().create_future(), self._be_ready)
        self._lanes.add(lane)
        self._be_ready(lane)
        try:
            await lane.ended
        except asyncio.CancelledError:
            connection.abort()
            if lane.timer is not None:
                lane.timer.cancel()
                self._offer(lane)
            raise
        finally:
            self._lanes.discard(lane)

    async def finish(self) -> None:
        """Record what is known of the mails of all connections that were given back."""
        while self._ready or self._tasks:
            if not self._tasks:
                self._begin()
            await asyncio.wait(self._tasks)

    def _be_ready(self, lane: Lane) -> None:
        if lane.outcome is not None:
            self._in_flight -= 1
        if self._is_slow:
            lane.connection.drop_announced()
        self._ready.append(lane)
        self._consider()

    def _consider(self) -> None:
        """Begin a turn where as many connections are ready as have a mail in flight; else soon.

        So there are two groups of connections: one commits and composes while the relay has the mails of the other.
        """
        if not self._ready or self._is_beginning or self._committing >= self._recorder.max_concurrent:
            return
        if len(self._ready) >= self._in_flight:
            self._begin()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(MAX_WAIT, self._begin)

    def _begin(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._is_beginning and self._committing < self._recorder.max_concurrent:
            self._is_beginning = True
            task = asyncio.get_running_loop().create_task(self._turn())  # connections that are ready now join
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _turn(self) -> None:
        self._is_beginning = False
        lanes, self._ready = self._ready, []
        try:
            await self._take_turn(lanes)
        except MailerError as error:
            self._fail(error)
            _end(lanes)
        except Exception as error:  # noqa: BLE001 - it goes to the run, which waits for the connections
            self._stopped.set()
            _end(lanes, error)

    async def _take_turn(self, lanes: Sequence[Lane]) -> None:
        outcomes = [one for lane in lanes if (one := self._settlement(lane)) is not None]
        wanted: dict[int, Lane] = {}
        idle = []
        for lane in lanes:
            number = self._next_claim(lane)
            if number is None:
                idle.append(lane)
            else:
                wanted[number] = lane
        relays = {number: lane.connection.relay for number, lane in wanted.items()}
        announce = self._announcements.choose(wanted.values(), self._claims)
        claim = 0 if self._stopped.is_set() else self._claims.number_to_claim
        committed = await self._commit(Batch(outcomes, relays, claim, announce))
        self._idle += idle
        self._release_idle()
        attempting = [
            lane
            for number, lane in wanted.items()
            if self._may_attempt(lane, number, committed.answers.get(number, Halted()))
        ]
        # Compose all mails first, then offer them: the code stays in the processor's caches.
        composed = [lane for lane in attempting if self._compose(lane, committed)]
        self._in_flight += len(composed)
        for lane in await self._signed(composed):
            self._schedule(lane)

    def _settlement(self, lane: Lane) -> Settlement | None:
        """What to record about the last mail of a connection, if it had one."""
        settlement, outcome = lane.take_settlement(
            self._clock(), self._retry, has_other_relay=self._relays.several
        )
        if outcome is None or settlement is None:
            return settlement
        if self._tally.count(outcome, settlement, self._relays.ceiling):
            self._stopped.set()
        return settlement

    def _next_claim(self, lane: Lane) -> int | None:
        """The next delivery of a connection: the one that was announced on it, or any claimed one."""
        if lane.next is not None:
            self._claims.give_back(lane.next)
            lane.next = None
        if self._claims and not self._stopped.is_set() and lane.connection.has_quota:
            return self._claims.take()
        lane.connection.drop_announced()
        return None

    async def _commit(self, batch: Batch) -> Committed:
        if not (batch.outcomes or batch.relays or batch.claim):
            return Committed(self._clock())
        self._committing += 1
        self._claims.is_claiming = self._claims.is_claiming or batch.claim > 0
        timer = asyncio.get_running_loop().call_later(MAX_HELD, self._be_slow)
        try:
            committed = await self._recorder.commit(batch)
            if batch.claim:
                self._claims.add(committed.claimed)
            return committed
        finally:
            timer.cancel()
            self._is_slow = False
            self._committing -= 1
            if batch.claim:
                self._claims.is_claiming = False
                self._release_idle()
            self._consider()

    def _be_slow(self) -> None:
        """A commit takes long: close the connections whose relay waits for announced content, until it has ended."""
        self._is_slow = True
        for lane in self._lanes:
            lane.connection.drop_announced()

    def _release_idle(self) -> None:
        """Let connections without a claim go on, or give them back, unless claims are still to come."""
        if self._claims.is_claiming:
            return
        idle, self._idle = self._idle, []
        for lane in idle:
            if lane.connection.has_quota and not self.is_over:
                self._be_ready(lane)
            else:
                lane.end()

    def _may_attempt(self, lane: Lane, number: int, answer: PacedAnswer) -> bool:
        """Whether to compose the mail of delivery `number`, after the gate's answer."""
        match answer:
            case Attempt():
                lane.attempt = answer
                if not lane.take_refusal(answer):
                    return True
                self._in_flight += 1
            case Withheld():
                self._announcements.withheld(lane)
                self._tally.states[DeliveryState.WITHHELD] += 1
            case Halted():
                self._stopped.set()
            case NotYet(until):
                self._claims.give_back(number)
                self._relays.suspend(lane.connection.relay, (until - self._clock()).total_seconds())
                lane.end()
                return False
            case HeldBack():
                pass
            case _:
                assert_never(answer)
        lane.connection.drop_announced()
        self._be_ready(lane)
        return False

    def _compose(self, lane: Lane, committed: Committed) -> bool:
        """Compose the mail of a connection, and the envelope to announce; False where it can't be offered."""
        assert lane.attempt is not None  # noqa: S101 - the gate let it through
        recipient = lane.attempt.recipient
        composer = self._composer.through(lane.connection.relay)
        if not recipient.is_committed():
            problem = "the address on file is not the one that the consent ledger commits to"
            hint = "Keep this database as it is. `mailer consent verify` says more."
            what = f"The campaign is paused: of subscriber {recipient.subscriber_id} {problem}."
            self._fail(Refused(what, hint=hint))
            return self._give_up(lane, DeliveryState.WITHHELD, None, problem)
        try:
            lane.mail = composer.compose(recipient, self._clock())
        except InvalidInput as error:
            return self._give_up(lane, DeliveryState.REJECTED, DeliveryReason.COMPOSE, error.reason)
        self._announcements.write(lane, committed.announceable, composer)
        return True

    def _give_up(self, lane: Lane, state: DeliveryState, reason: DeliveryReason | None, problem: str) -> bool:
        """Have it recorded that a mail is not offered."""
        self._tally.states[state] += 1
        lane.settle(state, reason, problem)
        lane.connection.drop_announced()
        self._be_ready(lane)
        return False

    async def _signed(self, lanes: Sequence[Lane]) -> Sequence[Lane]:
        """Sign the mails of these connections; none remains where they can't be signed, and that is to be recorded."""
        mails = [lane.mail for lane in lanes if lane.mail is not None]
        if self._sign is None or not mails:
            return lanes
        try:
            contents = await self._sign([content for _, content in mails])
        except MailerError as error:
            self._fail(error)
            for lane in lanes:
                lane.mail = None
                lane.conclude(Deferred(Phase.MAIL, FailureScope.CONNECTION, None, "not signed"))
            return ()
        for lane, (envelope, _), content in zip(lanes, mails, contents, strict=True):
            lane.mail = envelope, content
        return lanes

    def _schedule(self, lane: Lane) -> None:
        """Offer a composed mail, as soon as its rate allows."""
        if lane.attempt is not None and lane.attempt.not_before is not None:
            seconds = (lane.attempt.not_before - self._clock()).total_seconds()
            lane.timer = asyncio.get_running_loop().call_later(max(0.0, seconds), self._offer, lane)
        else:
            self._offer(lane)

    def _offer(self, lane: Lane) -> None:
        """Offer a mail, once.

        A process that was frozen past its lease, or cut off from the database, offers nothing: another run
        may have recovered the delivery.
        """
        assert lane.mail is not None  # noqa: S101 - it was composed
        (envelope, content), lane.mail, lane.timer = lane.mail, None, None
        lane.connection.offer(envelope, content, lane.conclude, self._recorder.is_valid, lane.announce)

    def _fail(self, error: MailerError) -> None:
        self._tally.fail(error)
        self._stopped.set()


def _end(lanes: Iterable[Lane], error: BaseException | None = None) -> None:
    for lane in lanes:
        lane.end(error)
