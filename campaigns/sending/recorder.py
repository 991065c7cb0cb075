"""The sender's side of the delivery ledger: attempts and outcomes of all connections, committed together."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, assert_never, cast

from sqlalchemy import Connection

from campaigns import deliveries
from campaigns.deliveries import Attempt, ClaimContext, Halted, Settlement, held_back, workers
from campaigns.sending.pacing import PacedAnswer, Pacing
from mailer.database import Clock, Database, GroupCommit
from mailer.errors import MailerError
from subscribers import suppression
from subscribers.models import SuppressionReason

PAUSE_WITHOUT_DATABASE = 0.5  # seconds
PATIENCE = 2  # leases for which a database that fails is asked again
RENEWAL = 0.1  # of a lease, after which it is renewed
MAX_CONCURRENT = 2  # groups that are committed at once on PostgreSQL
MARGIN = 0.1  # of a lease, left unused: two hosts' ideas of the database's clock may differ a little


class Submission(NamedTuple):
    """What a lane hands in and asks for: the outcome of its last mail, and a claimed delivery to attempt.

    `relay` is the one to attempt it through. A turn with neither asks whether to go on at all. `again` says that it may have been applied before, and that nobody saw the answer.
    """

    outcome: Settlement | None = None
    next_delivery_id: int | None = None
    relay: str = ""
    is_retry: bool = False


class MoreClaims(NamedTuple):
    """A wish for claims to read ahead."""

    limit: int


Item = Submission | MoreClaims
Result = PacedAnswer | list[int] | None


class Committed(NamedTuple):
    """What came of an item, and when the lease was last renewed as of that commit."""

    result: Result
    renewed: datetime


class Recorder:
    """Turns and claims, committed in groups under a lease.

    A group renews the lease where a good part of it has passed, or where it claims. Once the lease is lost,
    whatever is asked is answered with Halted; and even a group that did not look finds its claims gone, for a
    burial takes them away.
    """

    def __init__(
        self,
        database: Database,
        context: ClaimContext,
        clock: Clock,
        lease: timedelta,
        pacing: Pacing | None = None,
    ) -> None:
        self._database, self._hold, self._pacing = database, context, pacing or Pacing()
        self._clock, self._lease = clock, lease
        self._commits: GroupCommit[Item, Committed] = GroupCommit(
            database, self._apply, expected=lambda: self._in_the_air, max_concurrent=MAX_CONCURRENT
        )
        self._in_the_air = 0
        self._renewed = clock() - lease
        self._valid_until = self._renewed
        self.trouble: MailerError | None = None  # what the database says while it is waited for

    def is_valid(self) -> bool:
        """Whether nobody else can have taken us for dead yet, so that content may be offered."""
        return self._clock() < self._valid_until

    async def turn(self, turn: Submission) -> PacedAnswer | None:
        """Record an outcome and pass the gate; durable when it returns.

        What it raises in the end leaves an outcome unrecorded, which will be found uncertain.
        """
        if turn.outcome is not None:
            self._in_the_air -= 1
        answer = cast("PacedAnswer | None", await self._submit(turn))
        if isinstance(answer, Attempt):
            self._in_the_air += 1
        return answer

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
                item = item._replace(is_retry=True) if isinstance(item, Submission) else item
                await asyncio.sleep(PAUSE_WITHOUT_DATABASE)
            else:
                self.trouble = None
                if committed.renewed > self._renewed:
                    self._renewed = committed.renewed
                    self._valid_until = self._renewed + self._lease * (1 - MARGIN)
                return committed.result

    def _apply(self, connection: Connection, items: Sequence[Item]) -> Sequence[Committed]:
        now, renewed = self._clock(), self._renewed
        # A claim always looks at the lease: made after a burial, it would be nobody's to give back.
        if now > renewed + self._lease * RENEWAL or any(isinstance(item, MoreClaims) for item in items):
            if not workers.renew(connection, self._hold.worker_id, now, self._lease):
                return [Committed(Halted(), renewed)] * len(items)
            renewed = now
        turns = [item for item in items if isinstance(item, Submission)]
        settled = [turn.outcome for turn in turns if turn.outcome is not None]
        wanted = {turn.next_delivery_id: turn.relay for turn in turns if turn.next_delivery_id is not None}
        again = [
            turn.next_delivery_id for turn in turns if turn.is_retry and turn.next_delivery_id is not None
        ]
        deliveries.settle(connection, self._hold, settled, now)
        self._suppress(connection, [one.delivery_id for one in settled if one.suppress], now)
        deliveries.take_back(connection, self._hold, again)
        answers = self._pacing.attempt(connection, self._hold, wanted, now)
        return [Committed(self._result(connection, item, answers, now), renewed) for item in items]

    def _result(
        self, connection: Connection, item: Item, answers: Mapping[int, PacedAnswer], now: datetime
    ) -> Result:
        match item:
            case Submission(outcome=None, next_delivery_id=None):
                return None if deliveries.is_being_sent(connection, self._hold.campaign_id) else Halted()
            case MoreClaims(limit):
                return self._pacing.claim(connection, self._hold, now, limit)
            case Submission(next_delivery_id=wanted):
                return None if wanted is None else answers[wanted]
            case _:
                assert_never(item)

    def _suppress(self, connection: Connection, delivery_ids: Sequence[int], now: datetime) -> None:
        """What a relay says of an address at RCPT counts as a bounce."""
        if delivery_ids:
            for hashed in deliveries.address_hashes(connection, delivery_ids):
                suppression.add(connection, hashed, SuppressionReason.BOUNCED, now)
