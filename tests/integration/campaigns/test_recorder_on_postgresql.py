"""What becomes of a batch does not depend on the way in which it is committed: in one round trip, or in a thread."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, func, select, text

from campaigns import deliveries
from campaigns.deliveries import Attempt, Halted, Settlement, Withheld, recovery
from campaigns.lifecycle import Act
from campaigns.sending.recorder import Batch, Recorder
from campaigns.states import DeliveryState
from campaigns.tables import worker
from mailer.database import Database, Step
from mailer.database.pipeline import Pipeline
from mailer.database.prepared import Row
from mailer.smtp import Phase
from tests.support.campaign import counts, dispatch_for, draft, send, settings_for, subscribe, withdraw
from tests.support.deliveries import SentCampaign
from tests.support.relay import FaultyRelay

LEASE = timedelta(hours=1)
WAYS = pytest.mark.parametrize("in_one_round_trip", [True, False])


@asynccontextmanager
async def begun(
    campaign: SentCampaign, *, in_one_round_trip: bool
) -> AsyncIterator[tuple[Recorder, list[int]]]:
    """A recorder, and what it has claimed."""
    recorder = Recorder(campaign.database, campaign.worker(), lambda: datetime.now(UTC), LEASE)
    if not in_one_round_trip:
        recorder._pipeline = None
    claimed = (await recorder.commit(Batch(claim=100))).claimed
    try:
        yield recorder, list(claimed)
    finally:
        recorder.close()


def to_attempt(*ids: int) -> dict[int, str]:
    return dict.fromkeys(ids, "relay")


@WAYS
async def test_outcomes_and_the_next_attempts_are_committed_together(
    postgresql_database: Database, in_one_round_trip: bool
) -> None:
    campaign = SentCampaign(postgresql_database, 4)
    async with begun(campaign, in_one_round_trip=in_one_round_trip) as (recorder, [a, b, c, d]):
        committed = await recorder.commit(Batch(relays=to_attempt(a, b)))
        assert all(isinstance(answer, Attempt) for answer in committed.answers.values())
        withdraw(postgresql_database, campaign.people[2])
        later = datetime.now(UTC) + timedelta(minutes=5)
        outcomes = [
            Settlement(a, 1, DeliveryState.ACCEPTED, reply_code=250, diagnostic='2.0.0 "taken" \\ {é}'),
            Settlement(b, 1, DeliveryState.DEFERRED, next_attempt_at=later, smtp_phase=Phase.RCPT),
        ]
        committed = await recorder.commit(Batch(outcomes, to_attempt(c, d)))
    assert isinstance(committed.answers[c], Withheld)
    assert isinstance(committed.answers[d], Attempt)
    states = [
        DeliveryState.ACCEPTED,
        DeliveryState.DEFERRED,
        DeliveryState.WITHHELD,
        DeliveryState.ATTEMPTING,
    ]
    assert campaign.states() == states
    row = campaign.row(a)
    assert (row["reply_code"], row["diagnostic"]) == (250, '2.0.0 "taken" \\ {é}')
    assert campaign.row(b)["next_attempt_at"] == later


@WAYS
async def test_a_paused_campaign_halts_and_its_outcomes_are_recorded(
    postgresql_database: Database, in_one_round_trip: bool
) -> None:
    campaign = SentCampaign(postgresql_database, 2)
    async with begun(campaign, in_one_round_trip=in_one_round_trip) as (recorder, [a, b]):
        await recorder.commit(Batch(relays=to_attempt(a)))
        dispatch_for(postgresql_database, settings_for(25)).act("notes", Act.PAUSE)
        accepted = Settlement(a, 1, DeliveryState.ACCEPTED)
        committed = await recorder.commit(Batch([accepted], to_attempt(b)))
    assert isinstance(committed.answers[b], Halted)
    assert campaign.states()[0] is DeliveryState.ACCEPTED


async def test_a_claim_holds_nothing_that_a_withdrawal_waits_for(
    postgresql_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is frozen in the transaction of its claim keeps nobody from leaving."""
    campaign = SentCampaign(postgresql_database, 4)
    recorder = Recorder(postgresql_database, campaign.worker(), lambda: datetime.now(UTC), LEASE)
    a, b = (await recorder.commit(Batch(claim=2))).claimed
    await recorder.commit(Batch(relays=to_attempt(a)))
    apply, kept_waiting = deliveries.claim, []

    def claim(*values: Any) -> Any:
        claimed = apply(*values)
        with postgresql_database.engine.connect() as other:
            kept_waiting.append(
                not other.execute(
                    text("SELECT pg_try_advisory_xact_lock('consent'::regclass::bigint)")
                ).scalar_one()
            )
        return claimed

    monkeypatch.setattr(deliveries, "claim", claim)
    batch = Batch([Settlement(a, 1, DeliveryState.ACCEPTED)], to_attempt(b), claim=2)
    committed = await recorder.commit(batch)
    recorder.close()
    assert len(committed.claimed) == 2
    assert isinstance(committed.answers[b], Attempt)
    assert kept_waiting == [False]


async def test_a_batch_renews_the_lease_in_its_round_trip(postgresql_database: Database) -> None:
    campaign = SentCampaign(postgresql_database, 2)
    now = campaign.now
    recorder = Recorder(postgresql_database, campaign.worker(), lambda: now, LEASE)
    a, b = (await recorder.commit(Batch(claim=2))).claimed
    now += LEASE / 2
    assert (await recorder.commit(Batch(relays=to_attempt(a)))).renewed == now
    with postgresql_database.write() as connection:
        assert connection.execute(select(worker.c.lease_until)).scalar_one() == now + LEASE
        recovery.retire(connection, [recorder._context.worker_id], now)
    now += LEASE / 2
    assert (await recorder.commit(Batch([Settlement(a, 1, DeliveryState.ACCEPTED)], to_attempt(b)))).halted
    recorder.close()
    assert campaign.states() == [DeliveryState.UNCERTAIN, DeliveryState.PENDING]


async def test_a_connection_that_is_lost_between_two_batches_makes_the_run_compare_once(
    postgresql_database: Database,
) -> None:
    campaign = SentCampaign(postgresql_database, 2)
    async with begun(campaign, in_one_round_trip=True) as (recorder, [a, b]):
        await recorder.commit(Batch(relays=to_attempt(a)))
        assert not recorder.hindsight.is_doubtful
        assert recorder._pipeline is not None
        link = recorder._pipeline._link
        assert link is not None
        with postgresql_database.read() as connection:
            connection.execute(select(func.pg_terminate_backend(link._libpq.backend_pid)))
        async with asyncio.timeout(60):
            while not recorder.hindsight.is_doubtful:  # noqa: ASYNC110 - nothing says so
                await asyncio.sleep(0.01)
        committed = await recorder.commit(Batch([Settlement(a, 1, DeliveryState.ACCEPTED)], to_attempt(b)))
        assert isinstance(committed.answers[b], Attempt)
        assert not recorder.hindsight.is_doubtful


async def test_most_batches_of_a_campaign_take_one_round_trip(
    postgresql_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribe(postgresql_database, 60)
    draft(postgresql_database)
    used: Counter[str] = Counter()
    run, write = Pipeline.run, Database.write

    async def counted_run(self: Pipeline, steps: Iterable[Step]) -> list[Sequence[Row]]:
        used["round trips"] += 1
        return await run(self, steps)

    def counted_write(self: Database, *, checked: bool = True) -> AbstractContextManager[Connection]:
        used["others"] += not checked
        return write(self, checked=checked)

    monkeypatch.setattr(Pipeline, "run", counted_run)
    monkeypatch.setattr(Database, "write", counted_write)
    async with FaultyRelay(pipelining=True) as relay:
        await send(dispatch_for(postgresql_database, settings_for(relay.port, smtp={"connections": 2})))
    assert counts(postgresql_database).accepted == 60
    assert used["round trips"] >= 60 // 2
    assert used["others"] <= 5  # claims
