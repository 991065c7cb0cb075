"""The circuit breaker: closed, open, half-open, and back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mailer.smtp.breaker import FAILURE_THRESHOLD, FIRST_COOLDOWN, MAX_COOLDOWN, PROBE_SECONDS, Breaker


def test_it_opens_after_failures_in_a_row() -> None:
    breaker = broken(FAILURE_THRESHOLD - 1)
    assert breaker.allows(0)
    breaker.failed(0)
    assert not breaker.allows(0)


def test_a_success_in_between_begins_the_count_anew() -> None:
    breaker = broken(FAILURE_THRESHOLD - 1)
    breaker.succeeded()
    breaker.failed(0)
    assert breaker.allows(0)


def test_a_lasting_failure_opens_it_at_once() -> None:
    breaker = Breaker()
    breaker.failed(0, lasting=True)
    assert not breaker.allows(0)


def test_when_it_has_rested_one_may_probe_and_nobody_else() -> None:
    breaker = broken()
    assert not breaker.allows(FIRST_COOLDOWN - 0.01)
    assert breaker.allows(FIRST_COOLDOWN)
    breaker.enter(FIRST_COOLDOWN)
    assert not breaker.allows(FIRST_COOLDOWN + 100)


def test_it_says_how_long_nothing_can_change() -> None:
    breaker = broken(FAILURE_THRESHOLD - 1)
    assert breaker.seconds_until_allowed(0) == 0
    breaker.failed(0)
    assert breaker.seconds_until_allowed(1) == FIRST_COOLDOWN - 1
    assert breaker.seconds_until_allowed(FIRST_COOLDOWN) == 0
    breaker.enter(FIRST_COOLDOWN)
    assert breaker.seconds_until_allowed(FIRST_COOLDOWN + 100) == PROBE_SECONDS
    breaker.succeeded()
    assert breaker.seconds_until_allowed(FIRST_COOLDOWN + 100) == 0


def test_a_probe_that_succeeds_closes_it() -> None:
    breaker = broken()
    breaker.enter(FIRST_COOLDOWN)
    breaker.succeeded()
    assert breaker.allows(FIRST_COOLDOWN)
    breaker.enter(FIRST_COOLDOWN)
    assert breaker.allows(FIRST_COOLDOWN)


def test_a_probe_that_fails_doubles_the_rest() -> None:
    breaker, now = broken(), 0.0
    for rest in (5, 10, 20, 40, 80, 160, 300, 300):
        assert not breaker.allows(now + rest - 0.01)
        now += rest
        assert breaker.allows(now)
        breaker.enter(now)
        breaker.failed(now)


def test_a_probe_that_tried_nothing_leaves_it_to_the_next() -> None:
    breaker = broken()
    breaker.enter(FIRST_COOLDOWN)
    breaker.undecided()
    assert breaker.allows(FIRST_COOLDOWN)


def test_who_went_in_before_it_opened_does_not_prolong_the_rest() -> None:
    breaker = broken()
    breaker.failed(FIRST_COOLDOWN - 1)
    assert breaker.allows(FIRST_COOLDOWN)


@given(
    st.lists(st.tuples(st.floats(0, 400), st.sampled_from(["failed", "succeeded", "undecided"])), max_size=50)
)
def test_it_is_never_closed_to_all_for_longer_than_the_longest_rest(steps: list[tuple[float, str]]) -> None:
    breaker, now = Breaker(), 0.0
    for pause, end in steps:
        now += pause
        if breaker.allows(now):
            breaker.enter(now)
            breaker.failed(now) if end == "failed" else getattr(breaker, end)()
        assert breaker.allows(now + MAX_COOLDOWN)


def broken(failures: int = FAILURE_THRESHOLD) -> Breaker:
    breaker = Breaker()
    for _ in range(failures):
        breaker.enter(0)
        breaker.failed(0)
    return breaker
