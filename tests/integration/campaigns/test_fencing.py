"""Only the worker that holds a delivery writes to it, and only a dead worker loses what it holds."""

from __future__ import annotations

from collections.abc import Callable

from campaigns.deliveries import Attempt, ClaimContext, Halted, Settlement, workers
from campaigns.deliveries.workers import Process
from campaigns.sending.recorder import Batch, Recorder
from campaigns.states import DeliveryState
from mailer.database import Database
from tests.support.clock import SetClock
from tests.support.deliveries import LEASE, SentCampaign


def test_an_attempt_is_taken_back_by_the_worker_that_made_it(database: Database) -> None:
    campaign = SentCampaign(database, 1)
    context = campaign.worker()
    claimed = campaign.claim(context)
    campaign.attempt(context, claimed)
    campaign.return_to_claimed(context, claimed)
    assert campaign.states() == [DeliveryState.CLAIMED]
    assert isinstance(campaign.attempt(context, claimed)[claimed[0]], Attempt)


def test_no_worker_takes_back_the_attempt_of_another(database: Database) -> None:
    """It may be in flight there; a second attempt would mail the person twice."""
    campaign = SentCampaign(database, 1)
    owner, other = campaign.worker(), campaign.worker()
    claimed = campaign.claim(owner)
    campaign.attempt(owner, claimed)
    campaign.return_to_claimed(other, claimed)
    assert campaign.states() == [DeliveryState.ATTEMPTING]


def test_an_outcome_is_not_taken_back(database: Database) -> None:
    campaign = SentCampaign(database, 1)
    context = campaign.worker()
    (claimed,) = campaign.claim(context)
    campaign.attempt(context, [claimed])
    campaign.retire_dead(campaign.now + 2 * LEASE)
    campaign.return_to_claimed(context, [claimed])
    assert campaign.states() == [DeliveryState.UNCERTAIN]


async def test_a_retired_worker_claims_nothing(database: Database) -> None:
    """Also where it renewed its lease a moment ago, and so would not look at it for an outcome."""
    campaign = SentCampaign(database, 3)
    context = campaign.worker()
    recorder = Recorder(database, context, SetClock(campaign.now), LEASE)
    assert len((await recorder.commit(Batch(claim=1))).claimed) == 1
    campaign.retire_dead(campaign.now + 2 * LEASE)
    assert (await recorder.commit(Batch(claim=3))).halted
    recorder.close()
    assert campaign.states() == [DeliveryState.PENDING] * 3


def test_a_worker_that_renews_while_another_host_looks_for_dead_ones_stays(
    postgresql_database: Database,
) -> None:
    """PostgreSQL: the other host read the lease before the renewal, and gets the lock after it."""
    campaign = SentCampaign(postgresql_database, 1)
    late = campaign.worker()
    in_time = campaign.now + 2 * LEASE
    campaign.worker(in_time)  # about whose process the other host asks, after it has read all leases

    renewals = iter([lambda: campaign.renew(late, in_time)])

    def renew_meanwhile(_: Process) -> bool:
        for renew in renewals:
            assert renew()
        return False

    assert _find_dead(campaign, renew_meanwhile) == []


def test_a_worker_that_renews_just_now_is_not_waited_for(postgresql_database: Database) -> None:
    campaign = SentCampaign(postgresql_database, 1)
    late = campaign.worker()
    now = campaign.now + 2 * LEASE
    with postgresql_database.write() as connection:
        assert workers.renew(connection, late.worker_id, now, LEASE)
        assert _find_dead(campaign, Process.is_gone) == []
    assert _find_dead(campaign, Process.is_gone) == []


def test_a_worker_that_another_host_retires_meanwhile_is_not_retired_again(
    postgresql_database: Database,
) -> None:
    campaign = SentCampaign(postgresql_database, 1)
    late = campaign.worker()
    in_time = campaign.now + 2 * LEASE
    campaign.worker(in_time)

    def retire_meanwhile(_: Process) -> bool:
        with postgresql_database.write() as connection:
            workers.retire(connection, late.worker_id, in_time)
        return False

    assert _find_dead(campaign, retire_meanwhile) == []


def test_a_living_worker_does_not_wait_for_the_retirement_of_a_dead_one(
    postgresql_database: Database,
) -> None:
    campaign = SentCampaign(postgresql_database, 1)
    dead = campaign.worker()
    now = campaign.now + 2 * LEASE
    alive = campaign.worker(now)
    with postgresql_database.write() as retiring, postgresql_database.write() as renewing:
        assert workers.find_dead(retiring, now) == [dead.worker_id]
        renewing.exec_driver_sql("SET LOCAL lock_timeout = '1s'")
        assert workers.renew(renewing, alive.worker_id, now, LEASE)


def _find_dead(campaign: SentCampaign, is_gone: Callable[[Process], bool]) -> list[int]:
    with campaign.database.write() as connection:
        connection.exec_driver_sql("SET LOCAL lock_timeout = '1s'")
        return workers.find_dead(connection, campaign.now + 2 * LEASE, is_gone)


def test_a_retired_worker_attempts_nothing_that_another_claimed(database: Database) -> None:
    campaign, retired, owner, claimed = _taken_over(database)
    assert campaign.attempt(retired, [claimed]) == {claimed: Halted()}
    assert campaign.row(claimed)["worker_id"] == owner.worker_id


def test_a_retired_worker_settles_nothing_that_another_attempts(database: Database) -> None:
    campaign, retired, owner, claimed = _taken_over(database)
    campaign.attempt(owner, [claimed])
    before = campaign.row(claimed)
    campaign.settle(retired, Settlement(claimed, 1, DeliveryState.REJECTED))
    assert campaign.row(claimed) == before


def _taken_over(database: Database) -> tuple[SentCampaign, ClaimContext, ClaimContext, int]:
    """A campaign of one delivery, a worker that held it and was retired, the one that claimed it then."""
    campaign = SentCampaign(database, 1)
    retired = campaign.worker()
    (claimed,) = campaign.claim(retired)
    campaign.retire_dead(campaign.now + 2 * LEASE)
    owner = campaign.worker()
    assert campaign.claim(owner) == [claimed]
    return campaign, retired, owner, claimed
