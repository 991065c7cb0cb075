"""Commits the attempts and outcomes of all connections together, under the worker's lease."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import Connection

from campaigns import deliveries
from campaigns.deliveries import ClaimContext, Settlement, held_back, workers
from campaigns.sending import pacing
from campaigns.sending.hindsight import Hindsight
from campaigns.sending.pacing import PacedAnswer
from mailer.database import Clock, Database, Transactions, in_thread
from mailer.errors import DatabaseReplaced, MailerError, TransactionConflict
from subscribers import ledger, suppression
from subscribers.kinds import Channel, SuppressionReason

if TYPE_CHECKING:
    from mailer.database.pipeline import Pipeline
    from mailer.limits.throttle import Throttle

RETRY_SECONDS = 0.5  # between two tries while the database fails
MAX_OUTAGE_LEASES = 2  # leases for which a database that fails is tried again
RENEWAL_SHARE = 0.1  # of a lease, after which it is renewed
MARGIN = 0.1  # of a lease, left unused: two hosts may differ a little about the database's time


class Batch(NamedTuple):
    """What is committed together: outcomes of attempts, and what to do next.

    `relays` has the claimed deliveries to attempt next, each with its relay; `claim` is how many more to claim. An empty
    batch asks whether the campaign is still being sent.
    """

    outcomes: Sequence[Settlement] = ()
    relays: Mapping[int, str] = MappingProxyType({})
    claim: int = 0


class Committed(NamedTuple):
    """What became of a batch: an answer for each delivery to attempt, and the claimed deliveries with their addresses.

    `halted`: the lease is lost or the campaign is not being sent, so nothing was attempted or claimed. `renewed` is
    when that commit renewed the lease, if it did.
    """

    answers: Mapping[int, PacedAnswer] = MappingProxyType({})
    claimed: Mapping[int, str | None] = MappingProxyType({})
    halted: bool = False
    renewed: datetime | None = None


class Recorder:
    """Commits batches under a lease, one at a time.

    A batch renews the lease where RENEWAL_SHARE of it has passed, or where it claims. Once the lease is lost, every
    batch is halted. A batch that did not renew finds its claims gone: retiring the worker took them.

    `is_paced`: limits apply, so that a claimed delivery may have to wait. `commits_aside`: the event loop goes on while a
    batch commits: on a server, not in a file. `database_error` is set while the database fails and is tried again;
    without `may_retry` its errors are raised at once.
    """

    def __init__(
        self,
        database: Database,
        context: ClaimContext,
        clock: Clock,
        lease: timedelta,
        throttle: Throttle | None = None,
    ) -> None:
        self._database, self._context, self._throttle = database, context, throttle
        self.clock, self.lease = clock, lease
        self._transactions = Transactions(database)
        self.may_retry = True
        self.hindsight = Hindsight(is_needed=not database.is_sqlite)
        self._pipeline = None if database.is_sqlite else _pipeline(database, self.hindsight.doubt)
        self.is_paced, self.commits_aside = throttle is not None, self._pipeline is not None
        self._renewed = self._valid_until = clock() - lease
        self.database_error: MailerError | None = None

    def is_valid(self) -> bool:
        """Whether no other run can have retired this worker yet, so that content may be offered."""
        return self.clock() < self._valid_until

    async def commit(self, batch: Batch) -> Committed:
        """Record the outcomes, pass the gate and claim, in one transaction; durable when it returns.

        While the database is away, locked, full or read-only, it tries again; until then nothing is offered to the
        relay. Raises the database's error after MAX_OUTAGE_LEASES leases, and at once where another file was put in its
        place. Then the outcomes are not recorded: those deliveries will become uncertain.
        """
        give_up_at = self.clock() + self.lease * MAX_OUTAGE_LEASES
        is_retry = False
        while True:
            try:
                committed = await self._run(batch, is_retry=is_retry)
                break
            except MailerError as error:
                is_final = isinstance(error, DatabaseReplaced) or self.clock() >= give_up_at
                if not self.may_retry or is_final:
                    raise
                self.database_error = error
                self.hindsight.doubt()
                # The commit may have happened although its answer was lost. Outcomes can be recorded again; a
                # delivery to attempt may be an attempt by now, and only we know that it was never offered.
                is_retry = True
                await asyncio.sleep(RETRY_SECONDS)
        self.database_error = None
        if committed.renewed is not None:
            self._renewed = committed.renewed
            self._valid_until = self._renewed + self.lease * (1 - MARGIN)
        self.hindsight.remember(batch.outcomes)
        return committed

    async def next_held_back(self) -> datetime | None:
        """When the next delivery that only a limit holds back is due."""

        def find() -> datetime | None:
            with self._database.read() as connection:
                return held_back.next_due(connection, self._context.campaign_id)

        return await in_thread(find)

    def close(self) -> None:
        """Wait for the transactions in progress."""
        self._transactions.close()
        if self._pipeline is not None:
            self._pipeline.close()

    async def _run(self, batch: Batch, *, is_retry: bool) -> Committed:
        if self._pipeline is None or is_retry or not self._is_plain(batch):
            return await self._transact(batch, is_retry=is_retry)
        try:
            done = await self._apply_plain(self._pipeline, batch)
        except TransactionConflict:  # then nothing of it was done
            return await self._transact(batch)
        if done.halted or (len(done.answers) == len(batch.relays) and not batch.claim):
            return done
        # A second one claims, and passes the gate again for those that were stopped: it records who is withheld.
        stopped = {number: relay for number, relay in batch.relays.items() if number not in done.answers}
        rest = await self._transact(Batch(relays=stopped, claim=batch.claim))
        return rest._replace(answers={**done.answers, **rest.answers})

    async def _transact(self, batch: Batch, *, is_retry: bool = False) -> Committed:
        return await self._transactions.run(partial(self._apply, batch=batch, is_retry=is_retry))

    def _is_plain(self, batch: Batch) -> bool:
        """Whether the statements of a batch are known before the first is run, but for its claim."""
        return (
            bool(batch.outcomes or batch.relays)
            and not self.hindsight.is_doubtful
            and self._throttle is None
            and not any(one.suppress for one in batch.outcomes)
        )

    async def _apply_plain(self, pipeline: Pipeline, batch: Batch) -> Committed:
        """Do what `_apply` does with a plain batch, except to claim, on PostgreSQL in one round trip."""
        now = self.clock()
        renews = self._is_renewal_due(now)
        renewal = [workers.renewal(self._context.worker_id, now, self.lease)] if renews else []
        gate = deliveries.settle_and_gate(self._context, batch.outcomes, list(batch.relays), now)
        _, *renewed, passed = await pipeline.run((ledger.HOLD_CONSENTS, *renewal, gate))
        if not all(renewed):  # the worker is retired
            return Committed(halted=True)
        return Committed(deliveries.attempts_of(passed, now), renewed=now if renews else None)

    def _is_renewal_due(self, now: datetime) -> bool:
        return now > self._renewed + self.lease * RENEWAL_SHARE

    def _apply(self, connection: Connection, *, batch: Batch, is_retry: bool) -> Committed:
        now = self.clock()
        renewed: datetime | None = None
        suppressed = [one.delivery_id for one in batch.outcomes if one.suppress]
        # First of all: an erasure has these locks when it waits for a delivery's row.
        if suppressed:
            ledger.lock(connection)
            ledger.wait_for_gates(connection)
        elif batch.relays:
            ledger.hold_consents(connection)
        if self.hindsight.is_doubtful:  # only of attempts that the database knows
            deliveries.settle(connection, self._context, batch.outcomes, now)
            if self.hindsight.has_gone_back(connection, batch.outcomes, now):
                return Committed(halted=True)
        # Renew before each claim: nothing would release a claim that a retired worker makes.
        if batch.claim or self._is_renewal_due(now):
            if not workers.renew(connection, self._context.worker_id, now, self.lease):
                return Committed(halted=True)
            renewed = now
        deliveries.settle(connection, self._context, batch.outcomes, now)
        if suppressed:  # the relay says that these addresses do not exist, as a bounce would
            for hashed in deliveries.address_hashes(connection, suppressed):
                reason, channel = SuppressionReason.BOUNCED, Channel.BOUNCE
                suppression.add(connection, hashed, reason, now, now, channel=channel)
        if is_retry:
            deliveries.return_to_claimed(connection, self._context, list(batch.relays))
        answers = pacing.attempt(self._throttle, connection, self._context, batch.relays, now)
        claimed = (
            pacing.claim(self._throttle, connection, self._context, now, batch.claim) if batch.claim else {}
        )
        asks = not (batch.outcomes or batch.relays or batch.claim)
        halted = asks and not deliveries.is_being_sent(connection, self._context.campaign_id)
        return Committed(answers, claimed, halted, renewed)


def _pipeline(database: Database, on_lost: Callable[[], None]) -> Pipeline:
    from mailer.database.pipeline import Pipeline  # noqa: PLC0415 - it loads PostgreSQL's driver

    return Pipeline(database, on_lost)
