"""Cancel and delete deliveries."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import update

from campaigns import deliveries
from campaigns.deliveries import delivery
from campaigns.lifecycle import Act
from campaigns.states import DeliveryReason, DeliveryState
from mailer.database import Database
from tests.support.campaign import dispatch_for, settings_for
from tests.support.deliveries import SentCampaign
from tests.support.waiting import until


def test_deliveries_without_an_attempt_are_deleted_with_their_campaign_only(database: Database) -> None:
    campaign, other = SentCampaign(database, 2), SentCampaign(database, 0, "other")
    context = other.worker()
    other.attempt(context, other.claim(context, 1))
    with database.write() as connection:
        assert deliveries.discard(connection, campaign.id) is True
    assert campaign.states() == []
    assert sorted(other.states()) == [DeliveryState.ATTEMPTING, DeliveryState.PENDING]


@pytest.mark.parametrize("first_attempted", [0, 1], ids=["the first", "the last"])
def test_no_delivery_is_deleted_once_one_was_attempted(
    sqlite_database: Database, first_attempted: int
) -> None:
    campaign = SentCampaign(sqlite_database, 2)
    context = campaign.worker()
    claimed = campaign.claim(context)
    campaign.attempt(context, claimed[first_attempted:][:1])
    before = campaign.rows()
    with sqlite_database.write() as connection:
        assert deliveries.discard(connection, campaign.id) is False
    assert campaign.rows() == before


def test_deleting_waits_for_an_attempt_that_is_being_recorded(postgresql_database: Database) -> None:
    campaign = SentCampaign(postgresql_database, 1)
    context = campaign.worker()
    claimed = campaign.claim(context)

    def discard() -> bool:
        with postgresql_database.write() as connection:
            return deliveries.discard(connection, campaign.id)

    with ThreadPoolExecutor(1) as pool:
        with postgresql_database.write() as recording:
            deliveries.attempt(recording, context, claimed, campaign.now)
            deleted = pool.submit(discard)
            wait_for_a_lock(postgresql_database)
        assert deleted.result() is False
    assert campaign.states() == [DeliveryState.ATTEMPTING]


def wait_for_a_lock(database: Database) -> None:
    """Wait until a connection waits for the lock of another."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"

    def is_waiting() -> bool:
        with database.read() as connection:
            return bool(connection.exec_driver_sql(waiting).scalar_one())

    until(is_waiting, "waiting for a lock")


def test_cancelling_frees_and_dates_what_was_claimed_and_clears_its_reason(database: Database) -> None:
    campaign = SentCampaign(database, 1)
    other = SentCampaign(database, 0, "other")
    (claimed,) = campaign.claim(campaign.worker())
    with database.write() as connection:
        connection.execute(update(delivery).values(reason=DeliveryReason.LIMIT))
    dispatch_for(database, settings_for(25)).act("notes", Act.CANCEL)
    row = campaign.row(claimed)
    assert (row["state"], row["worker_id"], row["reason"]) == (DeliveryState.CANCELLED, None, None)
    assert row["completed_at"] >= campaign.now
    assert other.states() == [DeliveryState.PENDING]


def test_cancelling_waits_for_no_worker(postgresql_database: Database) -> None:
    """PostgreSQL: what a worker has locked is passed by."""
    campaign = SentCampaign(postgresql_database, 2)
    locked, free = sorted(campaign.rows())
    with postgresql_database.write() as other:
        other.exec_driver_sql(f"UPDATE delivery SET attempts = 0 WHERE id = {locked}")
        with postgresql_database.write() as connection:
            connection.exec_driver_sql("SET LOCAL lock_timeout = '1s'")
            deliveries.cancel_open(connection, campaign.id, campaign.now)
    assert (campaign.state(locked), campaign.state(free)) == (DeliveryState.PENDING, DeliveryState.CANCELLED)
