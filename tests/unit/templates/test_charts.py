"""Where the shapes of charts stand."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from templates.charts import line_path, round_ticks, share_parts


@settings(max_examples=50)
@given(st.lists(st.integers(0, 10**7), min_size=1, max_size=8), st.floats(5, 100))
def test_parts_are_side_by_side_within_their_bar_and_each_is_seen(numbers: list[int], length: float) -> None:
    parts = share_parts(
        [(str(place), number, "") for place, number in enumerate(numbers)], sum(numbers), length
    )
    assert [part.kind for part in parts] == [str(place) for place, number in enumerate(numbers) if number]
    end = 0.0
    for part in parts:
        assert part.start >= end - 0.01
        assert part.length > 0
        end = part.start + part.length
    assert end <= length + 0.01


@pytest.mark.parametrize(
    ("most", "ticks"),
    [(0, [0, 1]), (1, [0, 1]), (7, [0, 2, 4, 6, 8]), (100, [0, 50, 100]), (9734, [0, 5000, 10000])],
)
def test_ticks_are_round_numbers_up_to_the_highest_value(most: int, ticks: list[int]) -> None:
    assert round_ticks(most) == ticks


def test_a_path_has_y_downwards() -> None:
    assert line_path([(0, 0), (0.5, 1), (1, 0.25)]) == "M0.00 100.00 L50.00 0.00 L100.00 75.00"
