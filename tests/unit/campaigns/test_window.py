"""Send windows: read strictly, and open when the wall clock of their zone says so, also where clocks change."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.timing import SendWindow
from mailer.errors import InvalidInput

AMSTERDAM = "Europe/Amsterdam"
ZONES = [AMSTERDAM, "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia", "UTC"]
OFFICE_HOURS = "weekdays 08:00 to 18:00 Europe/Amsterdam"

minutes = st.builds(time, st.integers(0, 23), st.integers(0, 59))
windows = st.builds(
    SendWindow, st.frozensets(st.integers(0, 6), min_size=1), minutes, minutes, st.sampled_from(ZONES)
).filter(lambda window: window.opens != window.closes)
instants = st.datetimes(datetime(2010, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def window(text: str) -> SendWindow:
    found = SendWindow.parse(text, AMSTERDAM)
    assert found is not None
    return found


def local(text: str, zone: str = AMSTERDAM) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


@pytest.mark.parametrize(
    ("now", "opening"),
    [
        ("2026-11-23 07:59", "2026-11-23 08:00"),
        ("2026-11-23 08:00", "2026-11-23 08:00"),
        ("2026-11-23 17:59", "2026-11-23 17:59"),
        ("2026-11-23 18:00", "2026-11-24 08:00"),
        ("2026-11-27 18:00", "2026-11-30 08:00"),
        ("2026-11-29 12:00", "2026-11-30 08:00"),
    ],
)
def test_office_hours_open_on_weekdays_from_eight_to_six(now: str, opening: str) -> None:
    assert window(OFFICE_HOURS).next_open(local(now)) == local(opening)


def test_a_window_over_midnight_belongs_to_the_day_on_which_it_opens() -> None:
    night = window("fri 22:00 to 06:00")
    assert night.is_open(local("2026-11-28 05:59"))
    assert not night.is_open(local("2026-11-27 05:59"))
    assert night.next_open(local("2026-11-28 06:00")) == local("2026-12-04 22:00")


def test_an_opening_that_the_clocks_skip_comes_as_much_later() -> None:
    early = window("daily 02:30 to 06:00")
    assert early.next_open(local("2026-03-29 01:00")) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)  # 03:30


def test_an_opening_that_the_clocks_skip_whole_does_not_take_place() -> None:
    short = window("daily 02:30 to 03:15")
    assert short.next_open(local("2026-03-29 00:00")) == local("2026-03-30 02:30")


def test_of_times_that_come_twice_the_first_opens_and_the_first_closes() -> None:
    night = window("daily 02:15 to 02:45")
    assert night.next_open(datetime(2026, 10, 24, 22, tzinfo=UTC)) == datetime(
        2026, 10, 25, 0, 15, tzinfo=UTC
    )
    assert not night.is_open(datetime(2026, 10, 25, 0, 45, tzinfo=UTC))
    assert not night.is_open(datetime(2026, 10, 25, 1, 30, tzinfo=UTC))  # 02:30 again


def test_whole_days_never_close() -> None:
    assert window("daily 00:00 to 24:00").is_open(local("2026-11-23 23:59:59.999999"))
    assert window("daily 00:00 to 24:00").is_open(local("2026-11-24 00:00"))


def test_always_is_no_window_at_all() -> None:
    assert SendWindow.parse(" Always ", AMSTERDAM) is None


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("weekends", {5, 6}),
        ("mon-thu,sat", {0, 1, 2, 3, 5}),
        ("sat-mon", {5, 6, 0}),
        ("WED", {2}),
    ],
)
def test_days_are_sets_names_and_ranges(text: str, days: set[int]) -> None:
    assert window(f"{text} 08:00 to 18:00").days == days


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "can't read"),
        ("08:00 to 18:00", "can't read"),
        ("weekdays 8:00 to 18:00", "can't read"),
        ("weekdays 08:00-18:00", "can't read"),
        ("weekdays 08:00 to 18:00 Europe/Amsterdam please", "can't read"),
        ("workdays 08:00 to 18:00", "'workdays' names no days"),
        ("mon- 08:00 to 18:00", "'mon-' names no days"),
        ("mon, 08:00 to 18:00", "'' names no days"),
        ("weekdays 08:00 to 25:00", "'25:00' is not a time"),
        ("weekdays 24:00 to 08:00", "'24:00' is not a time"),
        ("weekdays 08:60 to 18:00", "'08:60' is not a time"),
        ("weekdays 08:00 to 08:00", "same time"),
        ("weekdays 08:00 to 18:00 Amsterdam", "unknown zone 'Amsterdam'"),
        ("weekdays 08:00 to 18:00 ../etc/passwd", "unknown zone"),
    ],
)
def test_what_is_no_window_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason) as refusal:
        SendWindow.parse(text, AMSTERDAM)
    assert refusal.value.where == "--window"
    assert refusal.value.hint


@given(windows)
def test_a_window_reads_back_as_it_is_written(one: SendWindow) -> None:
    assert SendWindow.parse(str(one), "UTC") == one


@given(st.text(max_size=40))
def test_any_other_text_raises_nothing_but_a_clear_error(text: str) -> None:
    with suppress(InvalidInput):
        SendWindow.parse(text, AMSTERDAM)


@given(windows, instants)
def test_the_next_opening_is_open_and_nothing_before_it_is(one: SendWindow, now: datetime) -> None:
    opening = one.next_open(now)
    assert opening >= now
    assert one.is_open(opening)
    assert one.is_open(now) == (opening == now)
    for share in (0.001, 0.3, 0.7, 0.999):
        between = now + (opening - now) * share
        if now < between < opening:
            assert not one.is_open(between)


@given(windows, instants)
def test_while_it_is_open_the_wall_clock_shows_a_time_within_it_but_for_a_change_of_clocks(
    one: SendWindow, now: datetime
) -> None:
    zone = ZoneInfo(one.zone)
    day = timedelta(days=1)
    if len({(now + step * day).astimezone(zone).utcoffset() for step in (-2, -1, 0, 1, 2)}) > 1:
        return
    shown = now.astimezone(zone)
    clock, today, yesterday = shown.time(), shown.weekday() in one.days, (shown - day).weekday() in one.days
    if one.opens < one.closes:
        expected = today and one.opens <= clock < one.closes
    else:
        expected = (today and clock >= one.opens) or (yesterday and clock < one.closes)
    assert one.is_open(now) == expected
