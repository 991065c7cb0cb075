"""Transactions of several hosts at the same deliveries, on PostgreSQL: none waits for one that waits for it.

PostgreSQL finds two that wait for each other after a second, and breaks one off. Nothing is lost by that, but an
operator would have to try again later, and a host would not send for that second.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Barrier

import pytest

from campaigns import deliveries
from campaigns.deliveries import Attempt, ClaimContext, Settlement, recovery, workers
from campaigns.lifecycle import Act
from campaigns.sending import Dispatch
from campaigns.states import DeliveryState
from mailer.database import Database
from tests.support.campaign import TOPIC, counts, dispatch_for, draft, settings_for, subscribe

PEOPLE = 120
GROUP = 12
ROUNDS = int(os.environ.get("MAILER_TESTS_DEADLOCK_ROUNDS", "20"))
LEASE = timedelta(seconds=60)


@pytest.fixture
def database(postgresql_database: Database) -> Database:
    subscribe(postgresql_database, PEOPLE)
    return postgresql_database


@pytest.fixture
def dispatch(database: Database) -> Dispatch:
    return dispatch_for(database, settings_for(25))


@pytest.fixture
def later(database: Database) -> Dispatch:
    """A host that looks when the lease of every worker has passed."""
    return Dispatch(database, settings_for(25), lambda: datetime.now(UTC) + 2 * LEASE)


def test_cancelling_and_the_gate_do_not_wait_for_each_other(
    database: Database, dispatch: Dispatch, later: Dispatch
) -> None:
    for number in range(ROUNDS):
        slug = f"notes-{number}"
        context, claims = _begun(database, dispatch, slug)
        _at_once(
            partial(_go_round, database, context, claims),
            partial(dispatch.act, slug, Act.CANCEL),
        )
        _release(database, context)
        later.runs.retire_dead()
        status = counts(database, slug)
        assert status.accepted + status.cancelled == PEOPLE


def test_cancelling_and_a_worker_that_leaves_do_not_wait_for_each_other(
    database: Database, dispatch: Dispatch, later: Dispatch
) -> None:
    for number in range(ROUNDS):
        slug = f"notes-{number}"
        context, _ = _begun(database, dispatch, slug)
        _at_once(
            partial(_release, database, context),
            partial(dispatch.act, slug, Act.CANCEL),
        )
        later.runs.retire_dead()
        assert counts(database, slug).cancelled == PEOPLE


def test_a_retirement_and_a_worker_that_wakes_up_do_not_wait_for_each_other(
    database: Database, dispatch: Dispatch, later: Dispatch
) -> None:
    """It was taken for dead in the midst of its work, in transactions that do not look at the lease."""
    for number in range(ROUNDS):
        slug = f"notes-{number}"
        context, claims = _begun(database, dispatch, slug)
        _at_once(partial(_go_round, database, context, claims), later.runs.retire_dead)
        status = counts(database, slug)
        assert status.in_flight == 0, "it sent after it was retired"
        assert status.accepted + status.uncertain + status.pending == PEOPLE


def _begun(database: Database, dispatch: Dispatch, slug: str) -> tuple[ClaimContext, list[int]]:
    """A campaign of which one worker holds all deliveries."""
    campaign_id = draft(database, slug).id
    dispatch.start(slug)
    now = datetime.now(UTC)
    with database.write() as connection:
        number = workers.register(connection, workers.Process.current(), campaign_id, now, LEASE)
        context = ClaimContext(number, campaign_id, TOPIC, reads_wordings=False)
        return context, list(deliveries.claim(connection, context, now, PEOPLE))


def _go_round(database: Database, context: ClaimContext, claims: Sequence[int]) -> None:
    """As the sender's commits do: record the outcomes of one group, and let the next pass the gate."""
    claims = random.sample(claims, len(claims))
    settled: list[Settlement] = []
    for first in range(0, len(claims) + 1, GROUP):
        now = datetime.now(UTC)
        with database.write() as connection:
            deliveries.settle(connection, context, settled, now)
            answers = deliveries.attempt(connection, context, claims[first : first + GROUP], now)
        settled = [
            Settlement(number, answer.attempts, DeliveryState.ACCEPTED)
            for number, answer in answers.items()
            if isinstance(answer, Attempt)
        ]


def _release(database: Database, context: ClaimContext) -> None:
    with database.write() as connection:
        recovery.release(connection, context.worker_id)


def _at_once(*acts: Callable[[], object]) -> None:
    """Do them in threads of their own, and raise what any of them does."""
    barrier = Barrier(len(acts))

    def act(one: Callable[[], object]) -> None:
        barrier.wait(10)
        one()

    with ThreadPoolExecutor(len(acts)) as threads:
        for done in [threads.submit(act, one) for one in acts]:
            done.result()
