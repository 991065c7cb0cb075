"""What an outcome writes into a delivery's row, and when it is tried again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.deliveries import Settlement, next_attempt, settlement_for
from campaigns.deliveries.retry import QUICK_TRIES
from campaigns.models import DeliveryState
from mailer.config import RetrySettings
from mailer.smtp import Accepted, Deferred, Outcome, Phase, Rejected, Scope, Uncertain
from mailer.smtp.outcome import Reply

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
POLICY = RetrySettings()
HALF_HOUR = timedelta(minutes=30)


def settled(outcome: Outcome, *, attempts: int = 1, first: datetime = NOW, luck: float = 0) -> Settlement:
    return settlement_for(
        7, outcome, attempts=attempts, first_attempted_at=first, now=NOW, policy=POLICY, luck=luck
    )


OK = Reply(250, "2.0.0", "queued as 1A2B")
GREYLISTED = Deferred(Phase.RCPT, Scope.RECIPIENT, Reply(450, "4.2.0", "later"), "450 4.2.0 later")
CUT_OFF = Deferred(Phase.MAIL, Scope.RELAY, None, "the relay hung up")


def test_an_accepted_mail_keeps_the_relays_words() -> None:
    assert settled(Accepted(OK)) == Settlement(
        7, 1, DeliveryState.ACCEPTED, reply_code=250, diagnostic="250 2.0.0 queued as 1A2B"
    )


def test_a_greylisted_mail_waits_half_an_hour() -> None:
    found = settled(GREYLISTED)
    assert (found.state, found.next_attempt_at, found.phase) == (
        DeliveryState.DEFERRED,
        NOW + HALF_HOUR,
        "rcpt",
    )


def test_a_mail_that_is_deferred_for_four_days_is_given_up_as_rejected() -> None:
    found = settled(GREYLISTED, attempts=30, first=NOW - timedelta(days=4))
    assert found.state is DeliveryState.REJECTED
    assert found.diagnostic == "given up: 450 4.2.0 later"


def test_a_rejected_address_is_rejected() -> None:
    refusal = Rejected(Phase.RCPT, Scope.RECIPIENT, Reply(550, "5.1.1", "who?"), "550 5.1.1 who?")
    assert settled(refusal).state is DeliveryState.REJECTED


@pytest.mark.parametrize(("phase", "suppress"), [(Phase.RCPT, True), (Phase.FINAL, False)])
def test_an_unknown_address_is_suppressed_where_it_is_refused_before_the_content(
    phase: Phase, suppress: bool
) -> None:
    refusal = Rejected(phase, Scope.RECIPIENT, Reply(550, "5.1.1", "who?"), "550 5.1.1 who?")
    assert settled(refusal).suppress is suppress


def test_a_rejected_sender_leaves_the_delivery_pending() -> None:
    refusal = Rejected(Phase.MAIL, Scope.SENDER, Reply(550, "5.7.1", "no"), "550 5.7.1 no")
    assert settled(refusal).state is DeliveryState.PENDING


def test_a_lost_answer_is_uncertain() -> None:
    found = settled(Uncertain(Phase.FINAL, "the relay hung up"))
    assert (found.state, found.next_attempt_at) == (DeliveryState.UNCERTAIN, None)


def test_a_cut_connection_is_tried_again_at_once_but_not_for_ever() -> None:
    states = [settled(CUT_OFF, attempts=attempts).state for attempts in range(1, QUICK_TRIES + 2)]
    assert states == [DeliveryState.PENDING] * QUICK_TRIES + [DeliveryState.DEFERRED]


@pytest.mark.parametrize("code", [450, 451, 452])
def test_a_delay_that_names_nobody_still_waits(code: int) -> None:
    delay = Deferred(Phase.MAIL, Scope.RELAY, Reply(code, None, "full"), "full")
    assert settled(delay).next_attempt_at == NOW + HALF_HOUR


@given(attempts=st.integers(1, 1000), luck=st.floats(0, 1), hours=st.floats(0, 200))
def test_a_retry_comes_no_sooner_than_the_first_wait_and_within_the_time_to_give_up(
    attempts: int, luck: float, hours: float
) -> None:
    first = NOW - timedelta(hours=hours)
    due = next_attempt(attempts, first, NOW, POLICY, luck)
    if due is None:
        longest = timedelta(seconds=POLICY.longest_seconds * 1.2)
        assert NOW + longest > first + timedelta(seconds=POLICY.give_up_seconds)
    else:
        assert NOW + HALF_HOUR <= due <= first + timedelta(seconds=POLICY.give_up_seconds)


@given(attempts=st.integers(1, 40))
def test_waits_never_get_shorter(attempts: int) -> None:
    waits = [next_attempt(number, NOW, NOW, POLICY, 0) for number in (attempts, attempts + 1)]
    assert waits[0] is not None
    assert waits[1] is not None
    assert waits[0] <= waits[1]
