"""What an outcome writes into a delivery's row, and when it is tried again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.deliveries import Settlement, next_attempt, settlement_for
from campaigns.states import DeliveryReason, DeliveryState
from mailer.config import RetrySettings
from mailer.smtp import Accepted, Deferred, FailureScope, Outcome, Phase, Rejected, Uncertain
from mailer.smtp.outcome import Reply

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
POLICY = RetrySettings()
HALF_HOUR = timedelta(minutes=30)


def settled(
    outcome: Outcome,
    *,
    attempts: int = 1,
    first: datetime = NOW,
    jitter: float = 0,
    has_other_relay: bool = False,
) -> Settlement:
    return settlement_for(
        7,
        outcome,
        attempts=attempts,
        first_attempted_at=first,
        now=NOW,
        policy=POLICY,
        jitter=jitter,
        has_other_relay=has_other_relay,
    )


OK = Reply(250, "2.0.0", "queued as 1A2B")
GREYLISTED = Deferred(Phase.RCPT, FailureScope.RECIPIENT, Reply(450, "4.2.0", "later"), "450 4.2.0 later")
CUT_OFF = Deferred(Phase.MAIL, FailureScope.RELAY, None, "the relay hung up")
CLOSING = Deferred(Phase.MAIL, FailureScope.RELAY, Reply(421, "4.3.2", "closing"), "421 4.3.2 closing")
BUSY = Deferred(Phase.MAIL, FailureScope.RELAY, Reply(451, "4.3.0", "busy"), "451 4.3.0 busy")


def test_an_accepted_mail_keeps_the_relays_words() -> None:
    assert settled(Accepted(OK)) == Settlement(
        7, 1, DeliveryState.ACCEPTED, reply_code=250, diagnostic="250 2.0.0 queued as 1A2B"
    )


def test_a_greylisted_mail_waits_half_an_hour() -> None:
    found = settled(GREYLISTED)
    assert (found.state, found.next_attempt_at, found.smtp_phase) == (
        DeliveryState.DEFERRED,
        NOW + HALF_HOUR,
        "rcpt",
    )


def test_a_settlement_keeps_what_the_relay_said() -> None:
    assert (settled(GREYLISTED).reply_code, settled(GREYLISTED).diagnostic) == (450, "450 4.2.0 later")
    assert (settled(CUT_OFF).reply_code, settled(CUT_OFF).diagnostic) == (None, "the relay hung up")


def test_an_accepted_or_deferred_mail_suppresses_nobody() -> None:
    assert not settled(Accepted(OK)).suppress
    assert not settled(GREYLISTED).suppress


def test_a_mail_that_is_deferred_for_four_days_is_given_up_as_rejected() -> None:
    found = settled(GREYLISTED, attempts=30, first=NOW - timedelta(days=4))
    assert found.state is DeliveryState.REJECTED
    assert (found.reason, found.smtp_phase, found.diagnostic) == (
        DeliveryReason.GIVEN_UP,
        "rcpt",
        "450 4.2.0 later",
    )


def test_a_rejected_address_is_rejected() -> None:
    refusal = Rejected(Phase.RCPT, FailureScope.RECIPIENT, Reply(550, "5.1.1", "who?"), "550 5.1.1 who?")
    assert settled(refusal).state is DeliveryState.REJECTED


@pytest.mark.parametrize(("phase", "suppress"), [(Phase.RCPT, True), (Phase.FINAL, False)])
def test_an_unknown_address_is_suppressed_where_it_is_refused_before_the_content(
    phase: Phase, suppress: bool
) -> None:
    refusal = Rejected(phase, FailureScope.RECIPIENT, Reply(550, "5.1.1", "who?"), "550 5.1.1 who?")
    assert settled(refusal).suppress is suppress


def test_a_rejected_sender_leaves_the_delivery_pending() -> None:
    refusal = Rejected(Phase.MAIL, FailureScope.SENDER, Reply(550, "5.7.1", "no"), "550 5.7.1 no")
    assert settled(refusal).state is DeliveryState.PENDING


def test_a_lost_answer_is_uncertain() -> None:
    found = settled(Uncertain(Phase.FINAL, "the relay hung up"))
    assert (found.state, found.next_attempt_at) == (DeliveryState.UNCERTAIN, None)


@pytest.mark.parametrize("outcome", [CUT_OFF, CLOSING])
def test_a_cut_connection_is_tried_again_at_once_three_times(outcome: Deferred) -> None:
    found = [settled(outcome, attempts=attempts) for attempts in range(1, 5)]
    assert [one.state for one in found] == [DeliveryState.PENDING] * 3 + [DeliveryState.DEFERRED]
    assert [one.next_attempt_at for one in found[:3]] == [NOW] * 3


def test_what_a_relay_puts_off_is_tried_elsewhere_at_once_three_times() -> None:
    found = [settled(BUSY, attempts=attempts, has_other_relay=True) for attempts in range(1, 5)]
    assert [one.state for one in found] == [DeliveryState.PENDING] * 3 + [DeliveryState.DEFERRED]
    assert [one.next_attempt_at for one in found[:3]] == [NOW] * 3


def test_what_the_only_relay_puts_off_waits() -> None:
    # Where nothing is said of another relay there is none.
    found = settlement_for(7, BUSY, attempts=1, first_attempted_at=NOW, now=NOW, policy=POLICY, jitter=0)
    assert found.state is DeliveryState.DEFERRED


def test_a_greylisted_mail_waits_also_where_there_is_another_relay() -> None:
    assert settled(GREYLISTED, has_other_relay=True) == settled(GREYLISTED)


def test_what_a_full_connection_puts_off_is_tried_at_once_on_the_next_however_often() -> None:
    full = Deferred(Phase.MAIL, FailureScope.CONNECTION, Reply(452, "4.5.3", "full"), "452 4.5.3 full")
    found = settled(full, attempts=100)
    assert (found.state, found.next_attempt_at) == (DeliveryState.PENDING, NOW)


@pytest.mark.parametrize("code", [450, 451, 452])
def test_a_delay_that_names_nobody_still_waits(code: int) -> None:
    delay = Deferred(Phase.MAIL, FailureScope.RELAY, Reply(code, None, "full"), "full")
    assert settled(delay).next_attempt_at == NOW + HALF_HOUR


@given(attempts=st.integers(1, 1000), jitter=st.floats(0, 1), hours=st.floats(0, 200))
def test_a_retry_comes_no_sooner_than_the_first_wait_and_within_the_time_to_give_up(
    attempts: int, jitter: float, hours: float
) -> None:
    first = NOW - timedelta(hours=hours)
    due = next_attempt(attempts, first, NOW, POLICY, jitter)
    if due is None:
        longest = timedelta(seconds=POLICY.longest_seconds * 1.2)
        assert NOW + longest > first + timedelta(seconds=POLICY.give_up_seconds)
    else:
        assert NOW + HALF_HOUR <= due <= first + timedelta(seconds=POLICY.give_up_seconds)


@given(attempts=st.integers(1, 40), hours=st.floats(0, 90))
def test_waits_never_get_shorter(attempts: int, hours: float) -> None:
    first = NOW - timedelta(hours=hours)
    waits = [next_attempt(number, first, NOW, POLICY, 0) for number in (attempts, attempts + 1)]
    assert waits[0] is not None
    assert waits[1] is not None
    assert waits[0] <= waits[1]


def test_each_wait_is_twice_the_one_before_up_to_the_longest() -> None:
    policy = RetrySettings(first_seconds=60, longest_seconds=600)
    now, waits = NOW, []
    for number in range(1, 7):
        due = next_attempt(number, NOW, now, policy, 0)
        assert due is not None
        waits.append(due - now)
        now = due
    assert waits == [timedelta(minutes=minutes) for minutes in (1, 2, 4, 8, 10, 10)]


@pytest.mark.parametrize("quick", [3, 10, 1000])
def test_attempts_at_once_make_no_later_wait_longer(quick: int) -> None:
    a_minute_ago = NOW - timedelta(minutes=1)
    due = settled(GREYLISTED, attempts=quick + 1, first=a_minute_ago).next_attempt_at
    assert due == NOW + HALF_HOUR + timedelta(minutes=1)


THROTTLED = Deferred(Phase.RCPT, FailureScope.RELAY, Reply(454, None, "Throttling"), "454 Throttling")


@pytest.mark.parametrize("attempts", [1, 5, 20])
def test_what_a_busy_relay_does_not_take_is_due_at_once_and_not_given_up(attempts: int) -> None:
    soon = POLICY.replace(give_up_seconds=60)
    found = settlement_for(
        7, THROTTLED, attempts=attempts, first_attempted_at=NOW, now=NOW, policy=soon, jitter=0
    )
    assert (found.state, found.next_attempt_at) == (DeliveryState.PENDING, NOW)


def test_a_mail_that_a_relay_calls_itself_busy_for_each_time_waits_like_any_other() -> None:
    found = settled(THROTTLED, attempts=21)
    assert (found.state, found.next_attempt_at) == (DeliveryState.DEFERRED, NOW + HALF_HOUR)


def test_a_relay_that_is_busy_for_four_days_has_a_mail_given_up() -> None:
    found = settled(THROTTLED, attempts=2, first=NOW - timedelta(days=4, seconds=1))
    assert (found.state, found.reason) == (DeliveryState.REJECTED, DeliveryReason.GIVEN_UP)


def test_luck_lengthens_a_wait_by_up_to_a_fifth() -> None:
    waits = [next_attempt(1, NOW, NOW, POLICY, jitter) for jitter in (0, 0.5, 1)]
    assert waits == [NOW + timedelta(minutes=minutes) for minutes in (30, 33, 36)]


def test_a_retry_that_is_due_at_the_last_moment_is_still_made() -> None:
    last = NOW - timedelta(seconds=POLICY.give_up_seconds) + HALF_HOUR
    assert next_attempt(1, last, NOW, POLICY, 0) == NOW + HALF_HOUR
    assert next_attempt(1, last - timedelta(seconds=1), NOW, POLICY, 0) is None
