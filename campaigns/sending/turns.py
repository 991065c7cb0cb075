"""Turns: one transaction for all connections that are ready, and then the next mail on each of them.

A connection is ready when it has no mail in flight. A turn takes all that are ready: one transaction records the
outcomes of their last mails and passes the gate for their next ones; then all of those are composed, and then offered.
So each connection has at most one mail in flight, which is what a crash can leave uncertain, and one fsync serves many
mails. What the relay sends drives a connection: no task waits for a mail.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import assert_never

from campaigns.deliveries import Attempt, Halted, Settlement, Withheld, settlement_for
from campaigns.models import DeliveryReason, DeliveryState
from campaigns.sending.compose import Composer
from campaigns.sending.pacing import HeldBack, NotYet
from campaigns.sending.recorder import Batch, Committed, Recorder
from campaigns.sending.tally import Tally
from mailer.config import RetrySettings
from mailer.database import Clock
from mailer.errors import InvalidInput, MailerError, Refused
from mailer.message import Content
from mailer.smtp import Deferred, Envelope, FailureScope, Outcome, Phase
from mailer.smtp.connection import Connection
from mailer.smtp.relays import Relays

CLAIMED_AHEAD = 1000
MAX_WAIT = 0.002  # seconds that a turn waits for connections that are soon ready

Sign = Callable[[Sequence[Content]], Awaitable[Sequence[Content]]]


@dataclass(slots=True, eq=False)
class Lane:
    """A connection in use, and its mail in flight. `ended` is done when the connection is given back.

    `outcome` is what the relay said, and `settlement` what to record where the relay was not asked.
    """

    connection: Connection
    ended: asyncio.Future[None]
    ready: Callable[[Lane], None]
    attempt: Attempt | None = None
    mail: tuple[Envelope, Content] | None = None
    outcome: Outcome | None = None
    settlement: Settlement | None = None
    timer: asyncio.TimerHandle | None = None

    def conclude(self, outcome: Outcome) -> None:
        """The mail in flight has an outcome."""
        self.outcome = outcome
        self.ready(self)

    def end(self, error: BaseException | None = None) -> None:
        """Give the connection back."""
        if self.ended.done():
            return
        if error is None:
            self.ended.set_result(None)
        else:
            self.ended.set_exception(error)


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
        self._claims: deque[int] = deque()
        self._exhausted = self._is_claiming = False
        self._ready: list[Lane] = []
        self._idle: list[Lane] = []  # without a claim, while more are being made
        self._in_flight = 0
        self._committing = 0
        self._is_beginning = False
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def is_over(self) -> bool:
        """Whether no other mail is to be begun."""
        return self._stopped.is_set() or (self._exhausted and not self._claims)

    async def claim(self) -> bool:
        """Claim ahead; whether there are any claims. Raises the database's error."""
        self._take_claims((await self._recorder.commit(Batch(claim=CLAIMED_AHEAD))).claimed)
        return not self.is_over

    async def use(self, connection: Connection) -> None:
        """Send on a connection for as long as there is mail and it may be used.

        Cancelling it closes the connection; what is known of its mail by then is recorded.
        """
        lane = Lane(connection, asyncio.get_running_loop().create_future(), self._be_ready)
        self._be_ready(lane)
        try:
            await lane.ended
        except asyncio.CancelledError:
            connection.abort()
            if lane.timer is not None:
                lane.timer.cancel()
                self._offer(lane)
            raise

    async def finish(self) -> None:
        """Record what is known of the mails of all connections that were given back."""
        while self._ready or self._tasks:
            if not self._tasks:
                self._begin()
            await asyncio.wait(self._tasks)

    def _be_ready(self, lane: Lane) -> None:
        if lane.outcome is not None:
            self._in_flight -= 1
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
            if self._claims and not self._stopped.is_set() and lane.connection.has_quota:
                wanted[self._claims.popleft()] = lane
            else:
                idle.append(lane)
        relays = {number: lane.connection.relay for number, lane in wanted.items()}
        committed = await self._commit(Batch(outcomes, relays, self._number_to_claim()))
        self._idle += idle
        self._release_idle()
        attempting = [lane for number, lane in wanted.items() if self._may_attempt(lane, number, committed)]
        # Compose all mails first, then offer them: the code stays in the processor's caches.
        composed = [lane for lane in attempting if self._compose(lane)]
        self._in_flight += len(composed)
        for lane in await self._signed(composed):
            self._schedule(lane)

    def _number_to_claim(self) -> int:
        enough = len(self._claims) >= CLAIMED_AHEAD // 2
        return (
            0 if enough or self._exhausted or self._is_claiming or self._stopped.is_set() else CLAIMED_AHEAD
        )

    async def _commit(self, batch: Batch) -> Committed | None:
        if not (batch.outcomes or batch.relays or batch.claim):
            return None
        self._committing += 1
        self._is_claiming = self._is_claiming or batch.claim > 0
        try:
            committed = await self._recorder.commit(batch)
            if batch.claim:
                self._take_claims(committed.claimed)
            return committed
        finally:
            self._committing -= 1
            if batch.claim:
                self._is_claiming = False
                self._release_idle()
            self._consider()

    def _take_claims(self, claimed: Sequence[int]) -> None:
        self._claims.extend(claimed)
        self._exhausted = len(claimed) < CLAIMED_AHEAD

    def _release_idle(self) -> None:
        """Let connections without a claim go on, or give them back, unless claims are still to come."""
        if self._is_claiming:
            return
        idle, self._idle = self._idle, []
        for lane in idle:
            if lane.connection.has_quota and not self.is_over:
                self._be_ready(lane)
            else:
                lane.end()

    def _may_attempt(self, lane: Lane, number: int, committed: Committed | None) -> bool:
        """What the gate answered about delivery `number`."""
        answer = committed.answers.get(number, Halted()) if committed is not None else Halted()
        match answer:
            case Attempt():
                lane.attempt = answer
                return True
            case Withheld():
                self._tally.states[DeliveryState.WITHHELD] += 1
            case Halted():
                self._stopped.set()
            case NotYet(until):
                self._claims.appendleft(number)
                self._relays.suspend(lane.connection.relay, (until - self._clock()).total_seconds())
                lane.end()
                return False
            case HeldBack():
                pass
            case _:
                assert_never(answer)
        self._be_ready(lane)
        return False

    def _compose(self, lane: Lane) -> bool:
        """Compose the mail of a connection; False where it can't be offered, and that is to be recorded."""
        assert lane.attempt is not None  # noqa: S101 - the gate let it through
        recipient, attempts = lane.attempt.recipient, lane.attempt.attempts
        if not recipient.is_committed():
            problem = "the address on file is not the one that the consent ledger commits to"
            hint = "Keep this database as it is. `mailer consent verify` says more."
            what = f"The campaign is paused: of subscriber {recipient.subscriber_id} {problem}."
            self._fail(Refused(what, hint=hint))
            state, reason = DeliveryState.WITHHELD, None
        else:
            try:
                composer = self._composer.through(lane.connection.relay)
                lane.mail = composer.compose(recipient, self._clock())
            except InvalidInput as error:
                state, reason, problem = DeliveryState.REJECTED, DeliveryReason.COMPOSE, error.reason
            else:
                return True
        self._tally.states[state] += 1
        lane.settlement = Settlement(
            recipient.delivery_id, attempts, state, reason=reason, diagnostic=problem
        )
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
        lane.connection.offer(envelope, content, lane.conclude, self._recorder.is_valid)

    def _settlement(self, lane: Lane) -> Settlement | None:
        """What to record about the last mail of a connection, if it had one."""
        settlement, outcome, attempt = lane.settlement, lane.outcome, lane.attempt
        lane.settlement = lane.outcome = lane.attempt = None
        if outcome is None or attempt is None:
            return settlement
        settlement = settlement_for(
            attempt.recipient.delivery_id,
            outcome,
            attempts=attempt.attempts,
            first_attempted_at=attempt.first_attempted_at,
            now=self._clock(),
            policy=self._retry,
            jitter=random.random(),  # noqa: S311 - spreads retries, keeps no secret
            has_other_relay=self._relays.several,
        )
        if self._tally.count(outcome, settlement, self._relays.ceiling):
            self._stopped.set()
        return settlement

    def _fail(self, error: MailerError) -> None:
        self._tally.fail(error)
        self._stopped.set()


def _end(lanes: Sequence[Lane], error: BaseException | None = None) -> None:
    for lane in lanes:
        lane.end(error)
