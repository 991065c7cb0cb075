"""Wall-clock times in IANA zones become instants."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.timing import parse_due_time
from mailer.config import duration
from mailer.errors import InvalidInput
from subscribers.intake import parse_consent_time

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATENESS = timedelta(hours=6)
AMSTERDAM = "Europe/Amsterdam"


def test_a_winter_morning_in_amsterdam_is_an_hour_ahead_of_utc() -> None:
    due = parse_due_time("2026-12-01 09:00", AMSTERDAM, NOW, LATENESS)
    assert due.at == datetime(2026, 12, 1, 8, 0, tzinfo=UTC)
    assert str(due) == "Tuesday 01 December 2026, 09:00 Europe/Amsterdam (2026-12-01 08:00 UTC)"


def test_a_time_that_the_clocks_skip_is_moved_on_by_as_much() -> None:
    assert parse_due_time("2026-03-29 02:30", AMSTERDAM, NOW, LATENESS).at == datetime(
        2026, 3, 29, 1, 30, tzinfo=UTC
    )


@pytest.mark.parametrize(
    ("wall_time", "zone", "utc"),
    [
        ("2026-03-08 02:30", "America/New_York", "2026-03-08 07:30"),  # an hour is skipped: 03:30
        ("2026-10-04 02:15", "Australia/Lord_Howe", "2026-10-03 15:45"),  # half an hour is: 02:45
        ("2027-03-28 02:00", AMSTERDAM, "2027-03-28 01:00"),  # the first skipped minute: 03:00
        ("2027-03-28 03:00", AMSTERDAM, "2027-03-28 01:00"),  # the first one after it
        ("2026-11-01 01:30", "America/New_York", "2026-11-01 05:30"),  # comes twice: the first
        ("2026-04-05 01:45", "Australia/Lord_Howe", "2026-04-04 14:45"),  # comes twice, half an hour apart
        ("2026-10-25 03:00", AMSTERDAM, "2026-10-25 02:00"),  # the first minute that comes once again
    ],
)
def test_at_a_change_of_clocks_each_time_is_one_defined_instant(wall_time: str, zone: str, utc: str) -> None:
    expected = datetime.fromisoformat(utc).replace(tzinfo=UTC)
    assert parse_due_time(wall_time, zone, NOW, LATENESS).at == expected


def test_it_is_too_late_when_the_lateness_has_passed() -> None:
    due = parse_due_time("2026-12-01 09:00", AMSTERDAM, NOW, timedelta(minutes=90))
    assert due.start_before - due.at == timedelta(minutes=90)


def test_the_latest_time_with_the_longest_lateness_has_a_date() -> None:
    due = parse_due_time("2125-12-01 09:00", AMSTERDAM, NOW, duration("36500d"))
    assert due.start_before == due.at + timedelta(days=36_500)


def test_of_a_time_that_comes_twice_the_first_counts() -> None:
    assert parse_due_time("2026-10-25 02:30", AMSTERDAM, NOW, LATENESS).at == datetime(
        2026, 10, 25, 0, 30, tzinfo=UTC
    )


@pytest.mark.parametrize(
    ("wall_time", "zone", "reason"),
    [
        ("tomorrow", AMSTERDAM, "can't read"),
        ("2026-13-01 09:00", AMSTERDAM, "can't read"),
        ("1/12/2026 09:00", AMSTERDAM, "can't read"),
        ("31-2-2027 09:00", AMSTERDAM, "can't read"),
        ("2025-12-31 09:00", AMSTERDAM, "past"),
        ("2026-12-01 09:00", "Amsterdam", "unknown zone"),
        ("2026-12-01 09:00", "../etc/passwd", "unknown zone"),
        ("9999-12-31 23:59", "Etc/GMT+12", "can't read"),
        ("9999-12-31 20:00", AMSTERDAM, "more than a hundred years ahead"),
        ("9999-12-31 11:59", "Etc/GMT+12", "more than a hundred years ahead"),
        ("2126-12-01 09:00", AMSTERDAM, "more than a hundred years ahead"),
    ],
)
def test_what_can_not_be_scheduled_is_refused_with_the_option_to_mend(
    wall_time: str, zone: str, reason: str
) -> None:
    with pytest.raises(InvalidInput, match=reason) as refusal:
        parse_due_time(wall_time, zone, NOW, LATENESS)
    assert refusal.value.where in {"--at", "--tz"}


def test_an_unreadable_time_is_answered_with_one_list_of_forms() -> None:
    with pytest.raises(InvalidInput) as refusal:
        parse_due_time("yesterday", AMSTERDAM, NOW, LATENESS)
    assert refusal.value.reason == "can't read the time 'yesterday'"
    assert refusal.value.hint is not None
    assert refusal.value.hint.startswith('Write "2026-12-01 09:00"')


@given(
    wall=st.datetimes(min_value=datetime(2026, 1, 3), max_value=datetime(2030, 1, 1)),  # noqa: DTZ001
    zone=st.sampled_from([AMSTERDAM, "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"]),
)
def test_the_instant_shows_the_wall_time_that_was_asked_for_unless_clocks_skip_it(
    wall: datetime, zone: str
) -> None:
    wall = wall.replace(microsecond=0, second=0, fold=0)
    due = parse_due_time(wall.isoformat(), zone, NOW, LATENESS)
    shown = due.at.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)
    assert shown in {wall, wall + timedelta(hours=1), wall + timedelta(minutes=30)}


@pytest.mark.parametrize(
    "written",
    ["2026-12-01 09:00", "2026-12-01T09:00:00", "1-12-2026 09:00", "01-12-2026, 9:00", "2026-12-01T08:00Z", "2026-12-01 09:00+01:00"],
)  # fmt: skip
def test_a_time_may_be_written_as_an_import_takes_it(written: str) -> None:
    due = parse_due_time(written, AMSTERDAM, datetime(2026, 11, 1, tzinfo=UTC), timedelta(hours=6))
    assert due.at == datetime(2026, 12, 1, 8, tzinfo=UTC)
    assert due.wall_time == "2026-12-01 09:00"


@pytest.mark.parametrize(
    "wall_time",
    ["2026-12-01T09:00:00+01:00", "2026-12-01 09:00", "1-12-2026 9:00", "1 december 2026 09:00", "1.12.2026 9.00", "December 1, 2026 9:00"],
)  # fmt: skip
def test_every_form_that_an_import_takes_can_be_scheduled(wall_time: str) -> None:
    later = datetime(2027, 1, 1, tzinfo=UTC)
    due = parse_due_time(wall_time, AMSTERDAM, NOW, LATENESS)
    assert due.at == parse_consent_time(wall_time, ZoneInfo(AMSTERDAM), later)
