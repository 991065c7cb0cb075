"""One run: claim -> gate -> compose -> send -> record.

As many lanes as the relay gives connections go round the same loop: hand in the outcome of the last mail and
ask the gate for the next, in one item of a group commit; put the mail together; offer it. So each lane has at
most one mail in the air, which is what a crash can leave in doubt, and one fsync serves all lanes that wait.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import assert_never

from campaigns.deliveries import Attempt, Halted, Settlement, Withheld, settlement_for
from campaigns.models import DeliveryState
from campaigns.sending.compose import Composer
from campaigns.sending.pacing import HeldBack, NotYet
from campaigns.sending.recorder import Recorder, Submission
from mailer.config import RetrySettings
from mailer.database import Clock
from mailer.errors import InvalidInput, MailerError, RelayUnavailable
from mailer.smtp import Accepted, Deferred, Outcome, Rejected, Scope, is_policy_refusal
from mailer.smtp.connection import Connection
from mailer.smtp.relays import Relays

CLAIMED_AHEAD = 1000
POLICY_REFUSALS_IN_A_ROW = 3  # different recipients, with none accepted in between
CUT_OFFS_IN_A_ROW = 3  # per connection; a relay that takes nothing in between is as good as away
SHORTEST_REST, LONGEST_REST = 0.01, 900.0  # seconds that a run waits for its limits


@dataclass(slots=True)
class Tally:
    """What a run has done so far, by the state in which each attempt ended, and why it stopped early.

    `wrongly_rejected` are deliveries that were rejected before it showed that the relay refuses everybody.
    """

    states: Counter[DeliveryState] = field(default_factory=Counter)
    error: MailerError | None = None
    refusal: str | None = None
    limited_until: datetime | None = None
    wrongly_rejected: set[int] = field(default_factory=set)


class Sender:
    """Sends what is due of one campaign, until nothing is, the relay is away, or it is told to stop."""

    def __init__(
        self,
        recorder: Recorder,
        relays: Relays,
        composer: Composer,
        clock: Clock,
        *,
        lease: timedelta,
        retry: RetrySettings,
    ) -> None:
        self.tally = Tally()
        self._recorder, self._relays, self._composer = recorder, relays, composer
        self._clock, self._lease, self._retry = clock, lease.total_seconds(), retry
        self._claims: deque[int] = deque()
        self._claiming: asyncio.Task[bool] | None = None
        self._exhausted = False
        self._stopping = False
        self._stopped = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self._cut_offs = 0
        self._refused: set[int] = set()

    @property
    def trouble(self) -> MailerError | None:
        """What keeps the database from taking anything, while that is waited for."""
        return self._recorder.trouble

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
            await asyncio.gather(*(self._connection_loop() for _ in range(self._relays.ceiling)))

    async def _connection_loop(self) -> None:
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

    async def _work(self, connection: Connection) -> None:
        settled: Settlement | None = None
        while True:
            ready = connection.has_turn and not self._stopping
            wanted = await self._next_claim(wait=settled is None) if ready else None
            if settled is None and wanted is None:
                return
            answer = await self._recorder.turn(Submission(settled, wanted, connection.relay))
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

    async def _deliver(self, connection: Connection, attempt: Attempt) -> Settlement:
        """Put the mail together and offer it, once; what became of it is what to hand in next.

        A process that was frozen past its lease, or cut off from the database, offers nothing: others may have
        taken the delivery for dead.
        """
        recipient = attempt.recipient
        try:
            composer = self._composer.through(connection.relay)
            envelope, message = composer.compose(recipient, self._clock())
        except InvalidInput as error:
            self.tally.states[DeliveryState.REJECTED] += 1
            return Settlement(
                recipient.delivery_id,
                attempt.attempts,
                DeliveryState.REJECTED,
                phase="compose",
                diagnostic=error.reason,
            )
        # First all mails of a group are put together, then all are offered: it is in the processor's caches then.
        await asyncio.sleep(0)
        if attempt.not_before:
            await asyncio.sleep((attempt.not_before - self._clock()).total_seconds())
        outcome = await connection.send(envelope, message, self._recorder.is_valid)
        settled = settlement_for(
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
            case Rejected() if is_policy_refusal(outcome):
                self._note_policy(settled.delivery_id, outcome.reason)
            case Deferred(scope=Scope.CONNECTION):
                pass
            case Deferred(scope=Scope.RELAY):
                self._cut_offs += 1
                if self._cut_offs >= CUT_OFFS_IN_A_ROW * self._relays.ceiling:
                    self._fail(RelayUnavailable(f"The relay takes no mail: {outcome.reason}."))
            case _:
                self._cut_offs = 0
        if isinstance(outcome, Accepted):
            self._refused.clear()

    def _note_policy(self, delivery_id: int, reason: str) -> None:
        """Stop where the relay refuses one recipient after the other for its policy: then it means us."""
        self._cut_offs = 0
        self._refused.add(delivery_id)
        if len(self._refused) >= POLICY_REFUSALS_IN_A_ROW:
            self.tally.refusal = self.tally.refusal or reason
            self.tally.wrongly_rejected |= self._refused
            self.stop()

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
            claimed = await self._recorder.claims(CLAIMED_AHEAD)
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
            due = await self._recorder.next_held_back()
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
                if isinstance(await self._recorder.turn(Submission()), Halted):
                    self.stop()
            except MailerError as error:
                self._fail(error)
