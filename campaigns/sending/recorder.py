"""Commits the attempts and outcomes of all connections together, under the worker's lease."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, assert_never, cast

from sqlalchemy import Connection

from campaigns import deliveries
from campaigns.deliveries import Attempt, ClaimContext, Halted, Settlement, held_back, workers
from campaigns.sending.hindsight import Hindsight
from campaigns.sending.pacing import PacedAnswer, Pacing
from mailer.database import Clock, Database, GroupCommit
from mailer.errors import MailerError
from subscribers import ledger, suppression
from subscribers.models import Channel, SuppressionReason

RETRY_SECONDS = 0.5  # between two tries while the database fails
MAX_OUTAGE_LEASES = 2  # leases for which a database that fails is tried again
RENEWAL_SHARE = 0.1  # of a lease, after which it is renewed
MAX_CONCURRENT = 2  # groups that are committed at once on PostgreSQL
MARGIN = 0.1  # of a lease, left unused: two hosts may differ a little about the database's time


class Submission(NamedTuple):
    """What a connection loop submits: the outcome of its last mail, and the claimed delivery to attempt next.

    `relay` is the one to attempt it through. A submission with neither asks whether the campaign is still being
    sent. `is_retry`: it may have been committed before, without an answer.
    """

    outcome: Settlement | None = None
    next_delivery_id: int | None = None
    relay: str = ""
    is_retry: bool = False


class MoreClaims(NamedTuple):
    """A request for up to `limit` more claims."""

    limit: int


Item = Submission | MoreClaims
Result = PacedAnswer | list[int] | None


class Committed(NamedTuple):
    """The result of an item, and when the lease was last renewed as of that commit."""

    result: Result
    renewed: datetime


class Recorder:
    """Commits submissions and claims in groups, under a lease.

    A group renews the lease where RENEWAL_SHARE of it has passed, or where it claims. Once the lease is lost, every
    item is answered with Halted. A group that did not renew finds its claims gone: retiring the worker took them.
    """

    def __init__(
        self,
        database: Database,
        context: ClaimContext,
        clock: Clock,
        lease: timedelta,
        pacing: Pacing | None = None,
    ) -> None:
        self._database, self._context, self._pacing = database, context, pacing or Pacing()
        self._clock, self._lease = clock, lease
        self._commits: GroupCommit[Item, Committed] = GroupCommit(
            database, self._apply, expected=lambda: self._in_flight, max_concurrent=MAX_CONCURRENT
        )
        self._in_flight = 0
        self.hindsight = Hindsight(is_needed=not database.is_sqlite)
        self._renewed = clock() - lease
        self._valid_until = self._renewed
        self.database_error: MailerError | None = None  # while the database fails and is tried again

    def is_valid(self) -> bool:
        """Whether no other run can have retired this worker yet, so that content may be offered."""
        return self._clock() < self._valid_until

    async def submit(self, submission: Submission) -> PacedAnswer | None:
        """Record an outcome and pass the gate; durable when it returns.

        Where it raises, the outcome was not recorded: that delivery will become uncertain.
        """
        if submission.outcome is not None:
            self._in_flight -= 1
        answer = cast("PacedAnswer | None", await self._commit(submission))
        if submission.outcome is not None:
            self.hindsight.remember(submission.outcome)
        if isinstance(answer, Attempt):
            self._in_flight += 1
        return answer

    async def claims(self, limit: int) -> list[int]:
        """Claim more deliveries; none are left when fewer than `limit` come back."""
        claimed = await self._commit(MoreClaims(limit))
        return claimed if isinstance(claimed, list) else []

    async def next_held_back(self) -> datetime | None:
        """When the next delivery that only a limit holds back is due."""

        def find() -> datetime | None:
            with self._database.read() as connection:
                return held_back.next_due(connection, self._context.campaign_id)

        return await asyncio.to_thread(find)

    async def close(self) -> None:
        """Finish what was submitted."""
        await self._commits.close()

    async def _commit(self, item: Item) -> Result:
        """Have an item committed; while the database is away, locked, full or read-only, try again.

        Until then nothing is offered to the relay. Raises the database's error after MAX_OUTAGE_LEASES leases.
        """
        give_up_at = self._clock() + self._lease * MAX_OUTAGE_LEASES
        while True:
            try:
                committed = await self._commits.submit(item)
            except MailerError as error:
                if self._clock() >= give_up_at:
                    raise
                self.database_error = error
                self.hindsight.doubt()
                # The commit may have happened although its answer was lost. Outcomes can be recorded again; the
                # next delivery may be an attempt by now, and only we know that it was never offered.
                item = item._replace(is_retry=True) if isinstance(item, Submission) else item
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self.database_error = None
                if committed.renewed > self._renewed:
                    self._renewed = committed.renewed
                    self._valid_until = self._renewed + self._lease * (1 - MARGIN)
                return committed.result

    def _apply(self, connection: Connection, items: Sequence[Item]) -> Sequence[Committed]:
        now, renewed = self._clock(), self._renewed
        if self.hindsight.is_doubtful and self._has_gone_back(connection, items, now):
            return [Committed(Halted(), renewed)] * len(items)
        # Renew before each claim: nothing would release a claim that a retired worker makes.
        if now > renewed + self._lease * RENEWAL_SHARE or any(isinstance(item, MoreClaims) for item in items):
            if not workers.renew(connection, self._context.worker_id, now, self._lease):
                return [Committed(Halted(), renewed)] * len(items)
            renewed = now
        outcomes: list[Settlement] = []
        relays: dict[int, str] = {}
        retried: list[int] = []
        for item in items:
            if isinstance(item, Submission):
                if item.outcome is not None:
                    outcomes.append(item.outcome)
                if item.next_delivery_id is not None:
                    relays[item.next_delivery_id] = item.relay
                    if item.is_retry:
                        retried.append(item.next_delivery_id)
        if any(one.suppress for one in outcomes):
            # Before any row: an erasure has the ledger's lock when it waits for a delivery's row.
            ledger.lock(connection)
        deliveries.settle(connection, self._context, outcomes, now)
        self._suppress(connection, [one.delivery_id for one in outcomes if one.suppress], now)
        deliveries.return_to_claimed(connection, self._context, retried)
        answers = self._pacing.attempt(connection, self._context, relays, now)
        return [Committed(self._result(connection, item, answers, now), renewed) for item in items]

    def _has_gone_back(self, connection: Connection, items: Sequence[Item], now: datetime) -> bool:
        outcomes = [
            item.outcome for item in items if isinstance(item, Submission) and item.outcome is not None
        ]
        deliveries.settle(
            connection, self._context, outcomes, now
        )  # as far as the database knows the attempts
        return self.hindsight.has_gone_back(connection, outcomes, now)

    def _result(
        self, connection: Connection, item: Item, answers: Mapping[int, PacedAnswer], now: datetime
    ) -> Result:
        match item:
            case Submission(outcome=None, next_delivery_id=None):
                return None if deliveries.is_being_sent(connection, self._context.campaign_id) else Halted()
            case MoreClaims(limit):
                return self._pacing.claim(connection, self._context, now, limit)
            case Submission(next_delivery_id=delivery_id):
                return None if delivery_id is None else answers[delivery_id]
            case _:
                assert_never(item)

    def _suppress(self, connection: Connection, delivery_ids: Sequence[int], now: datetime) -> None:
        """Suppress addresses that the relay says do not exist, as a bounce would."""
        if delivery_ids:
            for hashed in deliveries.address_hashes(connection, delivery_ids):
                suppression.add(
                    connection, hashed, SuppressionReason.BOUNCED, now, now, channel=Channel.BOUNCE
                )
