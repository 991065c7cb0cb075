"""Cron expressions become instants, by the wall clock of their zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.timing.cron import Cadence
from mailer.errors import InvalidInput

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
AMSTERDAM = "Europe/Amsterdam"

instants = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
cadences = st.builds(
    "{} {} {} * {}".format,
    st.integers(0, 59),
    st.integers(0, 23) | st.just("*"),
    st.just("*") | st.integers(1, 28),
    st.just("*") | st.integers(0, 6),
)


def cadence(expression: str, zone: str = AMSTERDAM) -> Cadence:
    return Cadence.parse(expression, zone, NOW)


def test_the_first_of_the_month_at_nine_is_nine_by_the_clock_in_summer_and_in_winter() -> None:
    monthly = cadence("0 9 1 * *")
    assert monthly.next(datetime(2026, 2, 15, tzinfo=UTC)) == datetime(2026, 3, 1, 8, tzinfo=UTC)
    assert monthly.next(datetime(2026, 3, 15, tzinfo=UTC)) == datetime(2026, 4, 1, 7, tzinfo=UTC)


def test_a_time_that_the_clocks_skip_comes_right_after_the_gap() -> None:
    assert cadence("30 2 * * *").next(datetime(2026, 3, 28, 12, tzinfo=UTC)) == datetime(
        2026, 3, 29, 1, tzinfo=UTC
    )


def test_a_time_that_comes_twice_counts_once() -> None:
    daily = cadence("30 2 * * *")
    first = daily.next(datetime(2026, 10, 24, 12, tzinfo=UTC))
    assert first == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert daily.next(first) == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


def test_of_many_times_that_were_passed_over_only_the_last_is_due() -> None:
    assert cadence("0 9 * * *").latest(NOW - timedelta(days=30), NOW) == datetime(2026, 11, 23, 8, tzinfo=UTC)
    assert cadence("0 9 * * *").latest(datetime(2026, 11, 23, 8, tzinfo=UTC), NOW) is None


@pytest.mark.parametrize(
    ("expression", "zone", "reason"),
    [
        ("0 9 1 *", AMSTERDAM, "has 4 fields"),
        ("0 0 9 1 * *", AMSTERDAM, "has 6 fields"),
        ("0 25 1 * *", AMSTERDAM, "bad hour"),
        ("0 9 30 2 *", AMSTERDAM, "bad day-of-month"),
        ("@fortnightly", AMSTERDAM, "has 1 field,"),
        ("0 9 1 * *", "Amsterdam", "unknown zone"),
    ],
)
def test_what_is_no_cron_expression_is_refused_with_the_reason(
    expression: str, zone: str, reason: str
) -> None:
    with pytest.raises(InvalidInput, match=reason) as refusal:
        cadence(expression, zone)
    assert refusal.value.where in {"--every", "--tz"}


@given(cadences, instants, st.sampled_from([AMSTERDAM, "America/New_York", "Australia/Lord_Howe", "UTC"]))
def test_the_next_time_is_later_and_on_the_minute_by_the_wall_clock(
    expression: str, after: datetime, zone: str
) -> None:
    following = cadence(expression, zone).next(after)
    assert following > after
    shown = following.astimezone(ZoneInfo(zone))
    skipped = (
        shown.utcoffset() != (shown - timedelta(hours=3)).astimezone(UTC).astimezone(shown.tzinfo).utcoffset()
    )
    assert skipped or shown.minute == int(expression.split(maxsplit=1)[0])
    assert shown.second == 0


@given(cadences, instants, st.timedeltas(timedelta(), timedelta(days=10)))
def test_the_latest_time_is_the_last_of_the_next_ones(
    expression: str, after: datetime, lag: timedelta
) -> None:
    one, now = cadence(expression), after + lag
    latest = one.latest(after, now)
    if latest is None:
        assert one.next(after) > now
    else:
        assert after < latest <= now < one.next(latest)


@pytest.mark.parametrize(
    ("nickname", "fields"),
    [("@weekly", "0 0 * * 0"), ("@Daily", "0 0 * * *"), ("@monthly", "0 0 1 * *"), ("@hourly", "0 * * * *"), ("@yearly", "0 0 1 1 *")],
)  # fmt: skip
def test_a_nickname_of_cron_stands_for_its_fields(nickname: str, fields: str) -> None:
    now = datetime(2026, 11, 28, tzinfo=UTC)
    assert Cadence.parse(nickname, AMSTERDAM, now) == Cadence.parse(fields, AMSTERDAM, now)
