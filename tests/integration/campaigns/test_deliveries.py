"""The delivery ledger on both engines: claims, the gate, outcomes, leases and recovery."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from campaigns import catalogue, deliveries, reports, transitions
from campaigns.deliveries import Attempt, ClaimContext, Halted, Settlement, Withheld, recovery, workers
from campaigns.deliveries.workers import Process
from campaigns.lifecycle import Act
from campaigns.states import CampaignState, DeliveryState
from mailer.database import Database
from subscribers import suppression
from subscribers.address import AddressHasher
from subscribers.kinds import Channel, SuppressionReason
from subscribers.self_service import unsubscribe
from subscribers.self_service.unsubscribe import Resubscribe, Withdrawal
from tests.support.campaign import SECRET, TOPIC, draft, subscribe, withdraw
from tests.support.links import target_of

LEASE = timedelta(seconds=60)
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ANOTHER_MACHINE = Process("another machine", "1:1")


class Scene:
    """A campaign that is being sent to `people`, and workers at it."""

    def __init__(self, database: Database, people: int) -> None:
        self.database = database
        self.people = subscribe(database, people)
        self.campaign = draft(database)
        with database.write() as connection:
            transitions.change_state(connection, self.campaign, Act.SEND, NOW)

    def worker(self, now: datetime = NOW) -> ClaimContext:
        with self.database.write() as connection:
            number = workers.register(connection, ANOTHER_MACHINE, self.campaign.id, now, LEASE)
        return ClaimContext(number, self.campaign.id, TOPIC, reads_wordings=False)

    def claim(self, context: ClaimContext, limit: int = 100, now: datetime = NOW) -> list[int]:
        with self.database.write() as connection:
            return list(deliveries.claim(connection, context, now, limit))

    def attempt(
        self, context: ClaimContext, ids: list[int], now: datetime = NOW
    ) -> dict[int, deliveries.Answer]:
        with self.database.write() as connection:
            return deliveries.attempt(connection, context, ids, now)

    def settle(self, context: ClaimContext, *settlements: Settlement, now: datetime = NOW) -> None:
        with self.database.write() as connection:
            deliveries.settle(connection, context, settlements, now)

    def retire(self, now: datetime) -> list[int]:
        with self.database.write() as connection:
            dead = workers.find_dead(connection, now)
            recovery.retire(connection, dead, now)
            return dead

    def counts(self) -> dict[DeliveryState, int]:
        with self.database.read() as connection:
            return reports.count_by_state(connection, self.campaign.id)


def test_everyone_who_agreed_is_enrolled_once(database: Database) -> None:
    scene = Scene(database, 5)
    assert scene.counts() == {DeliveryState.PENDING: 5}


def test_two_workers_never_claim_the_same_delivery(database: Database) -> None:
    scene = Scene(database, 10)
    first, second = scene.worker(), scene.worker()
    claims = scene.claim(first, 6), scene.claim(second, 6)
    assert [len(claimed) for claimed in claims] == [6, 4]
    assert set(claims[0]).isdisjoint(claims[1])


def test_the_gate_lets_consent_through_and_hands_out_the_four_fields(database: Database) -> None:
    scene = Scene(database, 1)
    context = scene.worker()
    (claimed,) = scene.claim(context)
    answer = scene.attempt(context, [claimed])[claimed]
    assert isinstance(answer, Attempt)
    assert answer.attempts == 1
    assert answer.first_attempted_at == NOW
    person = answer.recipient
    assert (person.salutation, person.first_name, person.surname) == ("Ms", "Zoë", "de Vries 1")
    assert (person.email, person.subscriber_id) == ("person1@example.com", scene.people[0])
    assert scene.counts() == {DeliveryState.ATTEMPTING: 1}


def test_the_gate_withholds_a_person_who_withdrew_after_the_claim(database: Database) -> None:
    scene = Scene(database, 3)
    context = scene.worker()
    claimed = scene.claim(context)
    withdraw(database, scene.people[1])
    answers = scene.attempt(context, claimed)
    assert [type(answers[number]) for number in claimed] == [Attempt, Withheld, Attempt]
    assert scene.counts() == {DeliveryState.ATTEMPTING: 2, DeliveryState.WITHHELD: 1}


def test_the_gate_withholds_a_suppressed_address(database: Database) -> None:
    scene = Scene(database, 1)
    context = scene.worker()
    claimed = scene.claim(context)
    with database.write() as connection:
        hashed = AddressHasher([SECRET.encode()]).newest("person1@example.com")
        suppression.add(connection, hashed, SuppressionReason.BOUNCED, NOW, NOW, channel=Channel.BOUNCE)
    assert scene.attempt(context, claimed) == {claimed[0]: Withheld()}


def test_the_gate_asks_for_consent_to_the_campaigns_own_topic(database: Database) -> None:
    scene = Scene(database, 1)
    context = scene.worker()
    claimed = scene.claim(context)
    answers = scene.attempt(context._replace(topic="other"), claimed)
    assert answers == {claimed[0]: Withheld()}


@pytest.mark.parametrize("act", [Act.PAUSE, Act.CANCEL])
def test_the_gate_halts_a_campaign_that_is_paused_or_cancelled(database: Database, act: Act) -> None:
    scene = Scene(database, 1)
    context = scene.worker()
    claimed = scene.claim(context)
    with database.write() as connection:
        transitions.change_state(connection, scene.campaign, act, NOW)
    assert scene.attempt(context, claimed) == {claimed[0]: Halted()}


def test_the_gate_halts_a_worker_at_a_claim_of_another(database: Database) -> None:
    scene = Scene(database, 1)
    claimed = scene.claim(scene.worker())
    assert scene.attempt(scene.worker(), claimed) == {claimed[0]: Halted()}


def test_the_gate_opens_once_for_one_claim(database: Database) -> None:
    scene = Scene(database, 1)
    context = scene.worker()
    claimed = scene.claim(context)
    scene.attempt(context, claimed)
    assert scene.attempt(context, claimed) == {claimed[0]: Halted()}


def test_an_outcome_is_recorded_once_and_may_be_handed_in_again(database: Database) -> None:
    scene = Scene(database, 1)
    context = scene.worker()
    (claimed,) = scene.claim(context)
    scene.attempt(context, [claimed])
    scene.settle(context, Settlement(claimed, 1, DeliveryState.ACCEPTED, reply_code=250))
    scene.settle(context, Settlement(claimed, 1, DeliveryState.REJECTED, reply_code=550))
    assert scene.counts() == {DeliveryState.ACCEPTED: 1}


def test_a_deferred_delivery_is_claimed_again_when_it_is_due_and_not_before(database: Database) -> None:
    scene = Scene(database, 1)
    context = scene.worker()
    (claimed,) = scene.claim(context)
    scene.attempt(context, [claimed])
    due = NOW + timedelta(minutes=30)
    scene.settle(context, Settlement(claimed, 1, DeliveryState.DEFERRED, next_attempt_at=due))
    assert scene.claim(context, now=due - timedelta(seconds=1)) == []
    assert scene.claim(context, now=due) == [claimed]
    later = scene.attempt(context, [claimed], now=due)[claimed]
    assert isinstance(later, Attempt)
    assert (later.attempts, later.first_attempted_at) == (2, NOW)


def test_of_a_dead_worker_claims_become_pending_and_attempts_uncertain(database: Database) -> None:
    scene = Scene(database, 5)
    context = scene.worker()
    claimed = scene.claim(context)
    scene.attempt(context, claimed[:2])
    assert scene.retire(NOW + LEASE) == []
    assert scene.retire(NOW + LEASE + timedelta(seconds=1)) == [context.worker_id]
    assert scene.counts() == {DeliveryState.PENDING: 3, DeliveryState.UNCERTAIN: 2}


def test_a_retired_worker_can_renew_attempt_and_record_nothing(database: Database) -> None:
    scene = Scene(database, 2)
    context = scene.worker()
    first, second = scene.claim(context)
    scene.attempt(context, [first])
    scene.retire(NOW + 2 * LEASE)
    with database.write() as connection:
        assert not workers.renew(connection, context.worker_id, NOW, LEASE)
    scene.settle(context, Settlement(first, 1, DeliveryState.ACCEPTED))
    assert scene.attempt(context, [second]) == {second: Halted()}
    assert scene.counts() == {DeliveryState.PENDING: 1, DeliveryState.UNCERTAIN: 1}


def test_a_worker_that_renews_is_not_retired(database: Database) -> None:
    scene = Scene(database, 1)
    context = scene.worker()
    with database.write() as connection:
        assert workers.renew(connection, context.worker_id, NOW + LEASE, LEASE)
    assert scene.retire(NOW + 2 * LEASE) == []


def test_a_lease_is_never_shortened(database: Database) -> None:
    """Of two transactions that renew it, the one that began earlier may be committed later."""
    scene = Scene(database, 1)
    context = scene.worker()
    with database.write() as connection:
        assert workers.renew(connection, context.worker_id, NOW + LEASE, LEASE)
    with database.write() as connection:
        assert workers.renew(connection, context.worker_id, NOW, LEASE)
    assert scene.retire(NOW + 2 * LEASE) == []


def test_a_worker_of_this_machine_whose_process_is_gone_is_retired_at_once(database: Database) -> None:
    scene = Scene(database, 1)
    gone = Process(Process.current().host, "999999999:1")
    with database.write() as connection:
        number = workers.register(connection, gone, scene.campaign.id, NOW, LEASE)
        alive = workers.register(connection, Process.current(), scene.campaign.id, NOW, LEASE)
    assert scene.retire(NOW) == [number]
    assert alive not in scene.retire(NOW)


def test_uncertain_deliveries_are_never_claimed_until_the_operator_decides(database: Database) -> None:
    scene = Scene(database, 1)
    context = scene.worker()
    claimed = scene.claim(context)
    scene.attempt(context, claimed)
    late = NOW + 2 * LEASE
    scene.retire(late)
    second = scene.worker(late)
    assert scene.claim(second, now=late) == []
    with database.write() as connection:
        assert len(deliveries.resolve(connection, second.campaign_id, resend=True, now=late)) == 1
    assert scene.claim(second, now=late) == claimed


def test_a_run_that_ends_in_good_order_gives_its_claims_back(database: Database) -> None:
    scene = Scene(database, 4)
    context = scene.worker()
    claimed = scene.claim(context)
    scene.attempt(context, claimed[:1])
    with database.write() as connection:
        recovery.release(connection, context.worker_id)
    assert scene.counts() == {DeliveryState.PENDING: 3, DeliveryState.ATTEMPTING: 1}


def test_cancelling_changes_no_mail_in_flight(database: Database) -> None:
    scene = Scene(database, 3)
    context = scene.worker()
    claimed = scene.claim(context)
    scene.attempt(context, claimed[:1])
    with database.write() as connection:
        transitions.change_state(connection, scene.campaign, Act.CANCEL, NOW)
    scene.settle(context, Settlement(claimed[0], 1, DeliveryState.ACCEPTED))
    assert scene.counts() == {DeliveryState.ACCEPTED: 1, DeliveryState.CANCELLED: 2}


def test_a_campaign_finishes_when_nothing_can_change_by_itself(database: Database) -> None:
    scene = Scene(database, 1)
    context = scene.worker()
    (claimed,) = scene.claim(context)
    with database.write() as connection:
        assert not transitions.finish_if_done(connection, scene.campaign, NOW)
    scene.attempt(context, [claimed])
    scene.settle(context, Settlement(claimed, 1, DeliveryState.ACCEPTED))
    with database.write() as connection:
        assert transitions.finish_if_done(connection, scene.campaign, NOW)
        assert catalogue.find(connection, "notes").state is CampaignState.FINISHED


def test_many_withdrawals_and_the_gate_never_stop_each_other(postgresql_database: Database) -> None:
    scene = Scene(postgresql_database, 200)
    claims = {context: scene.claim(context, 100) for context in (scene.worker(), scene.worker())}
    end = time.monotonic() + 4

    def knock_at_the_gate(context: ClaimContext) -> None:
        while time.monotonic() < end:
            with scene.database.engine.connect() as connection:  # rolled back: the claims serve again
                deliveries.attempt(connection, context, claims[context], NOW)

    def leave_and_return() -> None:
        while time.monotonic() < end:
            some = [target_of(scene.database, number) for number in random.sample(scene.people, 100)]
            with scene.database.write() as connection:
                left = [Withdrawal(each, Channel.PAGE) for each in some]
                views = unsubscribe.apply_requests(connection, left, NOW)
            with scene.database.write() as connection:
                back = [
                    Resubscribe(each, view.undoable_entry_id or 0, "Yes.")
                    for each, view in zip(some, views, strict=True)
                ]
                unsubscribe.apply_requests(connection, back, NOW)

    with ThreadPoolExecutor() as threads:  # a deadlock would come out of `result` as an error
        running = [threads.submit(knock_at_the_gate, context) for context in claims] + [
            threads.submit(leave_and_return)
        ]
        for each in running:
            each.result()
