"""What becomes of the claims and attempts of workers that end, die or freeze."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import RowMapping, select, update

from campaigns import deliveries
from campaigns.deliveries import Settlement, delivery, recovery
from campaigns.lifecycle import Act
from campaigns.states import DeliveryReason, DeliveryState
from campaigns.tables import worker
from mailer.database import Database
from tests.support.campaign import dispatch_for, settings_for
from tests.support.deliveries import LEASE, SentCampaign
from tests.support.tampering import with_all_rights


def test_a_worker_that_ends_gives_back_its_own_claims_and_no_attempt(database: Database) -> None:
    campaign = SentCampaign(database, 3)
    ending, other = campaign.worker(), campaign.worker()
    attempted, claimed = campaign.claim(ending, 2)
    (others,) = campaign.claim(other)
    campaign.attempt(ending, [attempted])
    with database.write() as connection:
        recovery.release(connection, ending.worker_id)
    assert (campaign.row(claimed)["state"], campaign.row(claimed)["worker_id"]) == (
        DeliveryState.PENDING,
        None,
    )
    assert campaign.state(attempted) is DeliveryState.ATTEMPTING
    assert campaign.state(others) is DeliveryState.CLAIMED


def test_an_attempt_of_a_dead_worker_is_uncertain_from_then_on(database: Database) -> None:
    campaign = SentCampaign(database, 2)
    context = campaign.worker()
    attempted, claimed = campaign.claim(context)
    campaign.attempt(context, [attempted])
    late = campaign.now + 2 * LEASE
    campaign.retire_dead(late)
    uncertain, pending = campaign.row(attempted), campaign.row(claimed)
    assert (uncertain["state"], uncertain["completed_at"]) == (DeliveryState.UNCERTAIN, late)
    assert (pending["state"], pending["completed_at"]) == (DeliveryState.PENDING, None)
    assert (uncertain["worker_id"], pending["worker_id"]) == (None, None)


def test_an_outcome_is_kept_even_where_it_names_a_dead_worker(database: Database) -> None:
    campaign = SentCampaign(database, 1)
    (claimed,) = campaign.claim(campaign.worker())
    with database.write() as connection:
        connection.execute(update(delivery).values(state=DeliveryState.ACCEPTED))
    campaign.retire_dead(campaign.now + 2 * LEASE)
    assert campaign.state(claimed) is DeliveryState.ACCEPTED


def test_a_crash_is_the_reason_of_an_attempt_and_no_claim_keeps_an_earlier_reason(database: Database) -> None:
    campaign = SentCampaign(database, 2)
    context = campaign.worker()
    earlier = {"smtp_phase": "rcpt", "reason": DeliveryReason.LIMIT}
    with database.write() as connection:
        connection.execute(update(delivery).values(earlier))
    attempted, claimed = campaign.claim(context)
    campaign.attempt(context, [attempted])
    campaign.retire_dead(campaign.now + 2 * LEASE)
    uncertain, pending = campaign.row(attempted), campaign.row(claimed)
    assert (uncertain["smtp_phase"], uncertain["reason"]) == (None, DeliveryReason.CRASH)
    assert (pending["smtp_phase"], pending["reason"]) == (None, None)


def test_only_the_dead_lose_what_they_hold(database: Database) -> None:
    campaign = SentCampaign(database, 3)
    late = campaign.now + 2 * LEASE
    dead, alive = campaign.worker(), campaign.worker(late)
    (of_the_dead,) = campaign.claim(dead, 1)
    attempted, claimed = campaign.claim(alive)
    campaign.attempt(alive, [attempted])
    assert campaign.retire_dead(late) == [dead.worker_id]
    assert campaign.state(of_the_dead) is DeliveryState.PENDING
    assert (campaign.state(attempted), campaign.state(claimed)) == (
        DeliveryState.ATTEMPTING,
        DeliveryState.CLAIMED,
    )
    assert _worker(campaign, dead.worker_id)["retired_at"] == late
    assert _worker(campaign, alive.worker_id)["retired_at"] is None


def test_what_a_dead_worker_has_settled_stays_settled(database: Database) -> None:
    campaign = SentCampaign(database, 1)
    context = campaign.worker()
    (attempted,) = campaign.claim(context)
    campaign.attempt(context, [attempted])
    campaign.settle(context, Settlement(attempted, 1, DeliveryState.ACCEPTED))
    before = campaign.row(attempted)
    campaign.retire_dead(campaign.now + 2 * LEASE)
    assert campaign.row(attempted) == before


def test_retiring_nobody_changes_nothing(database: Database) -> None:
    campaign = SentCampaign(database, 1)
    campaign.claim(campaign.worker())
    with database.write() as connection:
        recovery.retire(connection, [], campaign.now)
    assert campaign.states() == [DeliveryState.CLAIMED]


def test_claims_of_a_dead_worker_at_a_cancelled_campaign_are_cancelled(database: Database) -> None:
    campaign = SentCampaign(database, 1)
    other = SentCampaign(database, 0, "other")
    context = campaign.worker()
    (attempted,) = campaign.claim(context)
    campaign.attempt(context, [attempted])
    dispatch_for(database, settings_for(25)).act("notes", Act.CANCEL)
    due = campaign.now + timedelta(minutes=30)
    campaign.settle(context, Settlement(attempted, 1, DeliveryState.DEFERRED, next_attempt_at=due))
    late = campaign.now + 2 * LEASE
    campaign.retire_dead(late)
    row = campaign.row(attempted)
    assert (row["state"], row["completed_at"], row["worker_id"]) == (DeliveryState.CANCELLED, late, None)
    assert other.states() == [DeliveryState.PENDING]


def test_a_worker_that_sleeps_in_a_transaction_is_left_to_the_next_look(
    postgresql_database: Database,
) -> None:
    """PostgreSQL: it holds a lock on one delivery; the others of the dead are recovered without waiting."""
    campaign = SentCampaign(postgresql_database, 3)
    asleep, dead = campaign.worker(), campaign.worker()
    held = campaign.claim(asleep, 2)
    (free,) = campaign.claim(dead)
    late = campaign.now + 2 * LEASE
    with postgresql_database.write() as sleeper:
        sleeper.exec_driver_sql(f"UPDATE delivery SET attempts = 0 WHERE id = {held[0]}")
        with postgresql_database.write() as connection:
            connection.exec_driver_sql("SET LOCAL lock_timeout = '1s'")
            recovery.retire(connection, [asleep.worker_id, dead.worker_id], late)
    assert campaign.state(free) is DeliveryState.PENDING
    assert [campaign.state(number) for number in held] == [DeliveryState.CLAIMED] * 2
    assert _worker(campaign, asleep.worker_id)["retired_at"] is None
    assert campaign.retire_dead(late) == [asleep.worker_id]
    assert campaign.states() == [DeliveryState.PENDING] * 3


def test_a_living_worker_does_not_wait_for_the_recovery_of_a_dead_one(postgresql_database: Database) -> None:
    campaign = SentCampaign(postgresql_database, 2)
    dead, alive = campaign.worker(), campaign.worker()
    campaign.claim(dead, 1)
    claimed = campaign.claim(alive, 1)
    with postgresql_database.write() as recovering, postgresql_database.write() as other:
        recovery.retire(recovering, [dead.worker_id], campaign.now)
        other.exec_driver_sql("SET LOCAL lock_timeout = '1s'")
        assert list(deliveries.attempt(other, alive, claimed, campaign.now)) == claimed


def _worker(campaign: SentCampaign, worker_id: int) -> RowMapping:
    with campaign.database.read() as connection:
        return connection.execute(select(worker).where(worker.c.id == worker_id)).mappings().one()


def test_a_mail_of_a_frozen_worker_is_no_sign_that_the_database_went_back(database: Database) -> None:
    """Its lease passed and another host retired it: the mail is uncertain, and no campaign is held for it."""
    campaign = SentCampaign(database, 1)
    context = campaign.worker()
    (offered,) = campaign.claim(context)
    campaign.attempt(context, [offered])
    campaign.retire_dead(campaign.now + 2 * LEASE)
    with database.write() as connection:
        assert recovery.accept_forgotten(connection, {}, {offered: 1}, campaign.now) == []
    assert campaign.state(offered) is DeliveryState.UNCERTAIN


def test_after_the_database_went_back_a_mail_in_doubt_counts_as_the_relay_answered(
    database: Database,
) -> None:
    campaign = SentCampaign(database, 2)
    context = campaign.worker()
    lost, in_doubt = campaign.claim(context)
    campaign.attempt(context, [in_doubt])
    campaign.retire_dead(campaign.now + 2 * LEASE)
    with database.write() as connection:
        forgotten = recovery.accept_forgotten(connection, {lost: 1}, {in_doubt: 1}, campaign.now)
    assert set(forgotten) == {lost, in_doubt}
    assert campaign.state(lost) is campaign.state(in_doubt) is DeliveryState.ACCEPTED
    assert (campaign.row(lost)["attempts"], campaign.row(in_doubt)["attempts"]) == (1, 1)


SCENES = [
    # state and attempts in the database, our attempt of which the outcome was recorded, and that was offered -> is forgotten
    (DeliveryState.PENDING, 0, 1, None, True),
    (DeliveryState.PENDING, 0, None, 1, True),
    (DeliveryState.CLAIMED, 1, 2, None, True),
    (DeliveryState.ATTEMPTING, 1, None, 2, True),
    (DeliveryState.ATTEMPTING, 1, 1, None, True),
    (DeliveryState.ATTEMPTING, 1, None, 1, False),
    (DeliveryState.ATTEMPTING, 2, 1, None, False),
    (DeliveryState.DEFERRED, 1, 1, None, False),
    (DeliveryState.ACCEPTED, 1, 1, None, False),
    (DeliveryState.UNCERTAIN, 1, None, 1, False),
    (DeliveryState.UNCERTAIN, 1, None, 2, True),
]


def put_back(database: Database, delivery_id: int, state: DeliveryState, attempts: int) -> None:
    """Make a delivery what a database holds that has gone back."""
    with with_all_rights(database) as connection:
        values = {"state": state, "attempts": attempts}
        connection.execute(update(delivery).where(delivery.c.id == delivery_id).values(values))


def forget(database: Database, accepted: dict[int, int], offered: dict[int, int], now: datetime) -> list[int]:
    with database.write() as connection:
        return recovery.accept_forgotten(connection, accepted, offered, now)


@pytest.mark.parametrize("scene", SCENES)
def test_what_the_database_has_forgotten_counts_as_accepted(
    database: Database, scene: tuple[DeliveryState, int, int | None, int | None, bool]
) -> None:
    state, attempts, accepted, offered, is_forgotten = scene
    campaign = SentCampaign(database, 2)
    ours, other = sorted(campaign.rows())
    put_back(database, ours, state, attempts)
    forgotten = forget(
        database,
        {ours: accepted} if accepted else {},
        {ours: offered} if offered else {},
        campaign.now,
    )
    assert forgotten == ([ours] if is_forgotten else [])
    assert campaign.state(other) == DeliveryState.PENDING
    row = campaign.row(ours)
    if is_forgotten:
        assert (row["state"], row["attempts"]) == (DeliveryState.ACCEPTED, max(attempts, 1))
        assert (row["completed_at"], row["worker_id"], row["reason"]) == (campaign.now, None, None)
    else:
        assert (row["state"], row["attempts"]) == (state, attempts)


def test_what_was_offered_and_is_uncertain_is_forgotten_with_others_only(database: Database) -> None:
    campaign = SentCampaign(database, 4)
    forgotten, ours, older, others = sorted(campaign.rows())
    for one, attempts in ((ours, 1), (older, 2), (others, 1)):
        put_back(database, one, DeliveryState.UNCERTAIN, attempts)
    put_back(database, forgotten, DeliveryState.ACCEPTED, 1)
    offered = {ours: 1, older: 1}
    assert forget(database, {forgotten: 1}, offered, campaign.now) == []
    put_back(database, forgotten, DeliveryState.PENDING, 0)
    assert forget(database, {forgotten: 1}, offered, campaign.now) == [forgotten, ours]
    assert [campaign.state(one) for one in (older, others)] == [DeliveryState.UNCERTAIN] * 2


def test_what_may_be_forgotten_is_locked_and_nothing_else(postgresql_database: Database) -> None:
    campaign = SentCampaign(postgresql_database, 2)
    ours, other = sorted(campaign.rows())
    with postgresql_database.write() as connection, postgresql_database.engine.connect() as another:
        recovery.accept_forgotten(connection, {}, {ours: 0}, campaign.now)
        free = select(delivery.c.id).with_for_update(skip_locked=True)
        assert another.execute(free).scalars().all() == [other]
