"""Whole deliveries through the fault table: in which state each ends, and that a later run completes it.

tests/fault_table.py says how one transaction ends. Here each case is a campaign to one person: what the ledger
says after the run in which the relay went wrong, and after the operator and a later run have done their part.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine, Iterable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from campaigns.lifecycle import Act
from campaigns.reports import CampaignStatus
from campaigns.sending import Dispatch
from campaigns.states import CampaignState, DeliveryState
from mailer.config import TimeoutSettings
from mailer.database import Clock, Database
from subscribers import ledger
from subscribers.kinds import Channel, ConsentKind
from subscribers.ledger import NewEvent
from tests.support.campaign import NOTES, counts, draft, send, settings_for, subscribe, unwatched
from tests.support.fault_table import Case, Mode, cases
from tests.support.relay import FaultyRelay

EVERY = [case for mode in Mode for case in cases(mode)]
PARTS = 4  # so that processes share them
# The engine makes no difference to most faults, so PostgreSQL gets every fourth one, and SQLite the others. `make soak` tries all on both.
POSTGRESQL = range(PARTS if "MAILER_TESTS_FAULTS" in os.environ else 1)
SQLITE = range(0 if "MAILER_TESTS_FAULTS" in os.environ else 1, PARTS)
AT_ONCE = 16
LATER = timedelta(hours=1)

# What the table says of the transaction -> the states of a delivery that are right after the run.
ENDS = {
    # Nothing was attempted, or it was cut off before the content: another connection takes it in the same run.
    "away": {DeliveryState.ACCEPTED, DeliveryState.PENDING},
    "relay": {DeliveryState.ACCEPTED, DeliveryState.DEFERRED},
    "deferred": {DeliveryState.DEFERRED},
    "rejected": {DeliveryState.REJECTED},
    "sender": {DeliveryState.PENDING},
    "uncertain": {DeliveryState.UNCERTAIN},
    "accepted": {DeliveryState.ACCEPTED},
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("engine", "part"),
    [*(("sqlite", part) for part in SQLITE), *(("postgresql", part) for part in POSTGRESQL)],
)
def test_each_fault_leaves_its_delivery_in_the_state_of_the_table_and_a_later_run_completes_it(
    request: pytest.FixtureRequest, engine: str, part: int
) -> None:
    database: Database = request.getfixturevalue(f"{engine}_database")
    table = {f"case-{number}": case for number, case in enumerate(EVERY[part::PARTS])}
    _one_person_for_each(database, list(table))
    assert asyncio.run(_walk(database, table)) == []


def _one_person_for_each(database: Database, topics: list[str]) -> None:
    """The relay's word on one address is not to count for the next case."""
    people, now = subscribe(database, len(topics)), datetime.now(UTC)
    with database.write() as connection:
        granted = [
            NewEvent(
                person,
                topic,
                ConsentKind.GRANTED,
                now,
                Channel.IMPORT,
                ledger.store_wording(connection, "Yes.", now, topic=topic),
            )
            for person, topic in zip(people, topics, strict=True)
        ]
        ledger.append(connection, granted, now)


async def _walk(database: Database, table: dict[str, Case]) -> list[str]:
    async with AsyncExitStack() as stack:
        walks = [Walk(database, slug, case) for slug, case in table.items()]
        for walk in walks:
            await stack.enter_async_context(walk.relay)
        clock = database.clock()
        await _all(walk.go_wrong(clock) for walk in walks)
        # All cases at once, an hour later: by that clock every worker that has not ended is dead.
        await _all(walk.complete(lambda: clock() + LATER) for walk in walks)
        return [f"{walk.case}: {problem}" for walk in walks for problem in walk.problems]


async def _all(doings: Iterable[Coroutine[Any, Any, None]]) -> None:
    room = asyncio.Semaphore(AT_ONCE)

    async def one(doing: Coroutine[Any, Any, None]) -> None:
        async with room, asyncio.timeout(120):
            await doing

    await asyncio.gather(*map(one, doings))


class Walk:
    """One case: its campaign, its relay, and everything that is wrong about how it went."""

    def __init__(self, database: Database, slug: str, case: Case) -> None:
        self.database, self.slug, self.case = database, slug, case
        self.relay = case.relay()
        self.problems: list[str] = []

    async def go_wrong(self, clock: Clock) -> None:
        draft(self.database, self.slug, NOTES._replace(topic=self.slug))
        await send(self._dispatch(clock), self.slug)
        self.problems += _surprises(self.case, self._status(), self.relay)

    async def complete(self, clock: Clock) -> None:
        """The operator's part, and a later run, whose relay has no fault: it waits as long as a slow machine needs."""
        dispatch = self._dispatch(clock, timeouts=TimeoutSettings())
        if self.case.expected == "uncertain":
            dispatch.resolve(self.slug, resend=True)
        if self._status().state is CampaignState.PAUSED:
            dispatch.act(self.slug, Act.RESUME)
        await dispatch.runs.run(self.slug, unwatched)
        self.problems += _incomplete(self.case, self._status(), self.relay)

    def _dispatch(self, clock: Clock, **changed: Any) -> Dispatch:
        settings = self.case.settings(self.relay.port, connections=1, **changed)
        return Dispatch(self.database, settings_for(self.relay.port).replace(smtp=settings), clock)

    def _status(self) -> CampaignStatus:
        return counts(self.database, self.slug)


def _surprises(case: Case, status: CampaignStatus, relay: FaultyRelay) -> list[str]:
    problems = []
    if (ended := _state(status)) not in ENDS[case.expected]:
        problems.append(f"{ended} instead of {case.expected}")
    if case.expected in {"deferred", "uncertain"} and not relay.round_trips:
        problems.append("the relay was never asked")
    if (status.state is CampaignState.PAUSED) != (case.expected == "sender"):
        problems.append(f"the campaign is {status.state}: {status.paused_because}")
    if len(relay.accepted) > 1 or (ended == DeliveryState.ACCEPTED) > len(relay.accepted):
        problems.append(f"{ended}, and the relay took {len(relay.accepted)}")
    return problems


def _incomplete(case: Case, status: CampaignStatus, relay: FaultyRelay) -> list[str]:
    problems = []
    lasting = case.expected == "rejected"
    wanted = DeliveryState.REJECTED if lasting else DeliveryState.ACCEPTED
    if (ended := _state(status)) is not wanted:
        problems.append(f"{ended} in the end instead of {wanted}")
    copies = len(relay.accepted)
    if copies != (0 if lasting else 1) and not (case.expected == "uncertain" and copies == 2):
        problems.append(f"the relay took {copies} in all")
    return problems


def _state(status: CampaignStatus) -> DeliveryState | None:
    """The state of the one delivery; None while it is in a worker's hands."""
    states = (
        DeliveryState.PENDING,
        DeliveryState.ACCEPTED,
        DeliveryState.DEFERRED,
        DeliveryState.REJECTED,
        DeliveryState.UNCERTAIN,
        DeliveryState.WITHHELD,
    )
    return next((state for state in states if getattr(status, state.value)), None)
