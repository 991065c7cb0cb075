"""One run: claim -> gate -> compose -> send -> record.

As many lanes as the relay gives connections go round the same loop: hand in the outcome of the last mail and
ask the gate for the next, in one item of a group commit; put the mail together; offer it. So each lane has at
most one mail in the air, which is what a crash can leave in doubt, and one fsync serves all lanes that wait.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import assert_never, cast

from sqlalchemy import Connection

from campaigns import deliveries, held_back, workers
from campaigns.compose import Composer
from campaigns.deliveries import Attempt, Halted, Hold, Withheld
from campaigns.models import DeliveryState
from campaigns.pacing import HeldBack, NotYet, PacedAnswer, Pacing
from campaigns.retry import Settlement, settlement
from mailer import smtp
from mailer.database import Clock, Database
from mailer.errors import InvalidInput, MailerError, RelayUnavailable
from mailer.group_commit import GroupCommit
from mailer.outcome import Deferred, Outcome, Rejected, Scope
from mailer.relays import Relays
from mailer.settings import RetrySettings
from subscribers import suppression
from subscribers.models import SuppressionReason

CLAIMED_AHEAD = 1000
CUT_OFFS_IN_A_ROW = 3  # per connection; a relay that takes nothing in between is as good as away
PAUSE_WITHOUT_DATABASE = 0.5  # seconds
PATIENCE = 2  # leases for which a database that fails is asked again
RENEWAL = 0.1  # of a lease, after which it is renewed
SHORTEST_REST, LONGEST_REST = 0.01, 900.0  # seconds that a run waits for its limits
MARGIN = 0.1  # of a lease, left unused: two hosts' ideas of the database's clock may differ a little


@dataclass(frozen=True, slots=True)
class Turn:
    """What a lane hands in and asks for: the outcome of its last mail, and a claimed delivery to attempt.

    `relay` is the one to attempt it through. A turn with neither asks whether to go on at all. `again` says that it may have been applied before, and that nobody saw the answer.
    """

    settled: Settlement | None = None
    wanted: int | None = None
    relay: str = ""
    again: bool = False


@dataclass(frozen=True, slots=True)
class MoreClaims:
    """A wish for claims to read ahead."""

    limit: int


Item = Turn | MoreClaims
Result = PacedAnswer | list[int] | None


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
    limited_until: datetime | None = None


class Ledger:
    """The sender's side of the delivery ledger: turns and claims, committed in groups under a lease.

    A group renews the lease where a good part of it has passed, or where it claims. Once the lease is lost,
    whatever is asked is answered with Halted; and even a group that did not look finds its claims gone, for a
    burial takes them away.
    """

    def __init__(
        self, database: Database, hold: Hold, clock: Clock, lease: timedelta, pacing: Pacing | None = None
    ) -> None:
        self._database, self._hold, self._pacing = database, hold, pacing or Pacing()
        self._clock, self._lease = clock, lease
        self._commits: GroupCommit[Item, Committed] = GroupCommit(database, self._apply)
        self._renewed = clock() - lease
        self.trouble: MailerError | None = None  # what the database says while it is waited for

    def is_valid(self) -> bool:
        """Whether nobody else can have taken us for dead yet, so that content may be offered."""
        return self._clock() < self._renewed + self._lease * (1 - MARGIN)

    async def turn(self, turn: Turn) -> PacedAnswer | None:
        """Record an outcome and pass the gate; durable when it returns.

        What it raises in the end leaves an outcome unrecorded, which will be found uncertain.
        """
        return cast("PacedAnswer | None", await self._submit(turn))

    async def claims(self, limit: int) -> list[int]:
        """Claim more deliveries; none are left when fewer than `limit` come back."""
        claimed = await self._submit(MoreClaims(limit))
        return claimed if isinstance(claimed, list) else []

    async def next_held_back(self) -> datetime | None:
        """When the next delivery is due that waits for nothing but a limit."""

        def find() -> datetime | None:
            with self._database.read() as connection:
                return held_back.next_due(connection, self._hold.campaign_id)

        return await asyncio.to_thread(find)

    async def close(self) -> None:
        """Finish what was submitted."""
        await self._commits.close()

    async def _submit(self, item: Item) -> Result:
        """Have an item committed, however the database may fail meanwhile: away, locked, full or read-only.

        Until then nothing is offered to the relay. Raises what the database says when patience has run out.
        """
        give_up = self._clock() + self._lease * PATIENCE
        while True:
            try:
                committed = await self._commits.submit(item)
            except MailerError as error:
                if self._clock() >= give_up:
                    raise
                self.trouble = error
                # The commit may have happened though its answer was lost. Outcomes can be recorded again; the
                # wanted delivery may be an attempt by now, of which only we know that it was never offered.
                item = replace(item, again=True) if isinstance(item, Turn) else item
                await asyncio.sleep(PAUSE_WITHOUT_DATABASE)
            else:
                self.trouble = None
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
        wanted = {turn.wanted: turn.relay for turn in turns if turn.wanted is not None}
        again = [turn.wanted for turn in turns if turn.again and turn.wanted is not None]
        deliveries.settle(connection, self._hold, settled, now)
        self._suppress(connection, [one.delivery_id for one in settled if one.suppress], now)
        deliveries.take_back(connection, self._hold, again)
        answers = self._pacing.attempt(connection, self._hold, wanted, now)
        return [Committed(self._result(connection, item, answers, now), renewed) for item in items]

    def _result(
        self, connection: Connection, item: Item, answers: Mapping[int, PacedAnswer], now: datetime
    ) -> Result:
        match item:
            case Turn(settled=None, wanted=None):
                return None if deliveries.is_being_sent(connection, self._hold.campaign_id) else Halted()
            case MoreClaims(limit):
                return self._pacing.claim(connection, self._hold, now, limit)
            case Turn(wanted=wanted):
                return None if wanted is None else answers[wanted]
            case _:
                assert_never(item)

    def _suppress(self, connection: Connection, delivery_ids: Sequence[int], now: datetime) -> None:
        """What a relay says of an address at RCPT counts as a bounce."""
        if delivery_ids:
            for hashed in deliveries.address_hashes(connection, delivery_ids):
                suppression.add(connection, hashed, SuppressionReason.BOUNCED, now)


class Sender:
    """Sends what is due of one campaign, until nothing is, the relay is away, or it is told to stop."""

    def __init__(
        self,
        ledger: Ledger,
        relays: Relays,
        composer: Composer,
        clock: Clock,
        *,
        lease: timedelta,
        retry: RetrySettings,
    ) -> None:
        self.tally = Tally()
        self._ledger, self._relays, self._composer = ledger, relays, composer
        self._clock, self._lease, self._retry = clock, lease.total_seconds(), retry
        self._claims: deque[int] = deque()
        self._claiming: asyncio.Task[bool] | None = None
        self._exhausted = False
        self._stopping = False
        self._stopped = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self._cut_offs = 0

    @property
    def trouble(self) -> MailerError | None:
        """What keeps the database from taking anything, while that is waited for."""
        return self._ledger.trouble

    def stop(self) -> None:
        """Offer nothing more; mails that are in the air are seen to their end."""
        self._stopping = True
        self._stopped.set()

    def stop_at_once(self) -> None:
        """Do not wait for the mails in the air either: what becomes of them is uncertain."""
        self.stop()
        if self._running is not None:
            self._running.cancel()

    async def run(self) -> Tally:
        """Send until there is nothing left to do now. The tally says how it went, and why it ended early."""
        heart = asyncio.create_task(self._keep_lease())
        sending = self._running = asyncio.create_task(self._send())
        try:
            await asyncio.wait([sending])
        finally:
            tasks = [task for task in (heart, sending, self._claiming) if task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if not sending.cancelled():
            sending.result()
        return self.tally

    async def _send(self) -> None:
        while await self._claim() or await self._await_held_back():
            await asyncio.gather(*(self._lane() for _ in range(self._relays.ceiling)))

    async def _lane(self) -> None:
        """Work on one connection after another. An error stops the run, but cancels no mail in the air."""
        try:
            while not self._done():
                if seconds := self._relays.resting_for():
                    await self._rest(self._clock() + timedelta(seconds=seconds))
                    continue
                async with self._relays.connection() as connection:
                    await self._work(connection)
        except MailerError as error:
            self._fail(error)

    async def _work(self, connection: smtp.Connection) -> None:
        settled: Settlement | None = None
        while True:
            ready = connection.has_turn and not self._stopping
            wanted = await self._next_claim(wait=settled is None) if ready else None
            if settled is None and wanted is None:
                return
            answer = await self._ledger.turn(Turn(settled, wanted, connection.relay))
            settled = None
            match answer:
                case Attempt():
                    settled = await self._deliver(connection, answer)
                case Withheld():
                    self.tally.states[DeliveryState.WITHHELD] += 1
                case Halted():
                    self.stop()
                case NotYet(until) if wanted is not None:
                    self._claims.appendleft(wanted)
                    self._relays.rest(connection.relay, (until - self._clock()).total_seconds())
                    return
                case HeldBack() | NotYet() | None:
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
            composer = self._composer.through(connection.relay)
            envelope, message = await composer.compose_aside(recipient, self._clock())
        except InvalidInput as error:
            self.tally.states[DeliveryState.REJECTED] += 1
            return Settlement(
                recipient.delivery_id,
                attempt.attempts,
                DeliveryState.REJECTED,
                phase="compose",
                reply_text=error.reason,
            )
        if attempt.not_before:
            await asyncio.sleep((attempt.not_before - self._clock()).total_seconds())
        outcome = await connection.send(envelope, message, self._ledger.is_valid)
        settled = settlement(
            recipient.delivery_id,
            outcome,
            attempts=attempt.attempts,
            first_attempted_at=attempt.first_attempted_at,
            now=self._clock(),
            policy=self._retry,
            luck=random.random(),  # noqa: S311 - spreads retries, keeps no secret
            elsewhere=self._relays.several,
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
                if self._cut_offs >= CUT_OFFS_IN_A_ROW * self._relays.ceiling:
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

    async def _await_held_back(self) -> bool:
        """Wait for the next delivery that only a limit holds back; whether there may be one to claim."""
        if self._stopping:
            return False
        try:
            due = await self._ledger.next_held_back()
        except MailerError as error:
            self._fail(error)
            return False
        if due is not None:
            await self._rest(due)
        return due is not None and not self._stopping

    async def _rest(self, until: datetime) -> None:
        """Wait for what the limits allow, unless that takes too long: then the run ends, and a later one goes on."""
        seconds = (until - self._clock()).total_seconds()
        if seconds > LONGEST_REST:
            self.tally.limited_until = until
            self.stop()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), max(seconds, SHORTEST_REST))

    async def _keep_lease(self) -> None:
        """Renew the lease while all lanes wait for a slow relay."""
        while True:
            await asyncio.sleep(self._lease / 3)
            try:
                if isinstance(await self._ledger.turn(Turn()), Halted):
                    self.stop()
            except MailerError as error:
                self._fail(error)
