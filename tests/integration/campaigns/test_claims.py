"""Which deliveries a worker claims, in which order, and what is still to come of a campaign."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from campaigns import deliveries
from campaigns.deliveries import Settlement, claims, delivery
from campaigns.lifecycle import Act
from campaigns.states import DeliveryState
from mailer.database import Database
from tests.support.campaign import agree, dispatch_for, draft, settings_for, subscribe, withdraw
from tests.support.deliveries import SentCampaign

MINUTE = timedelta(minutes=1)


def test_what_was_due_first_is_claimed_first(database: Database) -> None:
    campaign = SentCampaign(database, 3)
    first, second, third = sorted(campaign.rows())
    _due(campaign, first, campaign.now - MINUTE)
    _due(campaign, second, campaign.now - 3 * MINUTE)
    _due(campaign, third, campaign.now - 2 * MINUTE)
    assert set(campaign.claim(campaign.worker(), 2)) == {second, third}


def test_of_those_due_together_the_first_enrolled_are_claimed_first(database: Database) -> None:
    campaign = SentCampaign(database, 5)
    numbers = sorted(campaign.rows())
    assert campaign.claim(campaign.worker(), 3) == numbers[:3]
    assert campaign.claim(campaign.worker(), 3) == numbers[3:]


def test_a_claim_is_its_workers(database: Database) -> None:
    campaign = SentCampaign(database, 2)
    context = campaign.worker()
    (claimed,) = campaign.claim(context, 1)
    row = campaign.row(claimed)
    assert (row["state"], row["worker_id"]) == (DeliveryState.CLAIMED, context.worker_id)
    assert sorted(campaign.states()) == [DeliveryState.CLAIMED, DeliveryState.PENDING]


def test_a_worker_claims_for_its_own_campaign(database: Database) -> None:
    first = SentCampaign(database, 2)
    second = SentCampaign(database, 0, "other")
    assert set(second.claim(second.worker())) == set(second.rows())
    assert first.states() == [DeliveryState.PENDING] * 2


def test_only_what_is_pending_or_deferred_is_claimed(database: Database) -> None:
    campaign = SentCampaign(database, 4)
    context = campaign.worker()
    accepted, deferred, attempting, pending = campaign.claim(context)
    campaign.attempt(context, [accepted, deferred, attempting])
    campaign.settle(
        context,
        Settlement(accepted, 1, DeliveryState.ACCEPTED),
        Settlement(deferred, 1, DeliveryState.DEFERRED, next_attempt_at=campaign.now),
    )
    campaign.retire_dead(campaign.now + timedelta(hours=1))
    other = campaign.worker()
    with database.write() as connection:
        claimed = claims.claim(connection, other, campaign.now, 100)
    assert set(claimed) == {deferred, pending}
    assert campaign.state(accepted) is DeliveryState.ACCEPTED
    assert campaign.state(attempting) is DeliveryState.UNCERTAIN


def test_two_hosts_that_claim_at_once_wait_for_nothing(postgresql_database: Database) -> None:
    """PostgreSQL: what another transaction is claiming is skipped."""
    campaign = SentCampaign(postgresql_database, 4)
    first, second = campaign.worker(), campaign.worker()
    with postgresql_database.write() as one, postgresql_database.write() as other:
        other.exec_driver_sql("SET LOCAL lock_timeout = '1s'")
        claims = [
            deliveries.claim(connection, context, campaign.now, 2)
            for connection, context in ((one, first), (other, second))
        ]
    assert [len(claimed) for claimed in claims] == [2, 2]
    assert set(claims[0]).isdisjoint(claims[1])


def test_a_delivery_is_due_from_its_time_on(database: Database) -> None:
    campaign = SentCampaign(database, 1)
    (number,) = campaign.rows()
    _due(campaign, number, campaign.now + MINUTE)
    with database.read() as connection:
        assert not deliveries.has_due(connection, campaign.id, campaign.now)
        assert deliveries.has_due(connection, campaign.id, campaign.now + MINUTE)


def test_what_is_held_or_done_is_not_due(database: Database) -> None:
    campaign = SentCampaign(database, 1)
    campaign.claim(campaign.worker())
    other = SentCampaign(database, 0, "other")
    with database.read() as connection:
        assert not deliveries.has_due(connection, campaign.id, other.now)
        assert deliveries.has_due(connection, other.id, other.now)


def test_pending_and_deferred_deliveries_of_a_campaign_are_counted(database: Database) -> None:
    campaign = SentCampaign(database, 3)
    context = campaign.worker()
    first, _ = campaign.claim(context, 2)
    campaign.attempt(context, [first])
    campaign.settle(context, Settlement(first, 1, DeliveryState.DEFERRED, next_attempt_at=campaign.now))
    SentCampaign(database, 0, "other")
    with database.read() as connection:
        assert deliveries.count_claimable(connection, campaign.id) == 2


def test_only_people_who_agree_to_the_topic_are_enrolled(database: Database) -> None:
    people = subscribe(database, 3, topic="security")
    agree(database, *people[:2])
    withdraw(database, people[0])
    campaign = SentCampaign(database, 0)
    (row,) = campaign.rows().values()
    assert (row["subscriber_id"], row["state"], row["attempts"]) == (people[1], DeliveryState.PENDING, 0)


def test_people_are_enrolled_in_the_order_of_their_numbers_and_due_at_once(database: Database) -> None:
    people = subscribe(database, 4)
    campaign_id = draft(database).id
    now = database.clock()()
    with database.write() as connection:
        deliveries.enrol(connection, campaign_id, "release-notes", now)
        rows = connection.execute(select(delivery).order_by(delivery.c.id)).mappings().all()
    assert [row["subscriber_id"] for row in rows] == people
    assert {row["next_attempt_at"] for row in rows} == {now}
    assert {row["campaign_id"] for row in rows} == {campaign_id}


@pytest.mark.parametrize(("act", "being_sent"), [(None, True), (Act.PAUSE, False), (Act.CANCEL, False)])
def test_a_campaign_is_being_sent_until_it_is_paused_or_ended(
    database: Database, act: Act | None, being_sent: bool
) -> None:
    campaign = SentCampaign(database, 1)
    SentCampaign(database, 0, "other")
    if act:
        dispatch_for(database, settings_for(25)).act("notes", act)
    with database.read() as connection:
        assert deliveries.is_being_sent(connection, campaign.id) is being_sent


def test_a_campaign_is_open_while_a_delivery_may_change_by_itself(database: Database) -> None:
    campaign = SentCampaign(database, 1)
    context = campaign.worker()
    assert _is_open(campaign)
    (claimed,) = campaign.claim(context)
    assert _is_open(campaign)
    campaign.attempt(context, [claimed])
    assert _is_open(campaign)
    campaign.settle(context, Settlement(claimed, 1, DeliveryState.DEFERRED, next_attempt_at=campaign.now))
    assert _is_open(campaign)


@pytest.mark.parametrize("state", [DeliveryState.ACCEPTED, DeliveryState.REJECTED, DeliveryState.UNCERTAIN])
def test_a_campaign_whose_deliveries_are_done_is_not_open(database: Database, state: DeliveryState) -> None:
    campaign = SentCampaign(database, 1)
    context = campaign.worker()
    (claimed,) = campaign.claim(context)
    campaign.attempt(context, [claimed])
    campaign.settle(context, Settlement(claimed, 1, state))
    other = SentCampaign(database, 0, "other")
    other.claim(other.worker())
    SentCampaign(database, 0, "third")
    assert not _is_open(campaign)


def _due(campaign: SentCampaign, delivery_id: int, at: object) -> None:
    with campaign.database.write() as connection:
        connection.execute(update(delivery).where(delivery.c.id == delivery_id).values(next_attempt_at=at))


def _is_open(campaign: SentCampaign) -> bool:
    with campaign.database.read() as connection:
        return deliveries.is_open(connection, campaign.id)
