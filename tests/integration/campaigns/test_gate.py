"""The gate: who passes, what it writes, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import Connection, update
from sqlalchemy.exc import OperationalError

from campaigns import deliveries
from campaigns.deliveries import Answer, Attempt, Halted, Settlement, Withheld, delivery
from campaigns.lifecycle import Act
from campaigns.states import DeliveryReason, DeliveryState
from mailer.database import Database
from subscribers import ledger
from subscribers.audience import ConsentedRecipient
from tests.support.campaign import TOPIC, agree, dispatch_for, settings_for, withdraw
from tests.support.deliveries import SentCampaign
from tests.support.tampering import tamper


def test_an_attempt_is_written_with_its_time(database: Database) -> None:
    campaign = SentCampaign(database, 1)
    context = campaign.worker()
    (claimed,) = campaign.claim(context)
    campaign.attempt(context, [claimed])
    row = campaign.row(claimed)
    assert (row["state"], row["attempts"]) == (DeliveryState.ATTEMPTING, 1)
    assert (row["attempted_at"], row["first_attempted_at"]) == (campaign.now, campaign.now)
    later = campaign.now + timedelta(minutes=1)
    campaign.return_to_claimed(context, [claimed])
    campaign.attempt(context, [claimed], later)
    row = campaign.row(claimed)
    assert (row["attempts"], row["attempted_at"], row["first_attempted_at"]) == (2, later, campaign.now)


def test_each_answer_holds_the_fields_of_its_own_person(database: Database) -> None:
    campaign = SentCampaign(database, 3)
    context = campaign.worker()
    answers = campaign.attempt(context, campaign.claim(context))
    recipients = [answer.recipient for answer in answers.values() if isinstance(answer, Attempt)]
    assert {(each.subscriber_id, each.surname, each.email) for each in recipients} == {
        (person, f"de Vries {number}", f"person{number}@example.com")
        for number, person in enumerate(campaign.people, 1)
    }
    assert {number: campaign.row(number)["subscriber_id"] for number in answers} == {
        each.delivery_id: each.subscriber_id for each in recipients
    }


def test_an_attempt_cites_the_newest_entry_of_its_person_and_what_that_commits_to(database: Database) -> None:
    campaign = SentCampaign(database, 2)
    agree(database, campaign.people[1], topic="security")  # the newest entry is about another topic
    context = campaign.worker()
    answers = campaign.attempt(context, campaign.claim(context))
    recipients = _recipients(answers)
    assert len(recipients) == 2
    for number, recipient in recipients.items():
        with database.read() as connection:
            newest = ledger.history(connection, recipient.subscriber_id)[-1]
        assert campaign.row(number)["ledger_entry"] == newest.id
        assert recipient.subject == newest.event.subject
        assert recipient.is_committed()


def test_an_attempt_names_the_wording_where_a_campaign_has_several_languages(database: Database) -> None:
    campaign = SentCampaign(database, 2)
    context = campaign.worker()
    first, second = campaign.claim(context)
    with database.read() as connection:
        (wording,) = ledger.languages_of_wordings(connection, TOPIC)
    (recipient,) = _recipients(campaign.attempt(context, [first])).values()
    assert recipient.wording is None
    (recipient,) = _recipients(campaign.attempt(context._replace(reads_wordings=True), [second])).values()
    assert recipient.wording == wording


def test_settlements_and_gate_are_one_statement_on_postgresql(postgresql_database: Database) -> None:
    campaign = SentCampaign(postgresql_database, 2)
    context = campaign.worker()
    first, second = campaign.claim(context)
    campaign.attempt(context, [first])
    accepted = Settlement(first, 1, DeliveryState.ACCEPTED)
    with postgresql_database.write() as connection:
        (wording,) = ledger.languages_of_wordings(connection, TOPIC)
        step = deliveries.settle_and_gate(
            context._replace(reads_wordings=True), [accepted], [second], campaign.now
        )
        passed = deliveries.attempts_of(step.rows(connection), campaign.now)
    assert campaign.states() == [DeliveryState.ACCEPTED, DeliveryState.ATTEMPTING]
    assert passed[second].recipient.wording == wording
    campaign.return_to_claimed(context, [second])
    with postgresql_database.write() as connection:
        step = deliveries.settle_and_gate(context, [], [second], campaign.now)
        passed = deliveries.attempts_of(step.rows(connection), campaign.now)
    assert passed[second].recipient.wording is None


def test_the_gate_holds_the_consents_on_postgresql_until_it_has_committed(
    postgresql_database: Database,
) -> None:
    campaign = SentCampaign(postgresql_database, 1)
    context = campaign.worker()
    claimed = campaign.claim(context)
    with postgresql_database.write() as connection:
        deliveries.attempt(connection, context, claimed, campaign.now)
        with pytest.raises(OperationalError, match="lock timeout"), _impatient(postgresql_database) as other:
            ledger.wait_for_gates(other)
    with _impatient(postgresql_database) as other:
        ledger.wait_for_gates(other)


def test_a_damaged_nonce_stops_its_own_mail_only(sqlite_database: Database) -> None:
    campaign = SentCampaign(sqlite_database, 2)
    tamper(sqlite_database, f"UPDATE subscriber SET nonce = 'x' WHERE id = {campaign.people[0]}")
    context = campaign.worker()
    recipients = _recipients(campaign.attempt(context, campaign.claim(context))).values()
    assert [each.is_committed() for each in recipients] == [False, True]


def test_no_claim_is_asked_about_without_claims(database: Database) -> None:
    campaign = SentCampaign(database, 1)
    assert campaign.attempt(campaign.worker(), []) == {}
    assert campaign.states() == [DeliveryState.PENDING]


def test_only_the_claims_that_are_asked_about_are_attempted(database: Database) -> None:
    campaign = SentCampaign(database, 3)
    context = campaign.worker()
    claimed = campaign.claim(context)
    assert list(campaign.attempt(context, claimed[:1])) == claimed[:1]
    assert campaign.states() == [DeliveryState.ATTEMPTING, DeliveryState.CLAIMED, DeliveryState.CLAIMED]


def test_a_paused_campaign_is_halted_while_another_is_sent(database: Database) -> None:
    paused = SentCampaign(database, 1)
    context = paused.worker()
    claimed = paused.claim(context)
    SentCampaign(database, 0, "other")
    dispatch_for(database, settings_for(25)).act("notes", Act.PAUSE)
    assert paused.attempt(context, claimed) == {claimed[0]: Halted()}
    assert paused.states() == [DeliveryState.CLAIMED]


def test_what_is_withheld_is_complete_and_nobodys_and_keeps_no_earlier_reason(database: Database) -> None:
    campaign = SentCampaign(database, 1)
    context = campaign.worker()
    (claimed,) = campaign.claim(context)
    with database.write() as connection:
        connection.execute(update(delivery).values(reason=DeliveryReason.LIMIT))
    withdraw(database, campaign.people[0])
    assert campaign.attempt(context, [claimed]) == {claimed: Withheld()}
    row = campaign.row(claimed)
    assert (row["state"], row["completed_at"]) == (DeliveryState.WITHHELD, campaign.now)
    assert (row["worker_id"], row["reason"]) == (None, None)


def test_only_the_claims_that_are_asked_about_are_withheld(database: Database) -> None:
    campaign = SentCampaign(database, 2)
    context = campaign.worker()
    claimed = campaign.claim(context)
    withdraw(database, *campaign.people)
    campaign.attempt(context, claimed[:1])
    assert campaign.states() == [DeliveryState.WITHHELD, DeliveryState.CLAIMED]


def test_a_worker_withholds_no_claim_of_another(database: Database) -> None:
    campaign = SentCampaign(database, 1)
    owner = campaign.worker()
    (claimed,) = campaign.claim(owner)
    withdraw(database, campaign.people[0])
    assert campaign.attempt(campaign.worker(), [claimed]) == {claimed: Halted()}
    assert campaign.row(claimed)["worker_id"] == owner.worker_id


def test_a_mail_in_flight_is_not_withheld(database: Database) -> None:
    campaign = SentCampaign(database, 1)
    context = campaign.worker()
    claimed = campaign.claim(context)
    campaign.attempt(context, claimed)
    withdraw(database, campaign.people[0])
    assert campaign.attempt(context, claimed) == {claimed[0]: Halted()}
    assert campaign.states() == [DeliveryState.ATTEMPTING]


def test_a_mail_in_flight_is_not_let_through_with_another_at_the_same_instant(database: Database) -> None:
    campaign = SentCampaign(database, 2)
    context = campaign.worker()
    first, second = campaign.claim(context)
    campaign.attempt(context, [first])
    assert campaign.attempt(context, [first, second])[first] == Halted()


def test_a_retry_at_the_same_instant_lets_through_all_but_who_left_meanwhile(database: Database) -> None:
    campaign = SentCampaign(database, 2)
    context = campaign.worker()
    claimed = campaign.claim(context)
    campaign.attempt(context, claimed)
    withdraw(database, campaign.people[0])
    campaign.return_to_claimed(context, claimed)
    answers = campaign.attempt(context, claimed)
    assert [type(answers[number]) for number in claimed] == [Withheld, Attempt]


def test_two_campaigns_pass_the_gate_for_one_person_together(postgresql_database: Database) -> None:
    """PostgreSQL: both hold the consent, and neither waits for the other."""
    first = SentCampaign(postgresql_database, 1)
    second = SentCampaign(postgresql_database, 0, "other")
    contexts = [(each, each.worker()) for each in (first, second)]
    claims = [campaign.claim(context) for campaign, context in contexts]
    with postgresql_database.write() as gate, _impatient(postgresql_database) as other:
        for connection, (campaign, context), claimed in zip((gate, other), contexts, claims, strict=True):
            answers = deliveries.attempt(connection, context, claimed, campaign.now)
            assert [type(answer) for answer in answers.values()] == [Attempt]


def _recipients(answers: Mapping[int, Answer]) -> dict[int, ConsentedRecipient]:
    return {number: answer.recipient for number, answer in answers.items() if isinstance(answer, Attempt)}


@contextmanager
def _impatient(database: Database) -> Iterator[Connection]:
    with database.engine.connect() as connection:
        connection.exec_driver_sql("SET lock_timeout = '100ms'")
        yield connection
