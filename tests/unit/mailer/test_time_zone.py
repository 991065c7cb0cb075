"""Names of time zones: what is one, and what only looks like one."""

from __future__ import annotations

from zoneinfo import available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.time_zone import is_time_zone

ZONES = available_timezones()


def test_each_zone_of_the_system_is_one() -> None:
    assert [name for name in ZONES if not is_time_zone(name)] == []


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "/", "Europe", "Europe/", "Europe//Amsterdam", "Europe/./Amsterdam", "../Europe/Amsterdam",
     "/etc/localtime", "/etc/passwd", "Europe/Amsterdam\x00", "Europe/Amsterdam\n", " Europe/Amsterdam", "tzdata.zi",
     "zone1970.tab", "right/Europe/Amsterdam", "posix/Europe/Amsterdam", "Europe/Atlantis", "CEST", "+01:00", "a" * 5000,
     "\ud800"],
)  # fmt: skip
def test_another_name_is_not(name: str) -> None:
    assert not is_time_zone(name)


@given(
    st.text()
    | st.builds("/".join, st.lists(st.sampled_from(["Europe", "Amsterdam", "..", "", "UTC", "Etc"])))
)
def test_it_says_what_the_whole_database_says(name: str) -> None:
    assert is_time_zone(name) == (name in ZONES)
