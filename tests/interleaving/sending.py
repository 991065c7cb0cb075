"""Campaigns to whoever consents, from one of the processes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta
from random import Random

from campaigns import catalogue, deliveries, transitions
from campaigns.deliveries import Attempt, ClaimContext, Settlement, workers
from campaigns.lifecycle import Act
from campaigns.sending import Dispatch
from campaigns.states import DeliveryState
from mailer.config import Settings
from mailer.database import Database, in_thread
from tests.interleaving.record import TOPICS
from tests.support.campaign import NOTES, draft, unwatched

MOST_CLAIMS = 100
AT_ONCE = 4  # mails that pass the gate together
LONGEST_CLAIM_SECONDS = 0.02
LONGEST_GATE_SECONDS = 0.01
LEASE = timedelta(hours=1)


class Campaigns:
    """Creates and sends campaigns. `name` is unique among the processes."""

    def __init__(self, name: str, database: Database, settings: Settings, rng: Random) -> None:
        self._name, self._database, self._rng = name, database, rng
        self._clock = database.clock()
        self._dispatch = Dispatch(database, settings, self._clock)
        self._count = 0

    async def send(self) -> None:
        """A campaign to whoever consents, over SMTP."""
        slug = await in_thread(self._draft)
        await in_thread(self._dispatch.start, slug)
        await self._dispatch.runs.run(slug, unwatched)

    async def pass_gate(self) -> None:
        """A campaign as far as its mails are recorded: claims, and after some time the gate, a few mails at once."""
        slug = await in_thread(self._draft)
        context, claimed = await in_thread(self._claim, slug)
        for first in range(0, len(claimed), AT_ONCE):
            await asyncio.sleep(self._rng.uniform(0, LONGEST_CLAIM_SECONDS))
            await in_thread(self._attempt, context, claimed[first : first + AT_ONCE])

    def _draft(self) -> str:
        self._count += 1
        slug = f"notes-{self._name}-{self._count}"
        draft(self._database, slug, NOTES._replace(topic=self._rng.choice(TOPICS)))
        return slug

    def _claim(self, slug: str) -> tuple[ClaimContext, list[int]]:
        with self._database.write() as connection:
            now = self._clock()
            campaign = catalogue.find(connection, slug)
            transitions.change_state(connection, campaign, Act.SEND, now)
            worker = workers.register(connection, workers.Process.current(), campaign.id, now, LEASE)
            context = ClaimContext(worker, campaign.id, campaign.topic, reads_wordings=False)
            return context, list(deliveries.claim(connection, context, now, MOST_CLAIMS))

    def _attempt(self, context: ClaimContext, claimed: Sequence[int]) -> None:
        with self._database.write() as connection:
            answers = deliveries.attempt(connection, context, claimed, self._clock())
            time.sleep(self._rng.uniform(0, LONGEST_GATE_SECONDS))  # somebody leaves before the commit
        accepted = [
            Settlement(number, answer.attempts, DeliveryState.ACCEPTED)
            for number, answer in answers.items()
            if isinstance(answer, Attempt)
        ]
        with self._database.write() as connection:
            deliveries.settle(connection, context, accepted, self._clock())
