"""What is written of an attempt's outcome, and of the operator's decision on an uncertain one."""

from __future__ import annotations

from datetime import timedelta

import pytest

from campaigns import deliveries
from campaigns.deliveries import ClaimContext, Settlement
from campaigns.lifecycle import Act
from campaigns.states import DeliveryReason, DeliveryState
from mailer.database import Database
from subscribers.address import AddressHasher
from tests.support.campaign import SECRET, dispatch_for, settings_for
from tests.support.deliveries import LEASE, SentCampaign

MINUTE = timedelta(minutes=1)


def test_all_parts_of_an_outcome_are_written(database: Database) -> None:
    campaign, context, attempted = _attempted(database, 2)
    due = campaign.now + 30 * MINUTE
    deferred = Settlement(attempted[0], 1, DeliveryState.DEFERRED, due, "rcpt", None, 450, "450 4.2.0 later")
    rejected = Settlement(
        attempted[1], 1, DeliveryState.REJECTED, None, "final", DeliveryReason.GIVEN_UP, 451, "451 4.3.0 busy"
    )
    campaign.settle(context, deferred, rejected, now=campaign.now + MINUTE)
    for settlement in (deferred, rejected):
        row = campaign.row(settlement.delivery_id)
        for field in ("state", "smtp_phase", "reason", "reply_code", "diagnostic"):
            assert row[field] == getattr(settlement, field)
        assert row["next_attempt_at"] == (settlement.next_attempt_at or campaign.now + MINUTE)
        assert (row["completed_at"], row["worker_id"]) == (campaign.now + MINUTE, None)


def test_an_outcome_without_a_next_attempt_is_due_at_its_own_time(database: Database) -> None:
    """So that what an operator lets send again, or a campaign that goes on, is due at once."""
    campaign, context, [attempted] = _attempted(database, 1)
    campaign.settle(context, Settlement(attempted, 1, DeliveryState.UNCERTAIN), now=campaign.now + MINUTE)
    assert campaign.row(attempted)["next_attempt_at"] == campaign.now + MINUTE


def test_only_the_deliveries_that_have_an_outcome_are_settled(database: Database) -> None:
    campaign, context, attempted = _attempted(database, 3)
    campaign.settle(context, Settlement(attempted[1], 1, DeliveryState.REJECTED))
    assert campaign.states() == [DeliveryState.ATTEMPTING, DeliveryState.REJECTED, DeliveryState.ATTEMPTING]


def test_no_outcome_changes_nothing(database: Database) -> None:
    campaign, context, _ = _attempted(database, 1)
    campaign.settle(context)
    campaign.return_to_claimed(context, [])
    assert campaign.states() == [DeliveryState.ATTEMPTING]


@pytest.mark.parametrize("attempt", [1, 3])
def test_an_outcome_of_another_attempt_changes_nothing(database: Database, attempt: int) -> None:
    campaign, context, [attempted] = _attempted(database, 1)
    campaign.return_to_claimed(context, [attempted])
    campaign.attempt(context, [attempted])
    campaign.settle(context, Settlement(attempted, attempt, DeliveryState.REJECTED))
    assert campaign.states() == [DeliveryState.ATTEMPTING]


def test_a_claim_has_no_outcome(database: Database) -> None:
    campaign = SentCampaign(database, 1)
    context = campaign.worker()
    (claimed,) = campaign.claim(context)
    campaign.settle(context, Settlement(claimed, 0, DeliveryState.ACCEPTED))
    assert campaign.states() == [DeliveryState.CLAIMED]


def test_only_the_attempts_that_are_named_are_taken_back(database: Database) -> None:
    campaign, context, attempted = _attempted(database, 2)
    campaign.return_to_claimed(context, attempted[:1])
    assert campaign.states() == [DeliveryState.CLAIMED, DeliveryState.ATTEMPTING]


def test_an_outcome_that_this_worker_recorded_is_not_taken_back(database: Database) -> None:
    campaign, context, attempted = _attempted(database, 1)
    campaign.settle(context, Settlement(attempted[0], 1, DeliveryState.ACCEPTED))
    campaign.return_to_claimed(context, attempted)
    assert campaign.states() == [DeliveryState.ACCEPTED]


def test_the_addresses_of_deliveries_are_found_as_hashes(database: Database) -> None:
    campaign = SentCampaign(database, 3)
    second = sorted(campaign.rows())[1]
    with database.read() as connection:
        assert deliveries.address_hashes(connection, [second]) == [
            AddressHasher([SECRET.encode()]).newest("person2@example.com")
        ]


def test_an_uncertain_delivery_that_is_sent_again_is_due_at_once(database: Database) -> None:
    campaign, [uncertain] = _uncertain(database, 1)
    assert _resolve(campaign, resend=True) == [uncertain]
    row = campaign.row(uncertain)
    assert (row["state"], row["completed_at"], row["reason"]) == (DeliveryState.PENDING, None, None)
    assert row["next_attempt_at"] == campaign.now + 5 * LEASE


def test_an_uncertain_delivery_that_is_assumed_sent_is_accepted(database: Database) -> None:
    campaign, [uncertain] = _uncertain(database, 1)
    assert _resolve(campaign, resend=False) == [uncertain]
    row = campaign.row(uncertain)
    assert (row["state"], row["completed_at"]) == (DeliveryState.ACCEPTED, campaign.now + 5 * LEASE)
    assert row["reason"] is None


def test_only_the_uncertain_deliveries_that_are_named_are_resolved(database: Database) -> None:
    campaign, uncertain = _uncertain(database, 3)
    assert _resolve(campaign, resend=True, only=uncertain[:1]) == uncertain[:1]
    assert campaign.states() == [DeliveryState.PENDING, DeliveryState.UNCERTAIN, DeliveryState.UNCERTAIN]


def test_only_uncertain_deliveries_of_the_campaign_are_resolved(database: Database) -> None:
    other, _ = _uncertain(database, 1)
    campaign = SentCampaign(database, 0, "other")
    assert _resolve(campaign, resend=False) == []
    assert (other.states(), campaign.states()) == ([DeliveryState.UNCERTAIN], [DeliveryState.PENDING])


def test_what_the_relay_refused_wrongly_waits_for_the_paused_campaign(database: Database) -> None:
    campaign, context, rejected = _attempted(database, 3)
    campaign.settle(
        context,
        Settlement(rejected[0], 1, DeliveryState.REJECTED),
        Settlement(rejected[1], 1, DeliveryState.REJECTED),
        Settlement(rejected[2], 1, DeliveryState.ACCEPTED),
    )
    _take_back_rejected(campaign, [])
    _take_back_rejected(campaign, rejected)
    assert campaign.states() == [DeliveryState.REJECTED, DeliveryState.REJECTED, DeliveryState.ACCEPTED]
    SentCampaign(database, 0, "other")
    dispatch_for(database, settings_for(25)).act("notes", Act.PAUSE)
    _take_back_rejected(campaign, [])
    _take_back_rejected(campaign, [rejected[0], rejected[2]])
    assert campaign.states() == [DeliveryState.PENDING, DeliveryState.REJECTED, DeliveryState.ACCEPTED]
    row = campaign.row(rejected[0])
    assert (row["completed_at"], row["next_attempt_at"]) == (None, campaign.now + MINUTE)


def test_what_an_operator_assumes_sent_is_accepted(database: Database) -> None:
    campaign = SentCampaign(database, 5)
    other = SentCampaign(database, 0, "other")
    context = campaign.worker()
    deferred, uncertain, rejected, attempted = campaign.claim(context, 4)
    campaign.attempt(context, [deferred, uncertain, rejected, attempted])
    campaign.settle(
        context,
        Settlement(deferred, 1, DeliveryState.DEFERRED, reason=DeliveryReason.LIMIT),
        Settlement(uncertain, 1, DeliveryState.UNCERTAIN, reason=DeliveryReason.CRASH),
        Settlement(rejected, 1, DeliveryState.REJECTED, reason=DeliveryReason.GIVEN_UP),
    )
    (pending,) = campaign.rows().keys() - {deferred, uncertain, rejected, attempted}
    before, later = campaign.rows(), campaign.now + MINUTE
    with database.write() as connection:
        assert deliveries.assume_sent(connection, campaign.id, later) == 3
    for number in (deferred, uncertain, pending):
        row = campaign.row(number)
        assert (row["state"], row["completed_at"], row["reason"]) == (DeliveryState.ACCEPTED, later, None)
    assert [campaign.row(number) for number in (rejected, attempted)] == [before[rejected], before[attempted]]
    assert set(other.states()) == {DeliveryState.PENDING}


def test_what_an_operator_skips_is_done(database: Database) -> None:
    campaign = SentCampaign(database, 3)
    context = campaign.worker()
    (claimed,) = campaign.claim(context, 1)
    _, pending, untouched = sorted(campaign.rows())
    assert _skip(campaign, [claimed, pending]) == [pending]
    row = campaign.row(pending)
    assert (row["state"], row["completed_at"]) == (DeliveryState.SKIPPED, campaign.now)
    assert (campaign.state(claimed), campaign.state(untouched)) == (
        DeliveryState.CLAIMED,
        DeliveryState.PENDING,
    )


def test_only_deliveries_of_the_campaign_are_skipped(database: Database) -> None:
    first = SentCampaign(database, 1)
    second = SentCampaign(database, 0, "other")
    assert _skip(second, list(first.rows())) == []
    assert first.states() == [DeliveryState.PENDING]


def _take_back_rejected(campaign: SentCampaign, ids: list[int]) -> None:
    with campaign.database.write() as connection:
        deliveries.take_back_rejected(connection, ids, campaign.now + MINUTE)


def _skip(campaign: SentCampaign, ids: list[int]) -> list[int]:
    with campaign.database.write() as connection:
        return deliveries.skip(connection, campaign.id, ids, campaign.now)


def _attempted(database: Database, people: int) -> tuple[SentCampaign, ClaimContext, list[int]]:
    campaign = SentCampaign(database, people)
    context = campaign.worker()
    claimed = campaign.claim(context)
    campaign.attempt(context, claimed)
    return campaign, context, claimed


def _uncertain(database: Database, people: int) -> tuple[SentCampaign, list[int]]:
    campaign, context, attempted = _attempted(database, people)
    crashed = [
        Settlement(number, 1, DeliveryState.UNCERTAIN, reason=DeliveryReason.CRASH) for number in attempted
    ]
    campaign.settle(context, *crashed)
    return campaign, attempted


def _resolve(campaign: SentCampaign, *, resend: bool, only: list[int] | None = None) -> list[int]:
    with campaign.database.write() as connection:
        return deliveries.resolve(
            connection, campaign.id, resend=resend, now=campaign.now + 5 * LEASE, only=only or []
        )
