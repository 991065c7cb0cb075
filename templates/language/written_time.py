"""Times as people and spreadsheets write them, with the names of months and days in the languages of the mails."""

from __future__ import annotations

import re
from datetime import datetime
from functools import cache

from mailer.errors import InvalidInput
from templates.language.texts import LOCALES

TIME_FORMS = "2026-05-01 10:00, 1-5-2026 10:00 or 1 mei 2026 10:00"

# ISO 8601: a date, with or without a time, with or without a zone.
_ISO = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:[Zz]|[+-]\d\d(?::?\d\d)?)?)?", re.ASCII
)
_CLOCK = r"(?:(?:,| om| at)? (\d{1,2})[:.](\d\d)(?:[:.](\d\d)(?:[.,]0+)?)?(?: ?(?:uur|u|h))?)?"
_DAY_FIRST = re.compile(rf"(\d{{1,2}})([-.])(\d{{1,2}})\2(\d{{4}}){_CLOCK}", re.ASCII | re.IGNORECASE)
_YEAR_FIRST = re.compile(rf"(\d{{4}})([-/.])(\d{{1,2}})\2(\d{{1,2}}){_CLOCK}", re.ASCII | re.IGNORECASE)
_DAY_AND_NAME = re.compile(
    rf"(?:([a-z]{{2,9}})\.?,? )?(\d{{1,2}})(?:e|ste|de|st|nd|rd|th|\.)?[ -]([a-z]{{3,9}})\.?,?[ -](\d{{4}}){_CLOCK}",
    re.ASCII | re.IGNORECASE,
)
_NAME_AND_DAY = re.compile(
    rf"(?:([a-z]{{2,9}})\.?,? )?([a-z]{{3,9}})\.? (\d{{1,2}})(?:st|nd|rd|th)?,? (\d{{4}}){_CLOCK}",
    re.ASCII | re.IGNORECASE,
)

# What spreadsheets write in place of a date, and what to do about it.
_NO_TIMES = (
    (
        re.compile(r"\d{5}(?:[.,]\d+)?", re.ASCII),
        "it is the number by which a spreadsheet counts days; give the column a date format and save it again",
    ),
    (re.compile("#+"), "the spreadsheet's column was too narrow; widen it and save the file again"),
    (
        re.compile(r"#[\w/]+[!?]?"),
        "it is an error of the spreadsheet; correct the cell and save the file again",
    ),
    (
        re.compile(r"\d{1,2}[-./]\d{1,2}[-./]\d\d(?!\d).*", re.ASCII),
        "its year has two digits; give the column the format yyyy-mm-dd and save it again",
    ),
    (
        re.compile(r"\d{1,2}/\d{1,2}/\d{4}.*", re.ASCII),
        "with slashes it is unclear whether the day or the month comes first; write 2026-05-01 or 1-5-2026",
    ),
)


def read_written_time(text: str) -> datetime:
    """The time that `text` names, aware only where it says its offset; a date alone is the start of that day.

    ISO 8601, a date with the day first (``1-5-2026``, ``1.5.2026``) or the year first, or with the month's name in a
    language of the mails, all with or without a time of day. Slashes do with the year first only. Raises
    InvalidInput, with a reason that says what to do, for anything else.
    """
    written = " ".join(text.split())
    try:
        if _ISO.fullmatch(written):
            return datetime.fromisoformat(written)
        if parts := _parts(written):
            return datetime(*parts)  # type: ignore[arg-type]  # noqa: DTZ001 - the caller reads the zone
    except ValueError:
        pass  # there is no such day or time
    reasons = (reason for pattern, reason in _NO_TIMES if pattern.fullmatch(written))
    raise InvalidInput(next(reasons, f"it is not a time we can read; write {TIME_FORMS}"))


def month_number(name: str) -> int | None:
    """The month that `name` names in a language of the mails, whole or shortened, in whatever case."""
    return _months().get(name.lower().rstrip("."))


def _parts(written: str) -> tuple[int, ...] | None:
    """Year, month, day, hour, minute and second."""
    if found := _DAY_FIRST.fullmatch(written):
        day, _, month, year, *clock = found.groups()
    elif found := _YEAR_FIRST.fullmatch(written):
        year, _, month, day, *clock = found.groups()
    else:
        if found := _DAY_AND_NAME.fullmatch(written):
            weekday, day, name, year, *clock = found.groups()
        elif found := _NAME_AND_DAY.fullmatch(written):
            weekday, name, day, year, *clock = found.groups()
        else:
            return None
        month = month_number(name)
        if month is None or (weekday and weekday.lower() not in _weekdays()):
            return None
    return (*(int(part or 0) for part in (year, month, day, *clock)),)


@cache
def _months() -> dict[str, int]:
    from babel.dates import get_month_names  # noqa: PLC0415 - slow to import

    names = {
        name.lower().rstrip("."): number
        for locale in LOCALES
        for width in ("wide", "abbreviated")
        for number, name in get_month_names(width, locale=locale).items()
    }
    return names | {"sept": 9}


@cache
def _weekdays() -> frozenset[str]:
    from babel.dates import get_day_names  # noqa: PLC0415 - slow to import

    return frozenset(
        name.lower().rstrip(".")
        for locale in LOCALES
        for width in ("wide", "abbreviated")
        for name in get_day_names(width, locale=locale).values()
    )
