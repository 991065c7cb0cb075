"""One run: claim -> gate -> compose -> send -> record.

As many lanes as the relay gives connections go round the same loop: hand in the outcome of the last mail and
ask the gate for the next, in one item of a group commit; put the mail together; offer it. So each lane has at
most one mail in the air, which is what a crash can leave in doubt, and one fsync serves all lanes that wait.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import assert_never, cast

from sqlalchemy import Connection

from campaigns import deliveries, workers
from campaigns.compose import Composer
from campaigns.deliveries import Answer, Attempt, Halted, Hold, Withheld
from campaigns.models import DeliveryState
from campaigns.retry import Settlement, settlement
from mailer import smtp
from mailer.database import Clock, Database
from mailer.errors import InvalidInput, MailerError, RelayUnavailable, TryAgainLater
from mailer.group_commit import GroupCommit
from mailer.outcome import Deferred, Outcome, Rejected, Scope
from mailer.settings import RetrySettings

CLAIMED_AHEAD = 1000
CUT_OFFS_IN_A_ROW = 3  # per connection; a relay that takes nothing in between is as good as away
PAUSE_WITHOUT_DATABASE = 0.5  # seconds
RENEWAL = 0.1  # of a lease, after which it is renewed
MARGIN = 0.1  # of a lease, left unused: two hosts' ideas of the database's clock may differ a little


@dataclass(frozen=True, slots=True)
class Turn:
    """What a lane hands in and asks for: the outcome of its last mail, and a claimed delivery to attempt.

    `again` says that it may have been applied before, and that nobody saw the answer.
    """

    settled: Settlement | None = None
    wanted: int | None = None
    again: bool = False


@dataclass(frozen=True, slots=True)
class MoreClaims:
    """A wish for claims to read ahead."""

    limit: int


Item = Turn | MoreClaims
Result = Answer | list[int] | None


@dataclass(frozen=True, slots=True)
class Committed:
    """What came of an item, and when the lease was last renewed as of that commit."""

    result: Result
    renewed: datetime


@dataclass(slots=True)
class Tally:
    """What a run has done so far, by the state in which each attempt ended, and why it stopped early."""

    states: Counter[DeliveryState] = field(default_factory=Counter)
    error: MailerError | None = None
    refusal: str | None = None


class Ledger:
    """The sender's side of the delivery ledger: turns and claims, committed in groups under a lease.

    A group renews the lease where a good part of it has passed, or where it claims. Once the lease is lost,
    whatever is asked is answered with Halted; and even a group that did not look finds its claims gone, for a
    burial takes them away.
    """

    def __init__(self, database: Database, hold: Hold, clock: Clock, lease: timedelta) -> None:
        self._hold, self._clock, self._lease = hold, clock, lease
        self._commits: GroupCommit[Item, Committed] = GroupCommit(database, self._apply)
        self._renewed = clock() - lease

    def is_valid(self) -> bool:
        """Whether nobody else can have taken us for dead yet, so that content may be offered."""
        return self._clock() < self._renewed + self._lease * (1 - MARGIN)

    async def turn(self, turn: Turn) -> Answer | None:
        """Record an outcome and pass the gate; durable when it returns.

        While the database is away nothing is offered to the relay. It is asked again until the lease may have
        passed; then TryAgainLater is raised, and what could not be recorded will be found uncertain.
        """
        give_up = self._clock() + self._lease
        while True:
            try:
                return cast("Answer | None", await self._submit(turn))
            except TryAgainLater:
                if self._clock() >= give_up:
                    raise
                # The commit may have happened though its answer was lost. Outcomes can be recorded again; the
                # wanted delivery may be an attempt by now, of which only we know that it was never offered.
                turn = replace(turn, again=True)
                await asyncio.sleep(PAUSE_WITHOUT_DATABASE)

    async def claims(self, limit: int) -> list[int]:
        """Claim more deliveries; none are left when fewer than `limit` come back."""
        claimed = await self._submit(MoreClaims(limit))
        return claimed if isinstance(claimed, list) else []

    async def close(self) -> None:
        """Finish what was submitted."""
        await self._commits.close()

    async def _submit(self, item: Item) -> Result:
        committed = await self._commits.submit(item)
        self._renewed = max(self._renewed, committed.renewed)
        return committed.result

    def _apply(self, connection: Connection, items: Sequence[Item]) -> Sequence[Committed]:
        now, renewed = self._clock(), self._renewed
        # A claim always looks at the lease: made after a burial, it would be nobody's to give back.
        if now > renewed + self._lease * RENEWAL or any(isinstance(item, MoreClaims) for item in items):
            if not workers.renew(connection, self._hold.worker_id, now, self._lease):
                return [Committed(Halted(), renewed)] * len(items)
            renewed = now
        turns = [item for item in items if isinstance(item, Turn)]
        settled = [turn.settled for turn in turns if turn.settled is not None]
        wanted = [turn.wanted for turn in turns if turn.wanted is not None]
        again = [turn.wanted for turn in turns if turn.again and turn.wanted is not None]
        deliveries.settle(connection, self._hold, settled, now)
        deliveries.take_back(connection, self._hold, again)
        answers = deliveries.attempt(connection, self._hold, wanted, now)
        return [Committed(self._result(connection, item, answers, now), renewed) for item in items]

    def _result(
        self, connection: Connection, item: Item, answers: dict[int, Answer], now: datetime
    ) -> Result:
        match item:
            case MoreClaims(limit):
                return deliveries.claim(connection, self._hold, now, limit)
            case Turn(wanted=wanted):
                return None if wanted is None else answers[wanted]
            case _:
                assert_never(item)


class Sender:
    """Sends what is due of one campaign, until nothing is, the relay is away, or it is told to stop."""

    def __init__(
        self,
        ledger: Ledger,
        relay: smtp.Relay,
        composer: Composer,
        clock: Clock,
        *,
        lease: timedelta,
        retry: RetrySettings,
    ) -> None:
        self.tally = Tally()
        self._ledger, self._relay, self._composer = ledger, relay, composer
        self._clock, self._lease, self._retry = clock, lease.total_seconds(), retry
        self._claims: deque[int] = deque()
        self._claiming: asyncio.Task[bool] | None = None
        self._exhausted = False
        self._stopping = False
        self._cut_offs = 0

    def stop(self) -> None:
        """Offer nothing more; mails that are in the air are seen to their end."""
        self._stopping = True

    async def run(self) -> Tally:
        """Send until there is nothing left to do now. The tally says how it went, and why it ended early."""
        heart = asyncio.create_task(self._keep_lease())
        try:
            while await self._claim():
                await asyncio.gather(*(self._lane() for _ in range(self._relay.ceiling)))
        finally:
            heart.cancel()
        return self.tally

    async def _lane(self) -> None:
        """Work on one connection after another. An error stops the run, but cancels no mail in the air."""
        try:
            while not self._done():
                async with self._relay.connection() as connection:
                    await self._work(connection)
        except MailerError as error:
            self._fail(error)

    async def _work(self, connection: smtp.Connection) -> None:
        settled: Settlement | None = None
        while True:
            ready = connection.usable and not self._stopping
            wanted = await self._next_claim(wait=settled is None) if ready else None
            if settled is None and wanted is None:
                return
            answer = await self._ledger.turn(Turn(settled, wanted))
            settled = None
            match answer:
                case Attempt():
                    settled = await self._deliver(connection, answer)
                case Withheld():
                    self.tally.states[DeliveryState.WITHHELD] += 1
                case Halted():
                    self.stop()
                case None:
                    pass
                case _:
                    assert_never(answer)

    async def _deliver(self, connection: smtp.Connection, attempt: Attempt) -> Settlement:
        """Put the mail together and offer it, once; what became of it is what to hand in next.

        A process that was frozen past its lease, or cut off from the database, offers nothing: others may have
        taken the delivery for dead.
        """
        recipient = attempt.recipient
        try:
            envelope, message = await self._composer.compose_aside(recipient, self._clock())
        except InvalidInput as error:
            self.tally.states[DeliveryState.REJECTED] += 1
            return Settlement(
                recipient.delivery_id,
                attempt.attempts,
                DeliveryState.REJECTED,
                phase="compose",
                reply_text=error.reason,
            )
        outcome = await connection.send(envelope, message, self._ledger.is_valid)
        settled = settlement(
            recipient.delivery_id,
            outcome,
            attempts=attempt.attempts,
            first_attempted_at=attempt.first_attempted_at,
            now=self._clock(),
            policy=self._retry,
            luck=random.random(),  # noqa: S311 - spreads retries, keeps no secret
        )
        self._note(outcome, settled)
        return settled

    def _note(self, outcome: Outcome, settled: Settlement) -> None:
        """Count an outcome, and stop where it is not about this one mail."""
        if settled.state is not DeliveryState.PENDING:
            self.tally.states[settled.state] += 1
        match outcome:
            case Rejected(scope=Scope.SENDER | Scope.RELAY):
                self.tally.refusal = outcome.reason
                self.stop()
            case Deferred(scope=Scope.RELAY):
                self._cut_offs += 1
                if self._cut_offs >= CUT_OFFS_IN_A_ROW * self._relay.ceiling:
                    self._fail(RelayUnavailable(f"The relay takes no mail: {outcome.reason}."))
            case _:
                self._cut_offs = 0

    def _fail(self, error: MailerError) -> None:
        self.tally.error = self.tally.error or error
        self.stop()

    def _done(self) -> bool:
        return self._stopping or (self._exhausted and not self._claims)

    async def _next_claim(self, *, wait: bool) -> int | None:
        """The next claimed delivery; more are read ahead while mails are in the air.

        Without `wait`, None means that none is at hand: the outcome in hand is to be recorded first.
        """
        if len(self._claims) < CLAIMED_AHEAD // 2 and self._claiming is None and not self._exhausted:
            self._claiming = asyncio.create_task(self._claim())
        if not self._claims and wait and self._claiming is not None:
            await asyncio.shield(self._claiming)
        return self._claims.popleft() if self._claims and not self._stopping else None

    async def _claim(self) -> bool:
        """Read claims ahead; whether there are any to work on."""
        try:
            claimed = await self._ledger.claims(CLAIMED_AHEAD)
            self._claims.extend(claimed)
            self._exhausted = len(claimed) < CLAIMED_AHEAD
        except MailerError as error:
            self._fail(error)
        finally:
            self._claiming = None
        return bool(self._claims) and not self._stopping

    async def _keep_lease(self) -> None:
        """Renew the lease while all lanes wait for a slow relay."""
        while True:
            await asyncio.sleep(self._lease / 3)
            try:
                if isinstance(await self._ledger.turn(Turn()), Halted):
                    self.stop()
            except MailerError as error:
                self._fail(error)
