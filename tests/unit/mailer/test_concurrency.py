"""How many connections there are follows what they bring."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from mailer.smtp.concurrency import GROWTH_PAUSE, WINDOW, Concurrency


class _Campaign:
    """A relay that takes `rate(connections)` messages a second, and time that passes."""

    def __init__(self, ceiling: int, rate: Callable[[int], float]) -> None:
        self.concurrency = Concurrency(ceiling)
        self.rate = rate
        self.now, self.finished = 0.0, 0.0

    def send_for(self, seconds: float) -> int:
        """The number of connections after `seconds` more."""
        until = self.now + seconds
        while self.now < until:
            self.concurrency.observe(self.now, int(self.finished), saturated=True)
            self.finished += self.rate(self.concurrency.limit) * WINDOW
            self.now += WINDOW
        return self.concurrency.limit


def test_it_grows_to_the_ceiling_where_each_connection_brings_more() -> None:
    assert _Campaign(50, lambda connections: 100.0 * connections).send_for(5) == 50


def test_it_stops_growing_where_that_brings_nothing() -> None:
    assert _Campaign(1000, lambda connections: 100.0 * min(connections, 16)).send_for(GROWTH_PAUSE) == 40


def test_slow_relays_are_given_the_time_that_a_measurement_takes() -> None:
    campaign = _Campaign(1000, lambda connections: 0.5 * connections)
    assert campaign.send_for(7.5) == 20
    assert campaign.send_for(2) == 40


def test_it_does_not_grow_where_nobody_waits_for_a_connection() -> None:
    concurrency = Concurrency(50)
    for tick in range(100):
        concurrency.observe(tick * WINDOW, tick * 1000, saturated=False)
    assert concurrency.limit == 20


def test_a_refused_connection_lowers_it_and_growth_rests() -> None:
    campaign = _Campaign(50, lambda connections: 100.0 * connections)
    campaign.send_for(5)
    campaign.concurrency.lower(campaign.now, open_connections=7)
    assert campaign.send_for(GROWTH_PAUSE - WINDOW) == 7
    assert campaign.send_for(GROWTH_PAUSE) > 7


@given(st.integers(1, 1000), st.lists(st.tuples(st.booleans(), st.integers(0, 2000), st.booleans())))
def test_it_always_stays_between_one_and_the_ceiling(
    ceiling: int, events: list[tuple[bool, int, bool]]
) -> None:
    concurrency, finished = Concurrency(ceiling), 0
    for tick, (refused, number, saturated) in enumerate(events):
        if refused:
            concurrency.lower(tick * WINDOW, number)
        else:
            finished += number
            concurrency.observe(tick * WINDOW, finished, saturated=saturated)
        assert 1 <= concurrency.limit <= ceiling
