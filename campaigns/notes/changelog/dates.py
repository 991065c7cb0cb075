"""Dates as changelogs write them: ISO 8601, dotted, and in words, in English and Dutch."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import date

from templates.language.written_time import month_number

_WEEKDAY = (
    r"(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?|(?:maan|dins|woens|donder|vrij|zater|zon)dag"
    r"|ma|di|wo|do|vr|za|zo)\b\.?,?\s+"
)
_TIME = r"(?:[T\s]+\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?\s*(?:Z\b|UTC\b|GMT\b)?(?:[+-]\d{2}:?\d{2})?(?:\s*\([A-Z]{2,5}\))?)?"
_YEAR_FIRST = re.compile(rf"(?<![\d.-])(\d{{4}})([-/.])(\d{{1,2}})\2(\d{{1,2}})(?![\d-]|\.\d){_TIME}")
_YEAR_LAST = re.compile(r"(?<![\d./-])(\d{1,2})([-/.])(\d{1,2})\2(\d{4}|\d{2}(?=\)))(?![\d-]|\.\d)")
_DAY_MONTH = re.compile(
    rf"(?:{_WEEKDAY})?(?<![\d.])(\d{{1,2}})(?:st|nd|rd|th|e|de|ste|\.)?\s+(?:of\s+)?([^\W\d_]{{3,}})\.?,?\s+(\d{{4}})\b{_TIME}",
    re.IGNORECASE,
)
_MONTH_DAY = re.compile(
    rf"(?:{_WEEKDAY})?\b([^\W\d_]{{3,}})\.?\s+(\d{{1,2}})(?:st|nd|rd|th)?,?\s+(\d{{4}})\b{_TIME}",
    re.IGNORECASE,
)
_MONTH_TIME_YEAR = re.compile(
    rf"(?:{_WEEKDAY})?\b([^\W\d_]{{3,}})\.?\s+(\d{{1,2}})\s+\d{{1,2}}:\d{{2}}(?::\d{{2}})?\s+(?:[A-Z]{{2,5}}\s+)?(\d{{4}})\b",
    re.IGNORECASE,
)
_HOLDS_A_DATE = re.compile(r"\d{4}|\d[-/]\d\d")
_MONTH_YEAR = re.compile(r"\b([^\W\d_]{3,})\.?,?\s+(\d{4})\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Written:
    """A date in a text: the characters from `start` to `end`. `date` is None where it can be read in two ways."""

    start: int
    end: int
    date: date | None
    is_dotted: bool = False


def written_dates(text: str) -> list[Written]:
    """The dates in a line, in their order; they do not overlap."""
    if not _HOLDS_A_DATE.search(text):
        return []
    found = [written for pattern, read in _FORMS for written in _matches(pattern, read, text)]
    kept: list[Written] = []
    for written in sorted(found, key=lambda one: (one.start, -one.end)):
        if not kept or written.start >= kept[-1].end:
            kept.append(written)
    return kept


def _matches(pattern: re.Pattern[str], read: object, text: str) -> list[Written]:
    written = []
    for match in pattern.finditer(text):
        is_date, day = read(match)  # type: ignore[operator]
        if is_date:
            dotted = pattern in {_YEAR_FIRST, _YEAR_LAST} and match[2] == "."
            written.append(Written(*match.span(), day, dotted))
    return written


def _year_first(match: re.Match[str]) -> tuple[bool, date | None]:
    year, month, day = int(match[1]), int(match[3]), int(match[4])
    return 1970 <= year <= 2199, _day(year, month, day)


def _year_last(match: re.Match[str]) -> tuple[bool, date | None]:
    """Dots mean day first. With dashes and slashes both orders are in use: only a number above 12 tells."""
    first, second, year = int(match[1]), int(match[3]), int(match[4])
    if not (1 <= first <= 31 and 1 <= second <= 31 and (first <= 12 or second <= 12)):
        return False, None
    if len(match[4]) == 2:
        return match[2] != ".", None
    if match[2] == "." or first > 12:
        return second <= 12, _day(year, second, first)
    if second > 12 or first == second:
        return True, _day(year, first, second)
    return True, None


def _named_month(year: str, month: str, day: str | None) -> tuple[bool, date | None]:
    number = month_number(month)
    if number is None:
        return False, None
    return True, _day(int(year), number, int(day)) if day else None


def _day(year: int, month: int, day: int) -> date | None:
    with suppress(ValueError):
        return date(year, month, day)
    return None


_FORMS = (
    (_YEAR_FIRST, _year_first),
    (_YEAR_LAST, _year_last),
    (_DAY_MONTH, lambda match: _named_month(match[3], match[2], match[1])),
    (_MONTH_DAY, lambda match: _named_month(match[3], match[1], match[2])),
    (_MONTH_TIME_YEAR, lambda match: _named_month(match[3], match[1], match[2])),
    (_MONTH_YEAR, lambda match: _named_month(match[2], match[1], None)),
)
