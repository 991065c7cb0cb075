"""A campaign that is being sent, and workers that change the state of its deliveries."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import RowMapping, select

from campaigns import deliveries
from campaigns.deliveries import Answer, ClaimContext, Settlement, delivery, recovery, workers
from campaigns.deliveries.workers import Process
from campaigns.states import DeliveryState
from mailer.database import Database
from tests.support.campaign import TOPIC, dispatch_for, draft, settings_for, subscribe

LEASE = timedelta(seconds=60)
ANOTHER_MACHINE = Process("another machine", "1:1")


class SentCampaign:
    """A campaign with one delivery for each of `people`, due at `now`, and what workers do with it."""

    def __init__(self, database: Database, people: int, slug: str = "notes") -> None:
        self.database = database
        self.people = subscribe(database, people) if people else []
        self.id = draft(database, slug).id
        dispatch_for(database, settings_for(25)).start(slug)
        self.now = datetime.now(UTC)

    def worker(self, now: datetime | None = None, process: Process = ANOTHER_MACHINE) -> ClaimContext:
        """Register a worker at `now`, with a lease of LEASE."""
        with self.database.write() as connection:
            number = workers.register(connection, process, self.id, now or self.now, LEASE)
        return ClaimContext(number, self.id, TOPIC, reads_wordings=False)

    def claim(self, context: ClaimContext, limit: int = 100, now: datetime | None = None) -> list[int]:
        with self.database.write() as connection:
            return list(deliveries.claim(connection, context, now or self.now, limit))

    def attempt(
        self, context: ClaimContext, ids: Sequence[int], now: datetime | None = None
    ) -> dict[int, Answer]:
        with self.database.write() as connection:
            return deliveries.attempt(connection, context, ids, now or self.now)

    def settle(self, context: ClaimContext, *settlements: Settlement, now: datetime | None = None) -> None:
        with self.database.write() as connection:
            deliveries.settle(connection, context, settlements, now or self.now)

    def return_to_claimed(self, context: ClaimContext, ids: Sequence[int]) -> None:
        with self.database.write() as connection:
            deliveries.return_to_claimed(connection, context, ids)

    def renew(self, context: ClaimContext, now: datetime | None = None) -> bool:
        with self.database.write() as connection:
            return workers.renew(connection, context.worker_id, now or self.now, LEASE)

    def retire_dead(self, now: datetime) -> list[int]:
        """Retire the workers that are dead at `now`; returns their ids."""
        with self.database.write() as connection:
            dead = workers.find_dead(connection, now)
            recovery.retire(connection, dead, now)
            return dead

    def rows(self) -> dict[int, RowMapping]:
        """The row of each delivery of this campaign, by its id."""
        with self.database.read() as connection:
            found = connection.execute(select(delivery).where(delivery.c.campaign_id == self.id))
            return {row["id"]: row for row in found.mappings()}

    def row(self, delivery_id: int) -> RowMapping:
        return self.rows()[delivery_id]

    def state(self, delivery_id: int) -> DeliveryState:
        state: DeliveryState = self.row(delivery_id)["state"]
        return state

    def states(self) -> list[Any]:
        """The states of all deliveries, in the order of their ids."""
        return [row["state"] for _, row in sorted(self.rows().items())]
