"""Budgets: never more than the limit in any window, nothing lost over time, and no longer a wait than needed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mailer.limits import SECOND, Budget, Limit
from mailer.limits.budget import GRAINS

LIMITS = st.lists(
    st.builds(
        Limit,
        st.sampled_from(["second", "minute", "hour", "day"]),
        st.integers(1, 12),
        st.integers(1, 5 * SECOND),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda limit: limit.name,
)
PAUSES = st.lists(st.integers(0, 3 * SECOND), min_size=1, max_size=60)
START = 1_795_000_000 * SECOND  # a day in 2026


@given(LIMITS, PAUSES)
def test_there_are_never_more_than_the_limit_in_any_window(limits: list[Limit], pauses: list[int]) -> None:
    taken = take_all(Budget(limits), pauses)
    assert taken == sorted(taken)
    for limit in limits:
        for first, one_too_many in zip(taken, taken[limit.most :], strict=False):
            assert one_too_many - first >= limit.span


@given(LIMITS, PAUSES)
def test_nothing_waits_for_more_than_a_grain_longer_than_it_must(
    limits: list[Limit], pauses: list[int]
) -> None:
    budget, now = Budget(limits), START
    taken: list[int] = []
    for pause in pauses:
        now += pause
        must = max(
            [now, *taken[-1:], *(taken[-one.most] + one.span for one in limits if one.most <= len(taken))]
        )
        taken.append(budget.take(now))
        assert taken[-1] <= must + max(1 + limit.span // GRAINS for limit in limits)


@given(LIMITS, PAUSES)
def test_it_is_the_same_after_it_was_written_and_read(limits: list[Limit], pauses: list[int]) -> None:
    budget = Budget(limits)
    take_all(budget, pauses)
    again = Budget.from_json(limits, budget.to_json(), latest=1 << 62)
    assert take_all(again, pauses) == take_all(budget, pauses)


@given(st.integers(1, 2000), st.integers(1, 400))
def test_an_even_pace_does_not_drift(per_second: int, seconds: int) -> None:
    """Asked for all along, it lets through what the limit says, less what one microsecond a mail makes."""
    pace = Limit("second", 1, -(-SECOND // per_second))
    log = [(START, 1)]
    mails = min(5000, per_second * seconds)
    for _ in range(mails):
        pace.spend(log, pace.next(log, START))
    took = log[-1][0] - START
    assert mails * SECOND <= took * per_second
    assert took - mails * SECOND // per_second <= mails


def test_a_full_window_is_free_again_when_it_has_passed() -> None:
    budget = Budget([Limit("minute", 3, 60 * SECOND)])
    assert [budget.take(START) for _ in range(3)] == [START] * 3
    assert budget.next(START + SECOND) == START + 60 * SECOND
    assert [budget.take(START + 60 * SECOND) for _ in range(3)] == [START + 60 * SECOND] * 3


def test_what_is_remembered_does_not_grow() -> None:
    budget = Budget([Limit("day", 1_000_000, 86400 * SECOND), Limit("second", 1, 1000)])
    for mail in range(20_000):
        budget.take(START + mail * 20 * SECOND)
    assert len(budget.to_json()) < (GRAINS + 5) * 30


def test_a_clock_that_is_set_back_delays_nothing_for_long() -> None:
    limits = [Limit("second", 1, SECOND)]
    budget = Budget(limits)
    budget.take(START + 3600 * SECOND)
    back = Budget.from_json(limits, budget.to_json(), latest=START + SECOND // 2)
    assert back.next(START) <= START + 2 * SECOND


def test_a_limit_that_is_new_in_the_settings_begins_afresh() -> None:
    old = Budget([Limit("second", 1, SECOND)])
    old.take(START)
    both = [Limit("second", 1, SECOND), Limit("hour", 10, 3600 * SECOND)]
    assert Budget.from_json(both, old.to_json(), latest=START).next(START) == START + SECOND


def take_all(budget: Budget, pauses: list[int]) -> list[int]:
    now, taken = START, []
    for pause in pauses:
        now += pause
        taken.append(budget.take(now))
    return taken
