"""One run: claim -> gate -> compose -> send -> record.

There is one connection loop for each connection. It submits the outcome of its last mail together with its
next delivery, as one item of a group commit; composes the mail; offers it. So each loop has at most one mail
in flight, which is what a crash can leave uncertain, and one fsync serves all loops that wait.
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
from campaigns.models import DeliveryReason, DeliveryState
from campaigns.sending.compose import Composer
from campaigns.sending.pacing import HeldBack, NotYet
from campaigns.sending.recorder import Recorder, Submission
from mailer.config import RetrySettings
from mailer.database import Clock
from mailer.errors import InvalidInput, MailerError, Refused, RelayUnavailable
from mailer.smtp import Accepted, Deferred, FailureScope, Outcome, Rejected, is_policy_refusal
from mailer.smtp.connection import Connection
from mailer.smtp.relays import Relays

CLAIMED_AHEAD = 1000
MAX_POLICY_REFUSALS = 3  # of different recipients, with nothing accepted in between
MAX_CUT_OFFS = 3  # per connection, with nothing accepted in between: then the relay counts as away
MIN_REST_SECONDS, MAX_REST_SECONDS = 0.01, 900.0  # that a run waits for its limits


@dataclass(slots=True)
class Tally:
    """How many attempts of a run ended in each state so far, and why the run ended early.

    `wrongly_rejected` are deliveries that were rejected before it was clear that the relay refuses everybody.
    """

    states: Counter[DeliveryState] = field(default_factory=Counter)
    error: MailerError | None = None
    refusal: str | None = None
    limited_until: datetime | None = None
    wrongly_rejected: set[int] = field(default_factory=set)


class Sender:
    """Sends the due deliveries of one campaign, until there are none, the relay is not available, or `stop`
    is called.
    """

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
    def database_error(self) -> MailerError | None:
        """The current error of the database, while commits fail and are repeated."""
        return self._recorder.database_error

    def stop(self) -> None:
        """Stop after the mails in flight. Offer no other mail."""
        self._stopping = True
        self._stopped.set()

    def stop_at_once(self) -> None:
        """Stop without waiting for the mails in flight: they become uncertain."""
        self.stop()
        if self._running is not None:
            self._running.cancel()

    async def run(self) -> Tally:
        """Send until nothing is due. The tally has the counts, and why the run ended early."""
        renewing = asyncio.create_task(self._keep_lease())
        sending = self._running = asyncio.create_task(self._send())
        try:
            await asyncio.wait([sending])
        finally:
            tasks = [task for task in (renewing, sending, self._claiming) if task is not None]
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
        """Use one connection after another. An error stops the run, but cancels no mail in flight."""
        try:
            while not self._done():
                if seconds := self._relays.seconds_until_available():
                    await self._rest(self._clock() + timedelta(seconds=seconds))
                    continue
                async with self._relays.connection() as connection:
                    await self._work(connection)
        except MailerError as error:
            self._fail(error)

    async def _work(self, connection: Connection) -> None:
        settlement: Settlement | None = None
        while True:
            ready = connection.has_quota and not self._stopping
            next_id = await self._next_claim(wait=settlement is None) if ready else None
            if settlement is None and next_id is None:
                return
            answer = await self._recorder.submit(Submission(settlement, next_id, connection.relay))
            settlement = None
            match answer:
                case Attempt():
                    settlement = await self._deliver(connection, answer)
                case Withheld():
                    self.tally.states[DeliveryState.WITHHELD] += 1
                case Halted():
                    self.stop()
                case NotYet(until) if next_id is not None:
                    self._claims.appendleft(next_id)
                    self._relays.suspend(connection.relay, (until - self._clock()).total_seconds())
                    return
                case HeldBack() | NotYet() | None:
                    pass
                case _:
                    assert_never(answer)

    async def _deliver(self, connection: Connection, attempt: Attempt) -> Settlement:
        """Compose the mail and offer it, once; returns the outcome to record.

        A process that was frozen past its lease, or cut off from the database, offers nothing: another run
        may have recovered the delivery.
        """
        recipient = attempt.recipient
        if not recipient.is_committed():
            return self._withhold(attempt)
        try:
            composer = self._composer.through(connection.relay)
            envelope, message = composer.compose(recipient, self._clock())
        except InvalidInput as error:
            self.tally.states[DeliveryState.REJECTED] += 1
            return Settlement(
                recipient.delivery_id,
                attempt.attempts,
                DeliveryState.REJECTED,
                reason=DeliveryReason.COMPOSE,
                diagnostic=error.reason,
            )
        # Compose all mails of a group first, then offer them: the code stays in the processor's caches.
        await asyncio.sleep(0)
        if attempt.not_before:
            await asyncio.sleep((attempt.not_before - self._clock()).total_seconds())
        outcome = await connection.send(envelope, message, self._recorder.is_valid)
        settlement = settlement_for(
            recipient.delivery_id,
            outcome,
            attempts=attempt.attempts,
            first_attempted_at=attempt.first_attempted_at,
            now=self._clock(),
            policy=self._retry,
            jitter=random.random(),  # noqa: S311 - spreads retries, keeps no secret
            has_other_relay=self._relays.several,
        )
        self._count(outcome, settlement)
        return settlement

    def _withhold(self, attempt: Attempt) -> Settlement:
        """Offer nothing to an address that the consent ledger does not commit to, and stop."""
        problem = "the address on file is not the one that the consent ledger commits to"
        recipient = attempt.recipient
        hint = "Keep this database as it is. `mailer consent verify` says more."
        self._fail(
            Refused(f"The campaign is paused: of subscriber {recipient.subscriber_id} {problem}.", hint=hint)
        )
        self.tally.states[DeliveryState.WITHHELD] += 1
        return Settlement(recipient.delivery_id, attempt.attempts, DeliveryState.WITHHELD, diagnostic=problem)

    def _count(self, outcome: Outcome, settlement: Settlement) -> None:
        """Count an outcome, and stop the run if the outcome concerns more than this mail."""
        if settlement.state is not DeliveryState.PENDING:
            self.tally.states[settlement.state] += 1
        match outcome:
            case Rejected(scope=FailureScope.SENDER | FailureScope.RELAY):
                self.tally.refusal = outcome.reason
                self.stop()
            case Rejected() if is_policy_refusal(outcome):
                self._count_policy_refusal(settlement.delivery_id, outcome.reason)
            case Deferred(scope=FailureScope.CONNECTION):
                pass
            case Deferred(scope=FailureScope.RELAY):
                self._cut_offs += 1
                if self._cut_offs >= MAX_CUT_OFFS * self._relays.ceiling:
                    self._fail(RelayUnavailable(f"The relay accepts no mail: {outcome.reason}."))
            case _:
                self._cut_offs = 0
        if isinstance(outcome, Accepted):
            self._refused.clear()

    def _count_policy_refusal(self, delivery_id: int, reason: str) -> None:
        """Stop the run if the relay refuses several recipients by policy: then it refuses the sender."""
        self._cut_offs = 0
        self._refused.add(delivery_id)
        if len(self._refused) >= MAX_POLICY_REFUSALS:
            self.tally.refusal = self.tally.refusal or reason
            self.tally.wrongly_rejected |= self._refused
            self.stop()

    def _fail(self, error: MailerError) -> None:
        self.tally.error = self.tally.error or error
        self.stop()

    def _done(self) -> bool:
        return self._stopping or (self._exhausted and not self._claims)

    async def _next_claim(self, *, wait: bool) -> int | None:
        """The next claimed delivery; more are claimed ahead while mails are in flight.

        Without `wait`, None means that none is at hand: the last outcome must be recorded first.
        """
        if len(self._claims) < CLAIMED_AHEAD // 2 and self._claiming is None and not self._exhausted:
            self._claiming = asyncio.create_task(self._claim())
        if not self._claims and wait and self._claiming is not None:
            await asyncio.shield(self._claiming)
        return self._claims.popleft() if self._claims and not self._stopping else None

    async def _claim(self) -> bool:
        """Claim ahead; whether there are any claims."""
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
        """Wait until the next delivery that only a limit holds back is due; whether there is one."""
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
        """Wait for the limits, unless that takes too long: then the run ends, and a later one continues."""
        seconds = (until - self._clock()).total_seconds()
        if seconds > MAX_REST_SECONDS:
            self.tally.limited_until = until
            self.stop()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), max(seconds, MIN_REST_SECONDS))

    async def _keep_lease(self) -> None:
        """Renew the lease while all connection loops wait for a slow relay."""
        while True:
            await asyncio.sleep(self._lease / 3)
            try:
                if isinstance(await self._recorder.submit(Submission()), Halted):
                    self.stop()
            except MailerError as error:
                self._fail(error)
