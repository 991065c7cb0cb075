"""Times as people write them, in Dutch and English."""

from __future__ import annotations

from datetime import datetime

import pytest
from babel.dates import format_datetime
from hypothesis import given
from hypothesis import strategies as st

from mailer.errors import InvalidInput
from templates.language import LOCALES
from templates.language.written_time import read_written_time

NINE = datetime(2026, 12, 1, 9)  # noqa: DTZ001 - read in a zone by the caller


@pytest.mark.parametrize(
    "written",
    ["2026-12-01 09:00", "2026-12-01T09:00:00", "1-12-2026 9:00", "01.12.2026, 09.00", "2026/12/1 9:00", "1 december 2026 om 9.00 uur", "dinsdag 1 dec. 2026 9:00",
     "Tuesday, 1 December 2026 at 9:00", "December 1st, 2026 9:00", "1-dec-2026 09:00", " 1\u00a0december  2026 9:00 "],
)  # fmt: skip
def test_a_time_is_read_however_it_is_written(written: str) -> None:
    assert read_written_time(written) == NINE


@pytest.mark.parametrize(
    "written",
    [
        "1 brumaire 2026",
        "32 december 2026",
        "1 december 2026 25:00",
        "foo 1 december 2026",
        "1 december",
        "tomorrow",
        "",
    ],
)
def test_what_is_no_time_is_refused_with_the_forms_there_are(written: str) -> None:
    with pytest.raises(InvalidInput, match="write 2026-05-01 10:00, 1-5-2026 10:00 or 1 mei 2026 10:00"):
        read_written_time(written)


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001
    st.sampled_from(LOCALES),
    st.sampled_from(
        ["d MMMM y HH:mm", "EEEE d MMM y HH:mm", "d-M-y H:mm", "MMMM d, y HH:mm", "d.M.y HH:mm:ss"]
    ),
)
def test_what_babel_formats_is_read_back(moment: datetime, locale: str, form: str) -> None:
    moment = moment.replace(second=0, microsecond=0)
    assert read_written_time(format_datetime(moment, form, locale=locale)) == moment


@given(st.text(max_size=40))
def test_no_text_whatever_gives_another_error(text: str) -> None:
    try:
        read_written_time(text)
    except InvalidInput as refused:
        assert refused.reason  # noqa: PT017
