"""Periods as a notice says them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from templates.language.period import period_text


@pytest.mark.parametrize(
    ("days", "english", "dutch"),
    [
        (1826, "5 years", "5 jaar"),
        (396, "13 months", "13 maanden"),
        (30, "30 days", "30 dagen"),
        (1, "1 day", "1 dag"),
        (0.1, "1 day", "1 dag"),
    ],
)
def test_a_period_is_said_in_its_largest_unit_of_which_there_are_two(
    days: float, english: str, dutch: str
) -> None:
    period = timedelta(days=days)
    assert (period_text(period, "en"), period_text(period, "nl")) == (english, dutch)
